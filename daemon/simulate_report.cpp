#include "daemon/simulate_report.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "probes/clock.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}
std::int64_t milliseconds(Duration duration) {
  return duration / std::chrono::milliseconds{1};
}

std::string sentence(const std::string& kind, const std::string& subject, const std::string& text) {
  if (kind.empty()) return text;
  return kind + (subject.empty() ? "" : " " + subject) + ": " + text;
}

std::string failures_text(const sim::ScenarioResult& result) {
  std::string text;
  for (const auto& failure : result.failures) {
    text += fmt::format("FAILED at {:.3f} s, {}\n  {}\n", seconds(failure.at), failure.where,
                        failure.text);
  }
  return text;
}

const std::set<std::string>& decisive_kinds() {
  static const std::set<std::string> kinds{"diagnosis", "decision", "denied",    "outcome",
                                           "ladder",    "serving",  "operation", "overall_state"};
  return kinds;
}

bool is_of_one_process(const std::string& kind) {
  return kind == "journal" || kind == "policy" || kind == "distrust";
}

WallTime wall_of(MonoTime at) {
  return WallTime{std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch())};
}

}  // namespace

std::string scenario_text(const sim::Scenario& scenario, const sim::ScenarioResult& result) {
  std::string text = scenario.title + "\n";
  if (!scenario.about.empty()) {
    text += scenario.about;
    if (text.back() != '\n') text += '\n';
  }
  text += '\n';
  for (const auto& line : result.timeline) {
    text += fmt::format("{:>9.3f}  {:<9}  {}\n", seconds(line.at), line.who,
                        sentence(line.kind, line.subject, line.text));
  }
  text += '\n' + failures_text(result);
  text += fmt::format("{} of {} expectations hold\n", result.checked - result.failures.size(),
                      result.checked);
  return text;
}

std::string scenario_summary(const sim::Scenario& scenario, const sim::ScenarioResult& result) {
  return fmt::format("{:<6}  {}  ({} expectations)\n{}", result.failures.empty() ? "ok" : "FAILED",
                     scenario.title, result.checked, failures_text(result));
}

json::object scenario_json(const std::string& file, const sim::Scenario& scenario,
                           const sim::ScenarioResult& result) {
  json::array timeline;
  for (const auto& line : result.timeline) {
    json::object one{{"at_ms", milliseconds(line.at)},
                     {"who", line.who},
                     {"kind", line.kind},
                     {"subject", line.subject},
                     {"text", line.text}};
    json::object details;
    for (const auto& [name, value] : line.details) details[name] = value;
    if (!details.empty()) one["details"] = std::move(details);
    timeline.push_back(std::move(one));
  }
  json::array failures;
  for (const auto& failure : result.failures) {
    failures.push_back(json::object{
        {"where", failure.where}, {"at_ms", milliseconds(failure.at)}, {"text", failure.text}});
  }
  return {{"scenario", file},
          {"title", scenario.title},
          {"ok", result.failures.empty()},
          {"checked", result.checked},
          {"failures", std::move(failures)},
          {"timeline", std::move(timeline)}};
}

std::vector<ComparedLine> compare(const std::vector<StoredEvent>& then,
                                  const std::vector<ReplayedRecord>& now) {
  std::vector<ComparedLine> lines;
  std::map<std::tuple<std::string, std::string, std::string>, std::vector<std::size_t>> open;
  for (const StoredEvent& event : then) {
    if (is_of_one_process(event.kind)) continue;
    open[{event.kind, event.subject, event.text}].push_back(lines.size());
    lines.push_back({event.at, Whose::then, event.kind, event.subject, event.text});
  }
  const std::size_t old_lines = lines.size();
  for (const ReplayedRecord& one : now) {
    const std::string kind(to_text(one.record.kind));
    if (is_of_one_process(kind)) continue;
    const WallTime at = wall_of(one.at);
    const auto same = open.find({kind, one.record.subject, one.record.text});
    bool paired = false;
    if (same != open.end()) {
      auto& places = same->second;
      const auto place = std::find_if(places.begin(), places.end(), [&](std::size_t index) {
        const auto apart = lines[index].at - at;
        return apart <= same_time && -apart <= same_time;
      });
      if (place != places.end()) {
        lines[*place].whose = Whose::both;
        places.erase(place);
        paired = true;
      }
    }
    if (!paired) lines.push_back({at, Whose::now, kind, one.record.subject, one.record.text});
  }
  std::inplace_merge(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(old_lines),
                     lines.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  return lines;
}

bool is_decisive(const ComparedLine& line) {
  return decisive_kinds().count(line.kind) != 0;
}

std::string history_text(const std::vector<ComparedLine>& lines) {
  std::string text;
  for (const ComparedLine& line : lines) {
    const char* mark = line.whose == Whose::both   ? "both"
                       : line.whose == Whose::then ? "then"
                                                   : "now";
    text += fmt::format("{}  {:<4}  {}\n", to_rfc3339(line.at), mark,
                        sentence(line.kind, line.subject, line.text));
  }
  return text;
}

json::object history_json(const std::vector<ComparedLine>& lines) {
  json::array array;
  for (const ComparedLine& line : lines) {
    array.push_back(json::object{{"at", to_rfc3339(line.at)},
                                 {"then", line.whose != Whose::now},
                                 {"now", line.whose != Whose::then},
                                 {"kind", line.kind},
                                 {"subject", line.subject},
                                 {"text", line.text}});
  }
  return {{"lines", std::move(array)}};
}

}  // namespace pointsman
