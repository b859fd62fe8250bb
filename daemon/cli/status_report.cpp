#include <algorithm>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "daemon/cli/json_read.hpp"
#include "daemon/cli/report.hpp"
#include "daemon/cli/words.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

int severity(const std::string& state) {
  if (state == "unhealthy") return 0;
  if (state == "unknown") return 1;
  if (state == "degraded") return 2;
  return state == "healthy" ? 4 : 3;
}

struct Entry {
  std::string name;
  const json::value* value;
  int rank;  ///< what is wrong comes first
};

/// The entries of an object, the worst first, then by name.
std::vector<Entry> worst_first(const json::value& object) {
  std::vector<Entry> entries;
  if (!object.is_object()) return entries;
  for (const auto& [name, value] : object.get_object()) {
    const auto outcome = text_member(member(value, "sample"), "outcome");
    const bool passes = outcome.empty() || outcome == "pass";
    entries.push_back({printable(std::string_view(name)), &value,
                       2 * severity(text_member(value, "state")) + (passes ? 1 : 0)});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.name < b.name;
  });
  return entries;
}

Cell state_cell(const json::value& value) {
  auto state = text_member(value, "state");
  const auto tone = tone_of_state(state);
  return {std::move(state), tone};
}

/// "route:bud unhealthy, disk degraded, 3 healthy".
std::string members_text(const json::value& service) {
  const auto& members = member(service, "members");
  if (!members.is_object()) return {};
  std::vector<std::string> parts;
  int healthy = 0;
  for (const auto& [name, state] : members.get_object()) {
    if (scalar_text(state) == "healthy") {
      ++healthy;
    } else {
      parts.push_back(printable(std::string_view(name)) + " " + scalar_text(state));
    }
  }
  if (healthy > 0) parts.push_back(fmt::format("{} healthy", healthy));
  return join(parts, ", ");
}

std::string head(const json::value& status, const Style& style) {
  const auto overall = text_member(status, "overall");
  const auto& serving = member(status, "serving");
  std::string text =
      fmt::format("{}: {}\n", paint(text_member(status, "node"), Tone::strong, style),
                  paint(overall, tone_of_state(overall), style));
  if (true_member(serving, "ok")) {
    text += fmt::format("load balancer: {}\n", paint("/health answers 200", Tone::good, style));
  } else {
    const auto reason = text_member(serving, "reason");
    text += fmt::format("load balancer: {}{}\n", paint("/health answers 503", Tone::bad, style),
                        reason.empty() ? "" : ": " + reason);
  }
  const auto open = integer_member(status, "incidents_open");
  const auto automation = text_member(status, "automation");
  text += fmt::format("mode {}, automation {}, {} open incident{}, pointsman {}\n",
                      text_member(status, "mode"), automation, open, open == 1 ? "" : "s",
                      text_member(status, "version"));
  return text;
}

/// " (12m30s more)" or " (until SERVICE recovers)".
std::string how_long(const json::value& act, WallTime now) {
  const auto recovered = text_member(act, "until_recovered");
  if (!recovered.empty()) return fmt::format(" (until {} recovers)", recovered);
  const auto until = time_member(act, "until");
  return until ? fmt::format(" ({} more)", short_duration(*until - now)) : std::string{};
}

/// What an operator or a ladder has set.
std::string modes(const json::value& status, WallTime now, const Style& style) {
  std::string text;
  const auto& paused = member(status, "paused");
  if (paused.is_object()) {
    text += fmt::format("{}{}{}\n", paint("automation is paused", Tone::warning, style),
                        how_long(paused, now), because_text(paused));
  }
  const auto& drained = member(status, "drained");
  if (drained.is_object()) {
    text += fmt::format("{}{}\n", paint("the node is drained", Tone::warning, style),
                        because_text(drained));
  }
  const auto& details = member(status, "flag_details");
  std::vector<std::string> bare;
  for (const auto& name : texts_member(status, "flags")) {
    const auto& flag = member(details, name);
    if (flag.is_object()) {
      text += fmt::format("flag {} is set{}{}\n", paint(name, Tone::warning, style),
                          how_long(flag, now), because_text(flag));
    } else {
      bare.push_back(name);
    }
  }
  if (!bare.empty()) text += fmt::format("flags set: {}\n", join(bare, ", "));
  return text;
}

