#include "tests/fuzz/engine_shell.hpp"

namespace pointsman::fuzz {
namespace {

/// With POINTSMAN_FUZZ_TRACE in the environment the story of an input is told: to find out why it
/// fails.
bool is_traced() {
  static const bool traced = std::getenv("POINTSMAN_FUZZ_TRACE") != nullptr;
  return traced;
}

void tell(const char* what, const std::string& whom, const std::string& more = "") {
  if (is_traced()) std::fprintf(stderr, "  %s %s %s\n", what, whom.c_str(), more.c_str());
}

std::string number_of(ActionId id) {
  return "#" + std::to_string(static_cast<std::uint64_t>(id));
}

}  // namespace

EngineShell::EngineShell(MonoTime start, std::shared_ptr<const PolicySet> policy)
    : policy_(std::move(policy)), now_(start) {
  give(PolicyLoaded{policy_});
}

void EngineShell::give(const Event& event) {
  if (is_traced()) {
    std::fprintf(stderr, "%.3f event %zu\n",
                 static_cast<double>(now_.time_since_epoch().count()) / 1e9, event.index());
  }
  const Decision decision = engine_->step(now_, event);
  FUZZ_REQUIRE(decision.wake_at >= now_);
  wanted_ = decision.wake_at;
  for (const Effect& effect : decision.effects) {
    std::visit([this](const auto& one) { take(one); }, effect);
  }
}

void EngineShell::wake_at(MonoTime at) {
  now_ = std::max(now_, at);
  give(Wake{});
}

/// As the runner does it: a run of a probe that has changed or gone is cut off and never heard of.
/// So is here what is under way for a route that has gone; the daemon tells of its end, to no
/// effect.
void EngineShell::reload(std::shared_ptr<const PolicySet> policy) {
  std::erase_if(running, [&](const auto& run) {
    const auto found = policy->probes.find(run.first);
    return found == policy->probes.end() ||
           found->second.fingerprint != policy_->probes.at(run.first).fingerprint;
  });
  std::erase_if(observing, [&](const auto& route) { return !policy->routes.contains(route); });
  std::erase_if(acts, [&](const auto& act) { return !policy->routes.contains(act.second.route); });
  policy_ = std::move(policy);
  give(PolicyLoaded{policy_});
}

void EngineShell::restart() {
  MemoryRestored memory;
  for (const auto& [name, route] : routes_) memory.routes.push_back(route);
  for (const auto& [id, act] : acts) {
    const MonoTime at = now_ - std::chrono::seconds{1};
    if (const auto* order = std::get_if<PromoteServer>(&act.effect)) {
      memory.promotions.push_back(
          {order->route, order->from.probe, order->to.probe, order->timeline, at});
    } else if (const auto* planned = std::get_if<SwitchOver>(&act.effect)) {
      memory.promotions.push_back(
          {planned->route, planned->from.probe, planned->to.probe, planned->timeline, at});
    }
  }
  for (const auto& [name, ladder] : ladders_) memory.ladders.push_back(ladder);
  for (const auto& [name, flag] : flags_) memory.flags.push_back(flag);
  memory.automation = automation_;
  memory.drain = drain_;
  for (const auto& [id, incident] : incidents_) memory.incidents.push_back(incident);
  if (!incidents_.empty()) {
    memory.last_incident = static_cast<std::uint64_t>(incidents_.rbegin()->first);
  }
  running.clear();
  observing.clear();
  acts.clear();
  steps.clear();
  last_id_ = {};
  engine_ = std::make_unique<Engine>();
  give(PolicyLoaded{policy_});
  give(memory);
}

void EngineShell::take(const RunProbe& effect) {
  FUZZ_REQUIRE(policy_->probes.contains(effect.probe));
  for (const auto& [probe, since] : running) FUZZ_REQUIRE(probe != effect.probe);
  running.emplace_back(effect.probe, now_);
}

void EngineShell::take(const ObserveRoute& effect) {
  FUZZ_REQUIRE(policy_->routes.contains(effect.route));
  FUZZ_REQUIRE(std::find(observing.begin(), observing.end(), effect.route) == observing.end());
  observing.push_back(effect.route);
}

/// One act at a time for a route, none while we only observe, and each with a number of its own.
void EngineShell::begin(ActionId id, const RouteName& route, const Effect& effect) {
  tell("act", route.text, number_of(id) + " effect " + std::to_string(effect.index()));
  FUZZ_REQUIRE(policy_->routes.contains(route));
  FUZZ_REQUIRE(id > last_id_);
  last_id_ = id;
  const auto* order = std::get_if<SwitchRoute>(&effect);
  const bool writes = order == nullptr || order->cause != SwitchCause::verify;
  FUZZ_REQUIRE(policy_->mode == Mode::act || !writes);
  // What only repairs may run beside: an old master is made to follow while the route is led on.
  const bool is_beside = std::holds_alternative<DemoteServer>(effect) ||
                         std::holds_alternative<ReconnectRoute>(effect);
  for (const auto& [other, act] : acts) {
    const bool beside = is_beside || std::holds_alternative<DemoteServer>(act.effect) ||
                        std::holds_alternative<ReconnectRoute>(act.effect);
    FUZZ_REQUIRE(beside || act.route != route);
  }
  acts.emplace(id, Act{route, effect});
}

void EngineShell::require_candidate(const RouteName& route, const ProbeName& probe) const {
  const auto& candidates = policy_->routes.at(route).candidates;
  FUZZ_REQUIRE(std::find(candidates.begin(), candidates.end(), probe) != candidates.end());
}

void EngineShell::take(const SwitchRoute& effect) {
  FUZZ_REQUIRE(!effect.to.empty());  // a route is never led to nothing
  std::set<ProbeName> seen;
  auto& endpoints = led_to[effect.route];
  endpoints.clear();
  for (const SwitchTarget& target : effect.to) {
    FUZZ_REQUIRE(seen.insert(target.probe).second);
    FUZZ_REQUIRE(target.endpoint.port != 0);
    endpoints.push_back(target.endpoint);
  }
  begin(effect.id, effect.route, effect);
}

void EngineShell::take(const PromoteServer& effect) {
  begin(effect.id, effect.route, effect);
  require_candidate(effect.route, effect.to.probe);
  FUZZ_REQUIRE(effect.to.probe != effect.from.probe);
  FUZZ_REQUIRE(effect.to.endpoint.port != 0);
}

void EngineShell::take(const SwitchOver& effect) {
  begin(effect.id, effect.route, effect);
  require_candidate(effect.route, effect.to.probe);
  FUZZ_REQUIRE(effect.to.probe != effect.from.probe);
}

void EngineShell::take(const RunStep& effect) {
  FUZZ_REQUIRE(policy_->mode == Mode::act);
  FUZZ_REQUIRE(effect.id > last_id_);
  last_id_ = effect.id;
  for (const auto& [id, step] : steps) FUZZ_REQUIRE(step.ladder != effect.ladder);
  steps.emplace(effect.id, effect);
}

void EngineShell::take(const SendAlert& effect) {
  FUZZ_REQUIRE(!effect.alert.notifier.empty());
  FUZZ_REQUIRE(effect.alert.incident != IncidentId{});
}

void EngineShell::take(const StoreIncident& effect) {
  const Incident& story = effect.incident;
  FUZZ_REQUIRE(story.notes.size() <= incident_notes_limit);
  FUZZ_REQUIRE(story.attempts.size() <= incident_attempts_limit);
  FUZZ_REQUIRE((story.state == IncidentState::closed) == story.closed_at.has_value());
  incidents_[story.id] = std::make_shared<const Incident>(story);
}

void EngineShell::take(const Record& effect) {
  tell("record", effect.subject, effect.text);
  FUZZ_REQUIRE(!effect.text.empty());
  if (const auto* route = std::get_if<RouteMemory>(&effect.memory)) {
    const auto before = routes_.find(route->route);
    FUZZ_REQUIRE(before == routes_.end() || before->second.epoch <= route->epoch);
    routes_[route->route] = *route;
  } else if (const auto* ladder = std::get_if<LadderMemory>(&effect.memory)) {
    ladders_[ladder->ladder] = *ladder;
  } else if (const auto* flag = std::get_if<FlagMemory>(&effect.memory)) {
    flags_[flag->flag] = *flag;
    FUZZ_REQUIRE(flags_.size() <= flags_limit);
  } else if (const auto* cleared = std::get_if<FlagCleared>(&effect.memory)) {
    flags_.erase(cleared->flag);
  } else if (const auto* automation = std::get_if<AutomationSet>(&effect.memory)) {
    automation_ = automation->paused ? std::optional(*automation) : std::nullopt;
  } else if (const auto* drain = std::get_if<DrainSet>(&effect.memory)) {
    drain_ = drain->drained ? std::optional(*drain) : std::nullopt;
  }
}

}  // namespace pointsman::fuzz
