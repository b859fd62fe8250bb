#include "policies/simulation/replay_memory.hpp"

namespace pointsman {
namespace {

void move(MonoTime& at, Duration by) {
  at += by;
}
void move(std::optional<MonoTime>& at, Duration by) {
  if (at) *at += by;
}

void move(Incident& story, Duration by) {
  for (auto& mark : story.marks) move(mark, by);
  for (IncidentNote& note : story.notes) move(note.at, by);
  for (Attempt& attempt : story.attempts) move(attempt.at, by);
  if (story.rpo) {
    move(story.rpo->from, by);
    move(story.rpo->to, by);
  }
  if (story.acknowledged) move(story.acknowledged->at, by);
  move(story.closed_at, by);
}

}  // namespace

void ReplayMemory::take(MonoTime at, const Effect& effect) {
  take(effect);
  if (const auto* order = std::get_if<PromoteServer>(&effect)) {
    intents_[order->id] =
        PromotionMemory{order->route, order->from.probe, order->to.probe, order->timeline, at};
  } else if (const auto* planned = std::get_if<SwitchOver>(&effect)) {
    intents_[planned->id] = PromotionMemory{planned->route, planned->from.probe, planned->to.probe,
                                            planned->timeline, at};
  }
}

void ReplayMemory::end(const Event& event) {
  if (const auto* finished = std::get_if<ActionFinished>(&event)) intents_.erase(finished->id);
}

void ReplayMemory::shift(Duration by) {
  for (auto& [name, route] : routes_) {
    if (route.last_seen) move(route.last_seen->at, by);
    move(route.last_switch, by);
    move(route.told_to_stop, by);
  }
  for (auto& [name, ladder] : ladders_) {
    move(ladder.phase_since, by);
    move(ladder.cooldown_until, by);
    for (MonoTime& run : ladder.runs) move(run, by);
  }
  for (auto& [name, flag] : flags_) {
    move(flag.since, by);
    move(flag.until, by);
  }
  if (automation_) move(automation_->until, by);
  for (auto& [id, incident] : incidents_) {
    auto moved = std::make_shared<Incident>(*incident);
    move(*moved, by);
    incident = std::move(moved);
  }
  for (auto& [id, intent] : intents_) move(intent.at, by);
}

void ReplayMemory::take(const Effect& effect) {
  if (const auto* stored = std::get_if<StoreIncident>(&effect)) {
    incidents_[stored->incident.id] = std::make_shared<const Incident>(stored->incident);
  } else if (const auto* record = std::get_if<Record>(&effect)) {
    keep(record->memory);
  }
}

void ReplayMemory::keep(const Memory& memory) {
  if (const auto* route = std::get_if<RouteMemory>(&memory)) {
    routes_[route->route] = *route;
  } else if (const auto* ladder = std::get_if<LadderMemory>(&memory)) {
    ladders_[ladder->ladder] = *ladder;
  } else if (const auto* flag = std::get_if<FlagMemory>(&memory)) {
    flags_[flag->flag] = *flag;
  } else if (const auto* cleared = std::get_if<FlagCleared>(&memory)) {
    flags_.erase(cleared->flag);
  } else if (const auto* automation = std::get_if<AutomationSet>(&memory)) {
    automation_.reset();
    if (automation->paused) automation_ = *automation;
  } else if (const auto* drain = std::get_if<DrainSet>(&memory)) {
    drain_.reset();
    if (drain->drained) drain_ = *drain;
  }
}

MemoryRestored ReplayMemory::restored() const {
  MemoryRestored memory;
  for (const auto& [name, route] : routes_) memory.routes.push_back(route);
  for (const auto& [id, intent] : intents_) memory.promotions.push_back(intent);
  for (const auto& [name, ladder] : ladders_) memory.ladders.push_back(ladder);
  for (const auto& [name, flag] : flags_) memory.flags.push_back(flag);
  memory.automation = automation_;
  memory.drain = drain_;
  for (const auto& [id, incident] : incidents_) memory.incidents.push_back(incident);
  if (!incidents_.empty()) {
    memory.last_incident = static_cast<std::uint64_t>(incidents_.rbegin()->first);
  }
  return memory;
}

}  // namespace pointsman
