#include "daemon/config/live_report.hpp"

#include <algorithm>
#include <array>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <fmt/format.h>

#include "policies/candidate.hpp"
#include "policies/explain.hpp"

namespace pointsman {
namespace {

constexpr std::array<std::string_view, 3> level_words{"ok", "warning", "error"};

std::string_view word(LiveLevel level) {
  return level_words.at(static_cast<std::size_t>(level));
}

LiveLine probe_line(const ProbeName& name, const Sample& sample) {
  const Finding& finding = sample.finding;
  const bool passes = finding.outcome == Outcome::pass;
  const bool warns = finding.outcome == Outcome::warn;
  std::string text =
      fmt::format("{} ({}) in {:.1f} ms", to_text(finding.outcome), to_text(finding.reason),
                  std::chrono::duration<double, std::milli>(sample.latency()).count());
  if (!finding.message.empty()) text += ": " + finding.message;
  return {passes  ? LiveLevel::ok
          : warns ? LiveLevel::warning
                  : LiveLevel::error,
          "probe " + name.text, std::move(text)};
}

/// One route: its candidates as they were found.
class RouteJudge {
 public:
  RouteJudge(const Config& config, const LiveLook& look, const RoutePolicy& route,
             std::vector<LiveLine>& lines)
      : config_(config), look_(look), route_(route), lines_(lines) {}

  void judge() {
    judge_fit();
    for (const ProbeName& name : route_.candidates) {
      const Sample* sample = sample_of(name);
      if (!sample) continue;
      if (const auto* facts = std::get_if<PostgresFacts>(&sample->finding.facts)) {
        judge_postgres(name, *facts);
      } else if (const auto* redis = std::get_if<RedisFacts>(&sample->finding.facts)) {
        judge_redis(name, *redis);
      }
    }
    judge_cluster();
  }

 private:
  void say(LiveLevel level, std::string text) {
    lines_.push_back({level, "route " + route_.name.text, std::move(text)});
  }

  const Sample* sample_of(const ProbeName& name) const {
    const auto found = look_.samples.find(name);
    return found == look_.samples.end() ? nullptr : &found->second;
  }

  bool wants_the_writer() const {
    return route_.require == Require::writable || route_.require == Require::master;
  }
  bool promotes() const {
    return route_.promote.has_value() || route_.hooks.count(HookKind::demote) != 0;
  }

  void judge_fit() {
    std::vector<ProbeName> fitting;
    for (const ProbeName& name : route_.candidates) {
      const Sample* sample = sample_of(name);
      if (sample && fits(route_.require, max_lag(name), sample->finding)) fitting.push_back(name);
    }
    if (fitting.empty()) {
      say(route_.fallback ? LiveLevel::warning : LiveLevel::error,
          fmt::format("no candidate is {} now: {}", to_text(route_.require),
                      route_.fallback ? "it would lead to route:" + route_.fallback->text
                                      : "it has nowhere to lead"));
    } else if (wants_the_writer() && fitting.size() > 1) {
      say(LiveLevel::error, fmt::format("{} all take writes: stop all but one before pointsman "
                                        "starts",
                                        join_names(fitting)));
    } else {
      say(LiveLevel::ok, fmt::format("{} of {}: {}", to_text(route_.require),
                                     join_names(route_.candidates), join_names(fitting)));
    }
  }

  std::optional<Lag> max_lag(const ProbeName& name) const {
    if (route_.max_lag) return route_.max_lag;
    const auto probe = config_.policy->probes.find(name);
    return probe == config_.policy->probes.end() ? std::nullopt : probe->second.max_lag;
  }

  void judge_postgres(const ProbeName& name, const PostgresFacts& facts) {
    if (!promotes()) return;
    if (facts.may_promote && !*facts.may_promote) {
      say(LiveLevel::error,
          fmt::format("the role of {} may not promote: run, on the primary and in the database of "
                      "its url, GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO it",
                      name.text));
    } else if (!facts.may_promote && facts.role != PostgresRole::unknown) {
      say(LiveLevel::warning,
          fmt::format("whether the role of {} may promote is not known", name.text));
    }
    if (facts.role != PostgresRole::standby) return;
    judge_delay(name, facts);
    judge_receiver(name, facts);
  }

