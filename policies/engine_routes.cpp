// The engine and its routes: what they are told, when they are looked at, and what they ask of the
// probes.
#include "policies/engine.hpp"

#include <algorithm>

namespace pointsman {

void Engine::on(const RouteObserved& event) {
  const auto it = routes_.find(event.route);
  if (it == routes_.end()) return;
  it->second.take_observation(context_for(it->second), event);
  evaluate_route(it->second);
}

void Engine::on(const ActionFinished& event) {
  const auto it = routes_.find(event.route);
  if (it == routes_.end()) return;
  it->second.take_outcome(context_for(it->second), event);
  evaluate_route(it->second);
}

RouteContext Engine::context_for(const RouteKeeper& keeper) {
  const RouteKeeper* fallback = nullptr;
  if (keeper.policy().fallback) {
    const auto it = routes_.find(*keeper.policy().fallback);
    if (it != routes_.end()) fallback = &it->second;
  }
  const bool awaited = std::any_of(routes_.begin(), routes_.end(), [&](const auto& route) {
    return route.second.is_covered() && route.second.policy().fallback == keeper.policy().name;
  });
  return RouteContext{.now = now_,
                      .mode = policy_->mode,
                      .probes = probes_,
                      .fallback = fallback,
                      .awaited = awaited,
                      .distrust_since = distrust_since_,
                      .paused = operations_.paused(),
                      .maintenance = planned_maintenance(),
                      .machine = machine_trouble(),
                      .effects = effects_,
                      .last_action_id = last_action_id_,
                      .incidents = incidents_,
                      .actions = actions_};
}

void Engine::evaluate_route(RouteKeeper& keeper) {
  const State before = keeper.state();
  const std::vector<ProbeName> targets_before = keeper.targets();
  keeper.evaluate(context_for(keeper));
  follow_trouble(keeper);
  serve_wishes(keeper);
  if (keeper.state() != before) services_dirty_ = true;
  if (keeper.targets() == targets_before && keeper.state() == before) return;
  for (auto& [name, other] : routes_) {  // fallbacks have no cycles, so this ends
    if (other.policy().fallback == keeper.policy().name) evaluate_route(other);
  }
}

/// While a route is in trouble all its candidates run at their fast interval, the first run at
/// once.
void Engine::follow_trouble(const RouteKeeper& keeper) {
  const RouteName& name = keeper.policy().name;
  if (keeper.in_trouble() == troubled_.contains(name)) return;
  const int change = keeper.in_trouble() ? +1 : -1;
  if (change > 0) {
    troubled_.insert(name);
  } else {
    troubled_.erase(name);
  }
  for (const ProbeName& candidate : keeper.policy().candidates) {
    const auto it = probes_.find(candidate);
    if (it == probes_.end()) continue;
    it->second.troubled_routes += change;
    if (change > 0) run_at_once(it->second);
  }
}

/// A second look, a run of the server that an act has changed, the end of a request.
void Engine::serve_wishes(RouteKeeper& keeper) {
  if (keeper.take_look_wanted()) {
    for (const ProbeName& candidate : keeper.policy().candidates) {
      const auto it = probes_.find(candidate);
      if (it != probes_.end()) run_at_once(it->second);
    }
  }
  if (const auto probe = keeper.take_run_wanted()) {
    const auto it = probes_.find(*probe);
    if (it != probes_.end()) run_at_once(it->second);
  }
  if (auto ended = keeper.take_ended()) {
    end_request(ended->request, ended->ok, std::move(ended->text));
  }
}

/// A promotion wants a host that is well itself. Its disk does not count: a full disk never stops a
/// failover.
std::string Engine::machine_trouble() const {
  for (const auto& [name, entry] : probes_) {
    const bool own = entry.policy.kind == ProbeKind::memory || entry.policy.kind == ProbeKind::cpu;
    if (own && entry.check.state() == State::unhealthy) return name.text + " is unhealthy";
  }
  return {};
}

void Engine::evaluate_routes_of(const ProbeName& probe) {
  const auto routes = routes_of_.find(probe);
  if (routes == routes_of_.end()) return;
  for (const RouteName& name : routes->second) evaluate_route(routes_.at(name));
}

}  // namespace pointsman
