// routes: what each says by itself. What its names lead to: link_routes.cpp.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "daemon/config/draft.hpp"
#include "daemon/config/fingerprint.hpp"
#include "daemon/config/redact.hpp"
#include "daemon/config/section_hooks.hpp"
#include "daemon/config/section_vias.hpp"

namespace pointsman {
namespace {

using std::chrono::seconds;

void read_candidates(MapReader& reader, RouteDraft& route) {
  const YamlNode* node = reader.require(
      "candidates", "where it may lead, the preferred first: `candidates: [primary, replica-1]`");
  std::set<std::string> seen;
  const std::string path = reader.path_of("candidates");
  for (const auto& [text, item] : reader.list("candidates", "[primary, replica-1]")) {
    if (!seen.insert(text).second) {
      reject(reader.findings(), *item, path, "is listed twice");
    } else {
      route.candidates.push_back({.text = text, .node = item, .path = path});
    }
  }
  if (node && node->kind == YamlNode::Kind::sequence && node->items.empty()) {
    reader.error("candidates", "empty: the route has nowhere to lead");
  }
}

/// `manual`, or `{after: 30s}`.
void read_failback(MapReader& reader, RoutePolicy& policy) {
  const YamlNode* node = reader.find("failback");
  if (!node) return;
  if (node->kind == YamlNode::Kind::map) {
    MapReader map(reader.findings(), node, reader.path_of("failback"),
                  reader.key_position("failback"));
    if (map.require("after",
                    "how long the preferred one has been well: `failback: {after: 30s}`")) {
      policy.failback = map.duration("after", Duration{0});
    }
    map.finish();
    return;
  }
  const auto text =
      scalar_text(reader.findings(), *node, reader.path_of("failback"), "manual or {after: 30s}");
  if (text && *text != "manual") {
    reject(reader.findings(), *node, reader.path_of("failback"), "is not manual or {after: 30s}");
  }
}

/// One route: `["route:NAME"]` or the text alone.
void read_fallback(MapReader& reader, RouteDraft& route) {
  const auto list = reader.list("fallback", "[\"route:bud\"]");
  if (list.size() > 1) {
    reader.error("fallback", "one route only: the one where reads go when no candidate fits");
  }
  if (!list.empty()) {
    route.fallback = MemberDraft{.text = list.front().first,
                                 .node = list.front().second,
                                 .path = reader.path_of("fallback")};
  }
}

void read_route(const YamlEntry& entry, Draft& draft) {
  RouteDraft& route = draft.routes[entry.key];
  RoutePolicy& policy = route.policy;
  route.at = route.balance_at = entry.key_at;
  route.path = join_path("routes", entry.key);
  route.node = &entry.value;
  policy.name = RouteName(entry.key);
  const auto name = parse_name(entry.key);
  if (!name) {
    draft.findings.error(entry.key_at, route.path,
                         fmt::format("'{}' {}", redact_text(entry.key), name.error().message));
  }
  MapReader reader(draft.findings, &entry.value, route.path, entry.key_at);
  read_vias(reader, route, draft.secrets);
  read_candidates(reader, route);
  const auto require = reader.choice<Require>("require", {{"writable", Require::writable},
                                                          {"standby", Require::standby},
                                                          {"master", Require::master},
                                                          {"replica", Require::replica},
                                                          {"any", Require::any}});
  if (!reader.has("require")) {
    (void)reader.require("require",
                         "what a target has to be: writable, standby, master, replica or any");
  }
  route.require_given = require.has_value();
  policy.require = require.value_or(Require::any);
  policy.switch_mode = reader
                           .choice<SwitchMode>("switch", {{"automatic", SwitchMode::automatic},
                                                          {"on_request", SwitchMode::on_request}})
                           .value_or(SwitchMode::automatic);
  policy.balance = reader
                       .choice<Balance>("balance", {{"none", Balance::none},
                                                    {"round_robin", Balance::round_robin}})
                       .value_or(Balance::none);
  route.balance_at = reader.key_position("balance");
  read_failback(reader, policy);
  if (const auto hold = reader.duration("hold_down", Duration{0})) policy.hold_down = *hold;
  policy.max_lag = reader.lag("max_lag");
  read_fallback(reader, route);
  read_promotion(reader, draft.has_fleet, route);
  reader.finish();
  // What is in effect is read as often as probes run by default, but at least every 5 s; while it
  // is not as desired, as often as a probe whose change is pending.
  policy.observe_interval =
      std::min<Duration>(draft.defaults.interval.value_or(seconds{5}), seconds{5});
  policy.observe_fast_interval = std::min<Duration>(
      draft.defaults.fast_interval.value_or(seconds{1}), policy.observe_interval);
}

}  // namespace

void read_routes(MapReader& root, Draft& draft) {
  MapReader section(draft.findings, root.find_section("routes"), "routes",
                    root.key_position("routes"));
  if (!section.node()) return;
  for (const auto& entry : section.node()->entries) read_route(entry, draft);
}

}  // namespace pointsman
