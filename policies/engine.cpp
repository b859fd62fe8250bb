#include "policies/engine.hpp"

#include <algorithm>

#include "policies/explain.hpp"
#include "policies/model/invariant.hpp"
#include "policies/schedule.hpp"

namespace pointsman {
namespace {

/// Services in an order in which members come before those that name them. The configuration has no
/// cycles; were there one, the walk would end all the same.
void visit_service(const PolicySet& policy, const ServiceName& name, std::set<ServiceName>& seen,
                   std::vector<ServiceName>& order) {
  const auto it = policy.services.find(name);
  if (it == policy.services.end() || !seen.insert(name).second) return;
  for (const Member& member : it->second.members) {
    if (const auto* service = std::get_if<ServiceName>(&member)) {
      visit_service(policy, *service, seen, order);
    }
  }
  order.push_back(name);
}

}  // namespace

Decision Engine::step(MonoTime now, const Event& event) {
  POINTSMAN_INVARIANT(policy_ || std::holds_alternative<PolicyLoaded>(event),
                      "the engine was asked something before it had a policy");
  now_ = std::max(now, now_);
  effects_.clear();
  std::visit([this](const auto& e) { on(e); }, event);
  if (now_ >= housekeeping_at_) keep_house();
  run_due();
  const bool states_changed = services_dirty_;
  if (services_dirty_) update_services();
  take_ended_steps();
  run_ladders();
  // An incident ends when a state has changed, or when a ladder lets go of it.
  if (states_changed || !policy_->recovery.empty()) close_service_incidents();
  if (services_dirty_) update_services();  // a ladder may have set a flag, or drained
  store_incidents();
  ++generation_;
  return Decision{std::move(effects_), next_wake()};
}

void Engine::on(const Wake&) {
  for (auto& [name, keeper] : routes_) {
    if (now_ >= keeper.wake_at()) evaluate_route(keeper);
  }
}

void Engine::on(const PolicyLoaded& event) {
  POINTSMAN_INVARIANT(event.policy != nullptr, "a policy was loaded that is none");
  const bool first = policy_ == nullptr;
  policy_ = event.policy;
  if (first) overall_since_ = now_;
  load_probes();
  load_routes();
  load_services();
  recovery_.load(ladder_context(), *policy_);
  operations_.forget_ladders(
      [this](const LadderName& name) { return recovery_.is_configured(name); }, effects_);
  tell_of_open_incidents();
  services_dirty_ = true;
  effects_.push_back(Record{RecordKind::policy,
                            "policy",
                            first ? "the first policy is in force" : "a new policy is in force",
                            {{"mode", std::string(to_text(policy_->mode))},
                             {"probes", std::to_string(policy_->probes.size())},
                             {"services", std::to_string(policy_->services.size())},
                             {"routes", std::to_string(policy_->routes.size())}},
                            {}});
  housekeeping_at_ = now_;
}

/// A probe whose policy did not change keeps its state and its phase.
void Engine::load_probes() {
  due_.clear();
  std::map<ProbeName, ProbeEntry> kept = std::move(probes_);
  probes_.clear();
  for (const auto& [name, policy] : policy_->probes) {
    const auto old = kept.find(name);
    if (old != kept.end() && old->second.policy.fingerprint == policy.fingerprint) {
      ProbeEntry& entry = probes_.emplace(name, std::move(old->second)).first->second;
      entry.policy = policy;
      entry.troubled_routes = 0;
      if (policy.enabled && !entry.in_flight) schedule(entry, entry.next_run);
      continue;
    }
    ProbeEntry entry;
    entry.policy = policy;
    entry.check = CheckState(now_);
    ProbeEntry& placed = probes_.emplace(name, std::move(entry)).first->second;
    if (policy.enabled) schedule(placed, first_run(policy, now_));
  }
}

void Engine::load_routes() {
  std::map<RouteName, RouteKeeper> old_routes = std::move(routes_);  // an act under way goes on
  routes_.clear();
  routes_of_.clear();
  for (const auto& [name, policy] : policy_->routes) {
    const auto old = old_routes.find(name);
    if (old == old_routes.end()) {
      routes_.emplace(name, RouteKeeper(policy));
    } else {
      routes_.emplace(name, std::move(old->second)).first->second.reload(policy);
    }
    for (const ProbeName& candidate : policy.candidates) routes_of_[candidate].push_back(name);
  }
  troubled_.clear();
  for (auto& [name, keeper] : routes_) follow_trouble(keeper);
}

void Engine::load_services() {
  std::set<ServiceName> seen;
  service_order_.clear();
  for (const auto& [name, service] : policy_->services) {
    visit_service(*policy_, name, seen, service_order_);
  }
  std::erase_if(services_, [this](const auto& s) { return !policy_->services.contains(s.first); });
  std::erase_if(verdicts_, [this](const auto& v) { return !policy_->services.contains(v.first); });
}

void Engine::keep_house() {
  housekeeping_at_ = now_ + housekeeping_interval;
  if (operations_.pass_time(now_, effects_)) services_dirty_ = true;
  for (auto& [name, entry] : probes_) {
    const State before = entry.check.state();
    if (entry.check.pass_time(entry.policy, now_)) probe_changed(entry, before);
  }
  for (auto& [name, keeper] : routes_) evaluate_route(keeper);
}

MonoTime Engine::next_wake() const {
  MonoTime at = housekeeping_at_;
  if (!due_.empty()) at = std::min(at, due_.begin()->first);
  for (const auto& [name, keeper] : routes_) at = std::min(at, keeper.wake_at());
  at = std::min(at, recovery_.wake_at());
  return std::max(at, now_);
}

}  // namespace pointsman
