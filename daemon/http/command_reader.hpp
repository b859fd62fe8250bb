// An operator's command as it came over the control socket, read into an event for the engine.
//
// Pure: the same body, snapshot and instant give the same event. What is not known is told with
// what there is (the routes, the flags that are set); what has no effect (resume while on) is
// answered as done without an event. A member that is not known is an error: a mistyped
// `allow_data_loss` must not look as if it had been heard. Whether the act is allowed is the
// engine's to say (guards), not ours.
#pragma once

#include <optional>
#include <string>

#include <boost/json/object.hpp>

#include "daemon/http/source.hpp"
#include "policies/model/event.hpp"
#include "policies/model/result.hpp"
#include "policies/model/snapshot.hpp"

namespace pointsman {

/// Of a reason, in bytes.
inline constexpr std::size_t longest_reason = 500;

struct CommandInput {
  const std::string& name;  ///< as HttpSource::command has it
  const boost::json::object& body;
  const Snapshot& snapshot;
  std::string by;
  MonoTime now{};
  RequestId request{};  ///< what a switch is to be called; unused by the others
};

/// What the engine is to be told, if anything, and what the operator is answered: 200, 202 with
/// {"request":ID} for a switch, or {"error"} with 400 (can not be read), 404 (no such thing), 409
/// (not now), 422 (can not be done).
struct Command {
  std::optional<Event> event;
  CommandAnswer answer;
};

Command read_command(const CommandInput& input);

/// "notify/test": the notifier to be tested, or the answer that says why there is none.
std::variant<NotifierName, CommandAnswer> read_notify_test(const boost::json::object& body,
                                                           const Snapshot& snapshot);

/// As the YAML writes it: 500ms 5s 2m 1h 30d; more than nothing, at most ten years.
Result<Duration> read_duration(std::string_view text);

/// Letters, digits, '_', '-' and '.', no '.' in front, at most 63: what a file may be called.
bool is_flag_name(std::string_view name);

}  // namespace pointsman