  void judge_delay(const ProbeName& name, const PostgresFacts& facts) {
    if (!facts.apply_delay || *facts.apply_delay <= Duration::zero()) return;
    say(LiveLevel::warning,
        fmt::format("{} has recovery_min_apply_delay = {}: it is never promoted "
                    "while it has",
                    name.text, print_duration(*facts.apply_delay)));
  }

  void judge_receiver(const ProbeName& name, const PostgresFacts& facts) {
    if (facts.receiving && !*facts.receiving) {
      say(LiveLevel::warning, fmt::format("{} receives nothing from its primary now", name.text));
    } else if (!facts.receiver_silent) {
      say(LiveLevel::warning,
          fmt::format("when {} last heard from its primary cannot be seen, so that a lost host is "
                      "found later: GRANT pg_monitor TO its role",
                      name.text));
    }
    if (!facts.wal_receiver_timeout) return;
    const Duration timeout = *facts.wal_receiver_timeout;
    if (timeout == Duration::zero()) {
      say(LiveLevel::warning,
          fmt::format("{} has wal_receiver_timeout = 0: that the whole host of the primary is lost "
                      "is never found; set it to 5s",
                      name.text));
    } else {
      const bool is_seen = facts.receiver_silent.has_value();
      say(LiveLevel::ok,
          fmt::format("{} has wal_receiver_timeout = {}: a lost host is found {} after it fell "
                      "silent",
                      name.text, print_duration(timeout),
                      print_duration(is_seen ? timeout / 2 + std::chrono::seconds{1} : timeout)));
    }
  }

  void judge_redis(const ProbeName& name, const RedisFacts& facts) {
    if (!facts.sentinels || *facts.sentinels == 0) return;
    say(route_.promote ? LiveLevel::error : LiveLevel::warning,
        fmt::format("{} Redis Sentinel(s) watch {}{}", *facts.sentinels, name.text,
                    route_.promote ? ": they would promote another one; leave `promote:` out and "
                                     "follow them, or stop them"
                                   : ": they promote, and this route follows"));
  }

  /// All that answer belong to one cluster.
  void judge_cluster() {
    std::string first, first_id;
    for (const ProbeName& name : route_.candidates) {
      const Sample* sample = sample_of(name);
      const std::string id = sample ? system_id_of(sample->finding) : "";
      if (id.empty()) continue;
      if (first_id.empty()) {
        first = name.text;
        first_id = id;
      } else if (id != first_id && wants_the_writer()) {
        say(LiveLevel::error, fmt::format("{} and {} belong to different clusters (system "
                                          "identifiers {} and {}): neither can stand in for the "
                                          "other",
                                          first, name.text, first_id, id));
      }
    }
  }

  const Config& config_;
  const LiveLook& look_;
  const RoutePolicy& route_;
  std::vector<LiveLine>& lines_;
};

}  // namespace

std::vector<LiveLine> judge_live(const Config& config, const LiveLook& look) {
  std::vector<LiveLine> lines;
  for (const auto& [name, sample] : look.samples) lines.push_back(probe_line(name, sample));
  for (const auto& [name, route] : config.policy->routes) {
    RouteJudge(config, look, route, lines).judge();
  }
  for (const LiveVia& via : look.vias) {
    const std::string subject = "route " + via.route.text;
    if (via.problems.empty()) lines.push_back({LiveLevel::ok, subject, via.where + ": fine"});
    for (const auto& problem : via.problems) {
      lines.push_back({LiveLevel::error, subject, via.where + ": " + problem});
    }
  }
  for (const auto& problem : look.state_dir_problems) {
    lines.push_back({LiveLevel::warning, "state_dir", problem});
  }
  return lines;
}

std::string describe_live(const std::vector<LiveLine>& lines) {
  std::string text = lines.empty() ? "" : "live\n";
  std::size_t width = 8;
  for (const auto& line : lines) width = std::max(width, line.subject.size());
  for (const auto& line : lines) {
    text += fmt::format("  {:7}  {:{}}  {}\n", word(line.level), line.subject, width, line.text);
  }
  return text;
}

boost::json::value live_json(const std::vector<LiveLine>& lines) {
  boost::json::array array;
  for (const auto& line : lines) {
    array.push_back(boost::json::object{
        {"level", std::string(word(line.level))}, {"subject", line.subject}, {"text", line.text}});
  }
  return array;
}

bool has_level(const std::vector<LiveLine>& lines, LiveLevel level) {
  return std::any_of(lines.begin(), lines.end(),
                     [level](const LiveLine& line) { return line.level == level; });
}

}  // namespace pointsman
