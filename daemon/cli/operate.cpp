#include "daemon/cli/operate.hpp"

#include <fmt/format.h>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "daemon/cli/ask.hpp"
#include "daemon/cli/json_read.hpp"
#include "daemon/cli/words.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

json::object body_of(const std::string& command, const OperateOptions& options) {
  json::object body;
  const bool flag = command == "flags/set" || command == "flags/clear";
  if (flag) body["name"] = options.name;
  if (command == "notify/test") body["notifier"] = options.name;
  if (command == "ack") body["incident"] = options.id;
  if (command == "approve" || command == "refuse") body["id"] = options.id;
  if (!options.reason.empty()) body["reason"] = options.reason;
  if (!options.hold.empty()) body["for"] = options.hold;
  return body;
}

}  // namespace

int operate(const std::string& socket, const std::string& command, const OperateOptions& options,
            const Surroundings& around) {
  const ControlClient client(socket);
  const auto answer =
      asked(client.post("/v1/" + command, json::serialize(body_of(command, options))), around);
  if (answer.code != exit_code::fine) return answer.code;
  if (options.json) {
    fmt::print(around.out, "{}", answer.text);
  } else {
    const auto message = text_member(answer.body, "message");
    fmt::print(around.out, "{}\n", message.empty() ? "done" : message);
  }
  return exit_code::fine;
}

int list_flags(const std::string& socket, const OperateOptions& options,
               const Surroundings& around) {
  const auto answer = asked(ControlClient(socket).get("/v1/status"), around);
  if (answer.code != exit_code::fine) return answer.code;
  const auto& flags = member(answer.body, "flag_details");
  if (options.json) {
    fmt::print(around.out, "{}\n", flags.is_object() ? json::serialize(flags) : "{}");
    return exit_code::fine;
  }
  Table table({"FLAG", "SINCE", "UNTIL", "BY", "REASON"});
  if (flags.is_object()) {
    for (const auto& [name, flag] : flags.get_object()) {
      const auto recovered = text_member(flag, "until_recovered");
      const auto until = time_member(flag, "until");
      table.add({{printable(std::string_view(name))},
                 {age_member(flag, "since", around.now())},
                 {!recovered.empty() ? recovered + " recovers"
                  : until            ? "in " + short_duration(*until - around.now())
                                     : "cleared"},
                 {text_member(flag, "by")},
                 {text_member(flag, "reason")}});
    }
  }
  fmt::print(around.out, "{}", table.empty() ? "no flag is set\n" : table.text(style_of(around)));
  return exit_code::fine;
}

}  // namespace pointsman
