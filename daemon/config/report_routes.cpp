// `check` on routes: where each leads, by which rule, and how long it takes.
#include <boost/json/array.hpp>

#include <fmt/format.h>

#include "daemon/config/report_parts.hpp"
#include "daemon/config/values.hpp"
#include "policies/explain.hpp"

namespace pointsman {
namespace {

bool wants_the_writer(const RoutePolicy& route) {
  return route.require == Require::writable || route.require == Require::master;
}

bool is_redis(const RoutePolicy& route) {
  return route.require == Require::master;
}

void add_drive_rows(const RoutePolicy& route, const DriveTiming& drive,
                    std::vector<TimeRow>& rows) {
  rows.push_back({"dead: another promoted and used", drive.dead});
  rows.push_back({"frozen: another promoted and used", drive.frozen});
  if (is_redis(route)) {
    rows.push_back({"host lost: another promoted and used", drive.lost});
  } else {
    rows.push_back({"host lost, wal_receiver_timeout 60s", drive.lost});
    rows.push_back({"host lost, wal_receiver_timeout 5s", drive.lost_tuned});
  }
}

std::vector<TimeRow> route_rows(const RoutePolicy& route, const RouteTiming& timing) {
  std::vector<TimeRow> rows{{"a dead target is seen to fail", timing.target.dead_noticed},
                            {"a silent target is seen to fail", timing.target.silent_noticed},
                            {"a dead target counts as down", timing.target.dead_down},
                            {"a silent target counts as down", timing.target.silent_down}};
  if (timing.drive) add_drive_rows(route, *timing.drive, rows);
  if (wants_the_writer(route)) {
    rows.push_back({"a promoted candidate is followed", timing.follow});
    rows.push_back({"a promoted candidate is used", timing.followed});
  } else {
    rows.push_back({"a candidate that begins to fit is seen", timing.follow});
    rows.push_back({"a dead target is left for another", timing.moved_dead});
    rows.push_back({"a silent target is left for another", timing.moved_silent});
  }
  return rows;
}

std::string lag_text(const Lag& lag) {
  const auto* bytes = std::get_if<std::uint64_t>(&lag);
  return bytes ? yaml_size(*bytes) : print_duration(std::get<Duration>(lag));
}

std::string promote_rule(const RoutePolicy& route) {
  const PromotePolicy& promote = *route.promote;
  return fmt::format(
      "promotes when {} (as the one host that does), if at most {} of what was last seen would be "
      "lost; fence: {}",
      join(
          promote.when, [](const std::string& id) { return id; }, " or "),
      lag_text(promote.max_lag), route.hooks.count(HookKind::fence) != 0 ? "yes" : "none");
}

std::string route_rule(const RoutePolicy& route) {
  if (route.promote) return promote_rule(route);
  if (route.switch_mode == SwitchMode::on_request) return "moves only when a person asks";
  if (route.balance != Balance::none) return "leaves out what is down, spreads over what fits";
  if (route.require == Require::writable) {
    return "follows a promoted candidate as soon as the target has failed once; moves to another "
           "that takes writes when the target is down";
  }
  return "moves to the first candidate that fits when the target is down";
}

/// What the numbers rest on that only the servers know.
std::string drive_notes(const RoutePolicy& route, const Config& config, const std::string& indent) {
  if (!route.promote) return "";
  std::string text;
  if (!is_redis(route)) {
    text += indent +
            "host lost: half the standbys' wal_receiver_timeout + 1 s: 31 s at PostgreSQL's "
            "default of 60 s, 3.5 s at 5 s; without pg_monitor all of it\n" +
            indent +
            "worst: a promotion waits for the standby's wal_retrieve_retry_interval, 5 s by "
            "default: set it to 500ms\n";
  }
  const auto hooks = config.hooks.find(route.name);
  if (hooks == config.hooks.end()) return text;
  if (const auto fence = hooks->second.find(HookKind::fence); fence != hooks->second.end()) {
    text += fmt::format("{}worst: the fence runs to its timeout, {}\n", indent,
                        print_duration(fence->second.timeout));
  }
  return text;
}

}  // namespace

std::string describe_routes(const Config& config) {
  std::string text;
  const std::size_t width = widest_name(config.policy->routes);
  for (const auto& [name, route] : config.policy->routes) {
    if (text.empty()) text = "routes\n";
    text += fmt::format("  {:{}}  via {}, {} of {}{}{}\n", name.text, width,
                        join(route.via, [](ViaKind kind) { return std::string(to_text(kind)); }),
                        to_text(route.require),
                        join(route.candidates, [](const ProbeName& n) { return n.text; }),
                        route.balance == Balance::none ? "" : ", balanced",
                        route.fallback ? ", else route:" + route.fallback->text : "");
    const std::string indent(width + 4, ' ');
    text += fmt::format("{}{}\n", indent, route_rule(route));
    text += time_table(route_rows(route, route_timing(route, bounds_input(config))), indent);
    text += drive_notes(route, config, indent);
  }
  return text;
}

boost::json::object routes_json(const Config& config) {
  boost::json::object routes;
  for (const auto& [name, route] : config.policy->routes) {
    const RouteTiming timing = route_timing(route, bounds_input(config));
    boost::json::array via, candidates, hooks;
    for (const ViaKind kind : route.via) via.emplace_back(std::string(to_text(kind)));
    for (const auto& candidate : route.candidates) candidates.emplace_back(candidate.text);
    for (const HookKind hook : route.hooks) hooks.emplace_back(std::string(to_text(hook)));
    boost::json::object one{{"via", std::move(via)},
                            {"candidates", std::move(candidates)},
                            {"require", std::string(to_text(route.require))},
                            {"hooks", std::move(hooks)},
                            {"dead_noticed", span_json(timing.target.dead_noticed)},
                            {"silent_noticed", span_json(timing.target.silent_noticed)},
                            {"dead_down", span_json(timing.target.dead_down)},
                            {"silent_down", span_json(timing.target.silent_down)},
                            {"follow", span_json(timing.follow)},
                            {"followed", span_json(timing.followed)},
                            {"moved_dead", span_json(timing.moved_dead)},
                            {"moved_silent", span_json(timing.moved_silent)}};
    if (timing.drive) {
      boost::json::object drive{{"dead", span_json(timing.drive->dead)},
                                {"frozen", span_json(timing.drive->frozen)},
                                {"host_lost", span_json(timing.drive->lost)}};
      if (!is_redis(route)) drive["host_lost_tuned"] = span_json(timing.drive->lost_tuned);
      one["drive"] = std::move(drive);
    }
    routes[name.text] = std::move(one);
  }
  return routes;
}

}  // namespace pointsman