std::string incidents(const json::value& status, WallTime now, const Style& style) {
  const auto& all = member(status, "incidents");
  if (!all.is_array()) return {};
  Table table({"INCIDENT", "SEVERITY", "SUBJECT", "CAUSE", "SINCE"});
  for (const auto& incident : all.get_array()) {
    const auto severity = text_member(incident, "severity");
    table.add({{text_member(incident, "id")},
               {severity, severity == "critical" ? Tone::bad : Tone::warning},
               {text_member(incident, "subject")},
               {text_member(incident, "cause")},
               {age_member(incident, "began_at", now)}});
    const auto& known = member(incident, "acknowledged");
    if (known.is_object()) {
      table.add_note("acknowledged" + because_text(known));
    } else {
      table.add_note(text_member(incident, "asked"));
    }
  }
  return table.empty() ? "" : "\n" + table.text(style);
}

/// Those that do something, or would.
std::string ladders(const json::value& status, WallTime now, const Style& style) {
  const auto& all = member(status, "ladders");
  if (!all.is_object()) return {};
  Table table({"LADDER", "PHASE", "SINCE", "STEP", "UNTIL"});
  for (const auto& [name, ladder] : all.get_object()) {
    const auto phase = text_member(ladder, "phase");
    if (phase == "idle" && !true_member(ladder, "triggered")) continue;
    const auto step = text_member(ladder, "step_text");
    const auto until = time_member(ladder, "until");
    table.add({{printable(std::string_view(name))},
               {phase, Tone::warning},
               {age_member(ladder, "since", now)},
               {step.empty() ? "-"
                             : fmt::format("{} of {}: {}", integer_member(ladder, "step"),
                                           integer_member(ladder, "steps"), step)},
               {until ? "in " + short_duration(*until - now) : "-"}});
    if (const auto id = integer_member(ladder, "approval"); id > 0) {
      table.add_note(
          fmt::format("waits for a person: pointsman approve {0}, or: pointsman refuse {0}", id));
    }
    const auto& guards = member(ladder, "guards");
    if (!guards.is_array()) continue;
    for (const auto& guard : guards.get_array()) {
      if (true_member(guard, "allow")) continue;
      table.add_note(fmt::format("held by {}: {} (limit {})", text_member(guard, "name"),
                                 text_member(guard, "value"), text_member(guard, "limit")));
    }
  }
  return table.empty() ? "" : "\n" + table.text(style);
}

/// Those that do not get through.
std::string notifiers(const json::value& status, const Style& style) {
  const auto& all = member(status, "notifiers");
  if (!all.is_object()) return {};
  std::string text;
  for (const auto& [name, notifier] : all.get_object()) {
    const auto error = text_member(notifier, "last_error");
    if (error.empty()) continue;
    text += fmt::format("notifier {} {}: {}; {} wait\n", printable(std::string_view(name)),
                        paint("does not get through", Tone::bad, style), error,
                        integer_member(notifier, "pending"));
  }
  return text;
}

std::string services(const json::value& status, WallTime now, const Style& style) {
  Table table({"SERVICE", "STATE", "SINCE", "SCOPE", "MEMBERS"});
  for (const auto& [name, service, rank] : worst_first(member(status, "services"))) {
    auto scope = text_member(*service, "scope");
    if (!true_member(*service, "critical")) scope += ", not critical";
    table.add({{name},
               state_cell(*service),
               {age_member(*service, "since", now)},
               {std::move(scope)},
               {members_text(*service)}});
  }
  return table.empty() ? "" : "\n" + table.text(style);
}

