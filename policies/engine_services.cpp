// The engine and its services: their states, the overall one, the answer to the load balancer, and
// the incidents that cover them.
#include "policies/engine.hpp"

#include <algorithm>

namespace pointsman {

State Engine::member_state(const Member& member) const {
  if (const auto* probe = std::get_if<ProbeName>(&member)) {
    const auto it = probes_.find(*probe);
    return it == probes_.end() ? State::unknown : it->second.check.state();
  }
  if (const auto* service = std::get_if<ServiceName>(&member)) {
    const auto it = services_.find(*service);
    return it == services_.end() ? State::unknown : it->second;
  }
  const auto it = routes_.find(std::get<RouteName>(member));
  return it == routes_.end() ? State::unknown : it->second.state();
}

std::string Engine::unhealthy_why(const ServiceName& name) const {
  const auto service = policy_->services.find(name);
  std::string text = "service " + name.text + " is unhealthy";
  if (service == policy_->services.end()) return text;
  std::string who;
  for (const Member& member : service->second.members) {
    if (member_state(member) != State::unhealthy) continue;
    if (!who.empty()) who += ", ";
    who += to_text(member);
    const auto* probe = std::get_if<ProbeName>(&member);
    const auto it = probe ? probes_.find(*probe) : probes_.end();
    if (it != probes_.end() && it->second.conclusive) {
      who += " (" + std::string(to_text(it->second.conclusive->finding.reason)) + ")";
    }
  }
  return who.empty() ? text : text + ": " + who;
}

void Engine::update_services() {
  services_dirty_ = false;
  for (const ServiceName& name : service_order_) {
    const ServicePolicy& service = policy_->services.at(name);
    const State next = roll_up(service, [this](const Member& member) -> std::optional<State> {
      if (const auto* probe = std::get_if<ProbeName>(&member)) {
        const auto it = probes_.find(*probe);
        if (it != probes_.end() && !it->second.policy.enabled) return std::nullopt;
      }
      return member_state(member);
    });
    const auto [it, fresh] = services_.try_emplace(name, State::unknown);
    if (fresh) services_since_[name] = now_;
    if (it->second == next) continue;
    effects_.push_back(
        Record{RecordKind::service_state,
               name.text,
               std::string(to_text(it->second)) + " to " + std::string(to_text(next)),
               {},
               {}});
    it->second = next;
    services_since_[name] = now_;
  }
  open_service_incidents();
  const auto worse = [](State state) {
    return state == State::degraded || state == State::unhealthy;
  };
  const bool anything_worse =
      std::any_of(probes_.begin(), probes_.end(),
                  [&](const auto& p) { return worse(p.second.check.state()); }) ||
      std::any_of(routes_.begin(), routes_.end(),
                  [&](const auto& r) { return worse(r.second.state()); });
  const State overall = roll_up_overall(*policy_, services_, anything_worse);
  if (overall != overall_) {
    effects_.push_back(
        Record{RecordKind::overall_state,
               "overall",
               std::string(to_text(overall_)) + " to " + std::string(to_text(overall)),
               {},
               {}});
    overall_ = overall;
    overall_since_ = now_;
  }
  Serving serving = judge_serving(*policy_, services_, verdicts_,
                                  [this](const ServiceName& n) { return unhealthy_why(n); });
  if (operations_.drained()) {
    serving = {false, "drained"};
  } else if (operations_.is_set(maintenance_flag)) {
    serving = {false, "flag maintenance is set"};
  }
  if (serving != serving_) {
    if (serving.ok != serving_.ok) {
      effects_.push_back(
          Record{RecordKind::serving,
                 "serving",
                 serving.ok ? "this host gets traffic" : "no traffic: " + serving.reason,
                 {},
                 {}});
    }
    serving_ = serving;
  }
}

/// Of a service that of its probe that failed first. Of a route its own keeper knows.
Onset Engine::onset_of(const Member& member) const {
  if (const auto* probe = std::get_if<ProbeName>(&member)) {
    const auto it = probes_.find(*probe);
    return it == probes_.end() ? Onset{} : Onset{it->second.last_good, it->second.first_failure};
  }
  Onset first;
  const auto* service = std::get_if<ServiceName>(&member);
  const auto it = service ? policy_->services.find(*service) : policy_->services.end();
  if (it == policy_->services.end()) return first;  // the configuration has no cycles
  for (const Member& inner : it->second.members) {
    const Onset of = onset_of(inner);
    if (!of.first_failure) continue;
    if (!first.first_failure || *of.first_failure < *first.first_failure) first = of;
  }
  return first;
}

CauseView Engine::cause_view() const {
  return CauseView{
      *policy_,
      [this](const Member& member) { return member_state(member); },
      [this](const Member& member) {
        const auto* service = std::get_if<ServiceName>(&member);
        return service ? unhealthy_why(*service) : to_text(member) + " is not well";
      },
      [this](const Member& member) { return onset_of(member); },
  };
}

/// A service that is unhealthy is covered by one incident: its own, or that of the part that
/// failed.
void Engine::open_service_incidents() {
  cover_services(now_, cause_view(), service_order_, incidents_);
}

/// After the ladders have looked: one that still has business with an incident holds it open.
void Engine::close_service_incidents() {
  if (incidents_.open_count() == 0) return;
  const auto held = [this](IncidentId id) { return recovery_.holds(id); };
  close_recovered(now_, cause_view(), held, incidents_);
}

}  // namespace pointsman
