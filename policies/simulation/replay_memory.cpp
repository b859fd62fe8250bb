#include "policies/simulation/replay_memory.hpp"

namespace pointsman {

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
