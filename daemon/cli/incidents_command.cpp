#include <fmt/format.h>

#include "daemon/cli/ask.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/report.hpp"

namespace pointsman {

int show_incidents(const std::string& socket, const IncidentsOptions& options,
                   const Surroundings& around) {
  const ControlClient client(socket);
  const auto target = options.id ? fmt::format("/v1/incidents/{}", *options.id)
                                 : fmt::format("/v1/incidents?limit={}", options.limit);
  const auto answer = asked(client.get(target), around);
  if (answer.code != exit_code::fine) return answer.code;
  const auto now = around.now();
  fmt::print(around.out, "{}",
             options.json ? answer.text
             : options.id ? incident_report(answer.body, now, style_of(around))
                          : incidents_report(answer.body, now, style_of(around)));
  return exit_code::fine;
}

}  // namespace pointsman
