#include "daemon/http/command_reader.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

namespace pointsman {
namespace {

namespace json = boost::json;

CommandAnswer refusal(int status, std::string text) {
  return CommandAnswer{status, json::object{{"error", std::move(text)}}};
}

Command refused(int status, std::string text) {
  return Command{std::nullopt, refusal(status, std::move(text))};
}

CommandAnswer message(std::string text) {
  return CommandAnswer{200, json::object{{"message", std::move(text)}}};
}

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

/// Reads members one by one and keeps the first thing that is wrong.
class Body {
 public:
  Body(const json::object& body, std::initializer_list<std::string_view> known) : body_(body) {
    for (const auto& member : body) {
      const std::string_view name(member.key().data(), member.key().size());
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      std::string list;
      for (const std::string_view one : known)
        list += (list.empty() ? "" : ", ") + std::string(one);
      wrong(fmt::format("there is no '{}' here; known: {}", name, list));
    }
  }

  std::optional<std::string> text(std::string_view name) {
    const json::value* value = body_.if_contains(json::string_view(name.data(), name.size()));
    if (value == nullptr || value->is_null()) return std::nullopt;
    if (!value->is_string()) {
      wrong(fmt::format("'{}' must be a text", name));
      return std::nullopt;
    }
    const std::string_view found = view(value->get_string());
    if (found.size() > longest_reason || has_control_characters(found)) {
      wrong(fmt::format("'{}' must be one line of at most {} bytes", name, longest_reason));
      return std::nullopt;
    }
    return std::string(found);
  }

  std::string wanted_text(std::string_view name) {
    auto found = text(name);
    if (!found || found->empty()) wrong(fmt::format("'{}' is missing", name));
    return found.value_or("");
  }

  bool flag(std::string_view name) {
    const json::value* value = body_.if_contains(json::string_view(name.data(), name.size()));
    if (value == nullptr || value->is_null()) return false;
    if (!value->is_bool()) wrong(fmt::format("'{}' must be true or false", name));
    return value->is_bool() && value->get_bool();
  }

  std::uint64_t wanted_number(std::string_view name) {
    const json::value* value = body_.if_contains(json::string_view(name.data(), name.size()));
    if (value != nullptr && value->is_int64() && value->get_int64() >= 0) {
      return static_cast<std::uint64_t>(value->get_int64());
    }
    wrong(value == nullptr ? fmt::format("'{}' is missing", name)
                           : fmt::format("'{}' must be a number", name));
    return 0;
  }

  std::optional<Duration> duration(std::string_view name) {
    const auto found = text(name);
    if (!found) return std::nullopt;
    const auto read = read_duration(*found);
    if (read) return read.value();
    wrong(fmt::format("'{}': '{}' {}", name, *found, read.error().message));
    return std::nullopt;
  }

  void wrong(std::string text) {
    if (error_.empty()) error_ = std::move(text);
  }
  const std::string& error() const { return error_; }