Cell in_effect_cell(const json::value& route) {
  if (true_member(route, "in_effect")) {
    const auto verified = text_member(route, "verified");
    return {verified == "query" ? "yes" : fmt::format("yes, by {}", verified), Tone::good};
  }
  return {"no", Tone::bad};
}

std::string routes(const json::value& status, const Style& style) {
  Table table({"ROUTE", "STATE", "TARGET", "IN EFFECT", "DIAGNOSIS"});
  for (const auto& [name, route, rank] : worst_first(member(status, "routes"))) {
    const auto diagnosis = text_member(*route, "diagnosis");
    table.add({{name},
               state_cell(*route),
               {targets_text(*route)},
               in_effect_cell(*route),
               {diagnosis, diagnosis == "ok" ? Tone::plain : Tone::warning}});
    if (text_member(*route, "state") != "healthy") table.add_note(text_member(*route, "why"));
    if (!true_member(*route, "in_effect")) table.add_note("leads to " + observed_text(*route));
  }
  return table.empty() ? "" : "\n" + table.text(style);
}

/// Piped, the message stands in the last column, where grep finds it; on a terminal it would be cut
/// off there, and has a line of its own.
std::string probes(const json::value& status, WallTime now, const Style& style) {
  const bool own_line = style.columns > 0;
  std::vector<std::string> headings{"PROBE", "TYPE", "STATE", "SINCE", "LATENCY", "REASON"};
  if (!own_line) headings.emplace_back("MESSAGE");
  Table table(std::move(headings));
  for (const auto& [name, probe, rank] : worst_first(member(status, "probes"))) {
    const auto& sample = member(*probe, "sample");
    const auto& latency = member(sample, "latency_ms");
    const auto reason = text_member(sample, "reason");
    const auto tone = text_member(sample, "outcome") == "fail" ? Tone::bad : Tone::plain;
    const auto message = reason == "ok" ? "" : text_member(sample, "message");
    std::vector<Cell> row{
        {name},
        {text_member(*probe, "type"), Tone::quiet},
        state_cell(*probe),
        {age_member(*probe, "since", now)},
        {latency.is_number() ? fmt::format("{:.1f} ms", latency.to_number<double>()) : "-"},
        {reason.empty() ? "-" : reason, tone}};
    if (!own_line) row.push_back({message});
    table.add(std::move(row));
    if (own_line) table.add_note(message);
  }
  return table.empty() ? "" : "\n" + table.text(style);
}

}  // namespace

std::string targets_text(const json::value& route) {
  const auto targets = join(texts_member(route, "targets"), ", ");
  return targets.empty() ? "nowhere" : targets;
}

std::string observed_text(const json::value& route) {
  const auto& observed = member(route, "observed");
  if (!observed.is_array() || observed.get_array().empty()) return "nothing that could be read";
  std::vector<std::string> parts;
  for (const auto& one : observed.get_array()) {
    const auto target = text_member(one, "target");
    auto part = fmt::format("{} ({})", target.empty() ? "none of the candidates" : target,
                            text_member(one, "address"));
    const auto servers = integer_member(one, "servers");
    if (servers > 1) part += fmt::format(" on {} poolers", servers);
    parts.push_back(std::move(part));
  }
  return join(parts, ", ");
}

std::string because_text(const json::value& act) {
  const auto by = text_member(act, "by");
  const auto reason = text_member(act, "reason");
  return (by.empty() ? "" : " by " + by) + (reason.empty() ? "" : ": " + reason);
}

std::string status_report(const json::value& status, WallTime now, const Style& style) {
  return head(status, style) + modes(status, now, style) + notifiers(status, style) +
         incidents(status, now, style) + services(status, now, style) + routes(status, style) +
         ladders(status, now, style) + probes(status, now, style);
}

}  // namespace pointsman
