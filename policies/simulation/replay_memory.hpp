// What a daemon's journal would hand to its next start, gathered from the effects of the engine.
// Pure. All of it is on the time axis of the simulation, so nothing is converted.
#pragma once

#include <map>
#include <memory>

#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"

namespace pointsman {

class ReplayMemory {
 public:
  void take(const Effect& effect);
  MemoryRestored restored() const;

 private:
  void keep(const Memory& memory);

  std::map<RouteName, RouteMemory> routes_;
  std::map<LadderName, LadderMemory> ladders_;
  std::map<FlagName, FlagMemory> flags_;
  std::optional<AutomationSet> automation_;
  std::optional<DrainSet> drain_;
  std::map<IncidentId, std::shared_ptr<const Incident>> incidents_;
};

}  // namespace pointsman
