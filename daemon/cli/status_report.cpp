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
  const auto automation = text_member(status, "automation");
  text += fmt::format("mode {}, automation {}, {} open incidents, pointsman {}\n",
                      text_member(status, "mode"), automation,
                      integer_member(status, "incidents_open"), text_member(status, "version"));
  const auto flags = texts_member(status, "flags");
  if (!flags.empty()) text += fmt::format("flags set: {}\n", join(flags, ", "));
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

std::string status_report(const json::value& status, WallTime now, const Style& style) {
  return head(status, style) + services(status, now, style) + routes(status, style) +
         probes(status, now, style);
}

}  // namespace pointsman
