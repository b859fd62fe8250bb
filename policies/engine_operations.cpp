// The engine's side of operators: switches asked for, pause, flags, drain, acknowledgements; and
// what a start remembers.
#include <algorithm>

#include "policies/alerts.hpp"
#include "policies/engine.hpp"
#include "policies/explain.hpp"

namespace pointsman {

void Engine::on(const SwitchRequested& event) {
  start_request(event);
}

void Engine::start_request(const SwitchRequested& asked) {
  RequestView& view = requests_[asked.request];
  view.route = asked.route;
  view.at = now_;
  while (requests_.size() > kept_requests) requests_.erase(requests_.begin());
  const auto it = routes_.find(asked.route);
  if (it == routes_.end()) {
    view.state = RequestState::refused;
    view.lines = {"refused: there is no route " + asked.route.text};
    return;
  }
  RequestAnswer answer = it->second.request(context_for(it->second), asked, SwitchCause::request);
  view.lines = std::move(answer.lines);
  if (!answer.accepted) {
    view.state = RequestState::refused;
  } else if (answer.done) {
    view.state = RequestState::done;
  }
  evaluate_route(it->second);
}

void Engine::end_request(RequestId id, bool ok, std::string line) {
  if (end_switch_step(id, ok, line)) return;
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  it->second.state = ok ? RequestState::done : RequestState::failed;
  it->second.lines.push_back(std::move(line));
}

void Engine::on(const SwitchCancelled& event) {
  const auto it = requests_.find(event.request);
  if (it == requests_.end()) return;
  const auto route = routes_.find(it->second.route);
  if (route == routes_.end()) return;
  const bool taken = route->second.cancel(context_for(route->second), event.request);
  it->second.lines.push_back(taken ? "cancel asked for"
                                   : "too late to cancel: it goes on to its end");
  evaluate_route(route->second);
}

void Engine::on(const RequestNoted& event) {
  const auto it = requests_.find(event.request);
  if (it != requests_.end()) it->second.lines.push_back(event.line);
}

void Engine::on(const AutomationSet& event) {
  operations_.set(now_, event, effects_);
  evaluate_all_routes();
}

void Engine::on(const FlagSet& event) {
  if (event.set) {
    const FlagMemory flag{event.flag, now_, event.reason, event.by, event.until, {}};
    operations_.set(now_, flag, effects_);
  } else {
    operations_.clear(event.flag, {event.by, event.reason}, effects_);
  }
  services_dirty_ = true;
  if (event.flag == maintenance_flag) evaluate_all_routes();
}

void Engine::on(const DrainSet& event) {
  operations_.set(now_, event, effects_);
  services_dirty_ = true;
}

void Engine::on(const IncidentAcknowledged& event) {
  if (!incidents_.acknowledge(event.incident, {now_, event.by, event.reason})) return;
  const auto look = [this](const LadderPolicy& ladder) { return look_at(ladder); };
  recovery_.acknowledge(ladder_context(), look, event.incident);
  effects_.push_back(
      Record{RecordKind::operation,
             "incident " + std::to_string(static_cast<std::uint64_t>(event.incident)),
             "acknowledged" + (event.by.empty() ? "" : " by " + event.by) +
                 (event.reason.empty() ? "" : ": " + event.reason),
             {},
             {}});
}

void Engine::on(const MemoryRestored& event) {
  for (const RouteMemory& memory : event.routes) {
    const auto it = routes_.find(memory.route);
    if (it != routes_.end()) it->second.restore(memory, now_);
  }
  for (const PromotionMemory& memory : event.promotions) {
    const auto it = routes_.find(memory.route);
    if (it != routes_.end()) it->second.restore(memory, now_);
  }
  incidents_.restore(event.incidents, event.last_incident);
  for (const auto& incident : event.incidents) {
    if (incident->state == IncidentState::open) evidenced_[incident->id] = stage_of(*incident);
  }
  for (auto& [name, keeper] : routes_) {
    keeper.adopt_incident(incidents_);
    keeper.adopt_holds(incidents_, now_);
  }
  operations_.restore(event, effects_);
  // What was asked under a number in an earlier life is never another question in this one.
  for (const LadderMemory& memory : event.ladders) {
    last_action_id_ = std::max(last_action_id_, static_cast<std::uint64_t>(memory.action));
  }
  recovery_.restore(ladder_context(), event.ladders);
  operations_.forget_ladders(
      [this](const LadderName& name) { return recovery_.is_configured(name); }, effects_);
  tell_of_open_incidents();
  services_dirty_ = true;
}

void Engine::evaluate_all_routes() {
  for (auto& [name, keeper] : routes_) evaluate_route(keeper);
}

/// What is known at each transition of an incident, with the line that tells of it.
void Engine::keep_evidence(IncidentId id) {
  const auto story = incidents_.find(id);
  if (!story) return;
  const bool over = story->state == IncidentState::closed;
  if (over && story->closed_at != now_) return;  // what is learned later is no transition
  IncidentStage& kept = evidenced_[id];
  IncidentStage stage = stage_of(*story);
  if (kept != stage) {
    const EvidenceView view{*policy_, probes_, routes_};
    incidents_.add_evidence(id, now_, "as it stood: " + describe_change(kept, stage),
                            gather_evidence(view, *story, now_));
    kept = std::move(stage);
  }
  if (over) evidenced_.erase(id);
}

/// Notifiers may have come, or gone, with a policy or between two lives.
void Engine::tell_of_open_incidents() {
  for (const auto& [subject, id] : incidents_.open_subjects()) {
    send_alerts(now_, *policy_, id, incidents_, effects_);
  }
}

/// Once a step each, as they are at its end.
void Engine::store_incidents() {
  for (const IncidentId id : incidents_.take_changed()) {
    keep_evidence(id);
    send_alerts(now_, *policy_, id, incidents_, effects_);
    if (const auto story = incidents_.find(id)) effects_.push_back(StoreIncident{*story});
  }
  incidents_.take_changed();  // what was told of them is stored with them
}

}  // namespace pointsman