 private:
  const json::object& body_;
  std::string error_;
};

/// "; known: a, b" or "; there are none".
template <class Map>
std::string known_names(const Map& map) {
  std::string list;
  for (const auto& [name, value] : map) list += (list.empty() ? "" : ", ") + name.text;
  return list.empty() ? "; there are none" : "; known: " + list;
}

std::string in_words(const std::optional<Duration>& hold, std::string_view words) {
  return hold ? fmt::format(" {}", words) : std::string{};
}

Command read_switch(const CommandInput& input) {
  Body body(input.body, {"route", "to", "dry_run", "allow_data_loss", "unfenced"});
  SwitchRequested event;
  event.request = input.request;
  event.route = RouteName{body.wanted_text("route")};
  if (auto to = body.text("to"); to && !to->empty()) event.to = ProbeName{*to};
  event.dry_run = body.flag("dry_run");
  event.allow_data_loss = body.flag("allow_data_loss");
  event.unfenced = body.flag("unfenced");
  event.by = input.by;
  if (!body.error().empty()) return refused(400, body.error());
  const auto& routes = input.snapshot.routes;
  if (routes.count(event.route) == 0) {
    return refused(404,
                   fmt::format("there is no route '{}'{}", event.route.text, known_names(routes)));
  }
  if (event.to && input.snapshot.policy) {
    const auto policy = input.snapshot.policy->routes.find(event.route);
    if (policy != input.snapshot.policy->routes.end()) {
      const auto& candidates = policy->second.candidates;
      if (std::find(candidates.begin(), candidates.end(), *event.to) == candidates.end()) {
        std::string list;
        for (const ProbeName& one : candidates) list += (list.empty() ? "" : ", ") + one.text;
        return refused(422, fmt::format("'{}' is no candidate of the route {}; they are: {}",
                                        event.to->text, event.route.text, list));
      }
    }
  }
  const auto id = static_cast<std::uint64_t>(input.request);
  return Command{std::move(event), CommandAnswer{202, json::object{{"request", id}}}};
}

Command read_cancel(const CommandInput& input) {
  Body body(input.body, {"request"});
  const RequestId request{body.wanted_number("request")};
  if (!body.error().empty()) return refused(400, body.error());
  const auto found = input.snapshot.requests.find(request);
  if (found == input.snapshot.requests.end()) {
    return refused(404, "there is no request of this number; it may have been too long ago");
  }
  if (found->second.state != RequestState::running) {
    return Command{std::nullopt, message(fmt::format("nothing to cancel: the request is {}",
                                                     to_text(found->second.state)))};
  }
  return Command{SwitchCancelled{request},
                 message("asked to cancel: what was done is undone, unless it is past that")};
}

Command read_pause(const CommandInput& input) {
  Body body(input.body, {"reason", "for"});
  AutomationSet event{true, body.text("reason").value_or(""), input.by, std::nullopt};
  const auto hold = body.duration("for");
  if (hold) event.until = input.now + *hold;
  if (!body.error().empty()) return refused(400, body.error());
  const auto text = fmt::format("automation is paused{}: nothing automatic happens until {}",
                                in_words(hold, "for " + body.text("for").value_or("")),
                                hold ? "then, or `pointsman resume`" : "`pointsman resume`");
  return Command{std::move(event), message(text)};
}

Command read_resume(const CommandInput& input) {
  Body body(input.body, {"reason"});
  AutomationSet event{false, body.text("reason").value_or(""), input.by, std::nullopt};
  if (!body.error().empty()) return refused(400, body.error());
  if (!input.snapshot.automation) {
    return Command{std::nullopt, message("automation was not paused; nothing to do")};
  }
  return Command{std::move(event), message("automation is on again")};
}

Command read_drain(const CommandInput& input, bool drained) {
  Body body(input.body, {"reason"});
  DrainSet event{drained, body.text("reason").value_or(""), input.by};
  if (!body.error().empty()) return refused(400, body.error());
  if (!drained && !input.snapshot.drain) {
    return Command{std::nullopt, message("the node was not drained; nothing to do")};
  }
  return Command{std::move(event),
                 message(drained ? "the node is drained: /health answers 503 until "
                                   "`pointsman undrain`"
                                 : "the node is drained no longer")};
}

Command read_flag(const CommandInput& input, bool set) {
  Body body =
      set ? Body(input.body, {"name", "reason", "for"}) : Body(input.body, {"name", "reason"});
  FlagSet event;
  event.flag = FlagName{body.wanted_text("name")};
  event.set = set;
  event.reason = body.text("reason").value_or("");
  event.by = input.by;
  const auto hold = set ? body.duration("for") : std::nullopt;
  if (hold) event.until = input.now + *hold;
  if (!body.error().empty()) return refused(400, body.error());
  const std::string name = event.flag.text;
  if (!is_flag_name(name)) {
    return refused(400, fmt::format("'{}' can not be a flag's name: letters, digits, '_', '-' and "
                                    "'.', at most 63, no '.' in front",
                                    name));
  }
  if (!set && input.snapshot.flags.count(event.flag) == 0) {
    // Its file may be there all the same, where a start could not read who had set it.
    return Command{std::move(event), message(fmt::format("the flag {} was not set", name))};
  }
  std::string text = set ? fmt::format("the flag {} is set{}", name,
                                       in_words(hold, "for " + body.text("for").value_or("")))
                         : fmt::format("the flag {} is cleared", name);
  if (set && name == "maintenance") text += "; /health answers 503 while it is";
  return Command{std::move(event), message(std::move(text))};
}

Command read_acknowledgement(const CommandInput& input) {
  Body body(input.body, {"incident", "reason"});
  IncidentAcknowledged event;
  event.incident = IncidentId{body.wanted_number("incident")};
  event.reason = body.text("reason").value_or("");
  event.by = input.by;
  if (!body.error().empty()) return refused(400, body.error());
  const auto number = static_cast<std::uint64_t>(event.incident);
  const auto found = input.snapshot.incidents.find(event.incident);
  if (found == input.snapshot.incidents.end() || !found->second) {
    return refused(
        404, fmt::format("there is no incident {}; `pointsman incidents` lists them", number));
  }
  const Incident& incident = *found->second;
  if (incident.state == IncidentState::closed) {
    return refused(409, fmt::format("incident {} is closed already", number));
  }
  // Again too: a ladder may hold its subject anew since, and only the engine knows.
  const bool again = incident.acknowledged.has_value();
  return Command{std::move(event), message(fmt::format("incident {} is acknowledged{}", number,
                                                       again ? " again" : ""))};
}

Command read_approval(const CommandInput& input, bool approved) {
  Body body(input.body, {"id"});
  const ActionId id{body.wanted_number("id")};
  if (!body.error().empty()) return refused(400, body.error());
  std::string waiting;
  for (const auto& [name, ladder] : input.snapshot.ladders) {
    if (ladder.approval == ActionId{}) continue;
    if (ladder.approval == id) {
      return Command{StepApproved{id, approved, input.by},
                     message(fmt::format("{}: {} of {}", approved ? "approved" : "refused",
                                         ladder.step_text, name.text))};
    }
    waiting +=
        fmt::format("{}{} ({}: {})", waiting.empty() ? "" : ", ",
                    static_cast<std::uint64_t>(ladder.approval), name.text, ladder.step_text);
  }
  return refused(
      404, fmt::format("nothing waits for approval under the number {}; waiting: {}",
                       static_cast<std::uint64_t>(id), waiting.empty() ? "nothing" : waiting));
}

}  // namespace

Command read_command(const CommandInput& input) {
  const std::string& name = input.name;
  if (name == "switch") return read_switch(input);
  if (name == "switch/cancel") return read_cancel(input);
  if (name == "pause") return read_pause(input);
  if (name == "resume") return read_resume(input);
  if (name == "drain" || name == "undrain") return read_drain(input, name == "drain");
  if (name == "flags/set" || name == "flags/clear") return read_flag(input, name == "flags/set");
  if (name == "ack") return read_acknowledgement(input);
  if (name == "approve" || name == "refuse") return read_approval(input, name == "approve");
  return refused(404, fmt::format("there is no command '{}'", name));
}

std::variant<NotifierName, CommandAnswer> read_notify_test(const json::object& body,
                                                           const Snapshot& snapshot) {
  Body read(body, {"notifier"});
  NotifierName name{read.wanted_text("notifier")};
  if (!read.error().empty()) return refusal(400, read.error());
  static const std::map<NotifierName, NotifierPolicy> none;
  const auto& all = snapshot.policy ? snapshot.policy->notify : none;
  if (all.count(name) > 0) return name;
  return refusal(404, fmt::format("there is no notifier '{}'{}", name.text, known_names(all)));
}

Result<Duration> read_duration(std::string_view text) {
  static constexpr std::pair<std::string_view, std::int64_t> units[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  constexpr std::int64_t longest = 3650LL * 86'400'000;
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<std::size_t>(read.ptr - text.data()));
  if (read.ec == std::errc{}) {
    for (const auto& [name, milliseconds] : units) {
      if (name != unit) continue;
      if (number <= 0) return Error{"must be more than nothing"};
      if (number > longest / milliseconds) return Error{"is too long: at most 3650d"};
      return Duration{std::chrono::milliseconds{number * milliseconds}};
    }
  }
  return Error{"is not a duration: write 500ms, 5s, 2m, 1h or 30d"};
}

bool is_flag_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 63 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), fits);
}

}  // namespace pointsman
