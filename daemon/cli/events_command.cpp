#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "daemon/cli/ask.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/event_reader.hpp"
#include "daemon/cli/json_read.hpp"
#include "daemon/cli/report.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

void print_event(const json::value& event, const EventsOptions& options,
                 const Surroundings& around) {
  if (options.json) {
    fmt::print(around.out, "{}\n", json::serialize(event));
  } else {
    fmt::print(around.out, "{}", event_line(event, style_of(around)));
  }
}

void print_gap(const json::value& gap, const Surroundings& around) {
  complain(around, fmt::format("events between {} and {} are not in the daemon's memory; the "
                               "journal has them",
                               integer_member(gap, "after"), integer_member(gap, "next")));
}

/// What there is already. `since` is where the next ones begin.
int print_past(const ControlClient& client, const EventsOptions& options, std::int64_t& since,
               const Surroundings& around) {
  auto target = fmt::format("/v1/events?limit={}", options.limit);
  if (options.since) target += fmt::format("&since={}", *options.since);
  const auto answer = asked(client.get(target), around);
  if (answer.code != exit_code::fine) return answer.code;
  if (options.since && true_member(answer.body, "gap")) {
    complain(around, fmt::format("not all events after {} are in the daemon's memory; the journal "
                                 "has them",
                                 *options.since));
  }
  since = options.since ? static_cast<std::int64_t>(*options.since)
                        : integer_member(answer.body, "last");
  const auto& events = member(answer.body, "events");
  if (!events.is_array()) return exit_code::fine;
  for (const auto& event : events.get_array()) {
    print_event(event, options, around);
    since = integer_member(event, "seq");
  }
  std::fflush(around.out);
  return exit_code::fine;
}

/// Goes on until it is interrupted. A daemon that goes away is waited for.
int follow(const ControlClient& client, const EventsOptions& options, std::int64_t since,
           const Surroundings& around) {
  bool said = false;
  for (;;) {
    EventReader reader([&](const StreamEvent& event) {
      boost::system::error_code failed;
      const auto data = json::parse(event.data, failed);
      if (failed) return;
      said = false;
      if (event.kind == "gap") {
        print_gap(data, around);
        since = integer_member(data, "next") - 1;
        return;
      }
      print_event(data, options, around);
      std::fflush(around.out);
      since = integer_member(data, "seq");
    });
    const auto ended = client.stream(fmt::format("/v1/events?since={}", since),
                                     [&](std::string_view piece) { return reader.read(piece); });
    if (!said) complain(around, ended.error().message + "; waiting for it to come back");
    said = true;
    if (!around.pause()) return exit_code::unreachable;
  }
}

}  // namespace

int show_events(const std::string& socket, const EventsOptions& options,
                const Surroundings& around) {
  const ControlClient client(socket);
  std::int64_t since = 0;
  const int code = print_past(client, options, since, around);
  if (code != exit_code::fine || !options.follow) return code;
  return follow(client, options, since, around);
}

}  // namespace pointsman
