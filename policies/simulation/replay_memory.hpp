// What a daemon's journal would hand to its next start, gathered from the effects of the engine and
// from the answers to its acts. Pure. All of it is on the time axis of the simulation: only where
// that begins anew, after a reboot, is it converted.
#pragma once

#include <map>
#include <memory>

#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"

namespace pointsman {

class ReplayMemory {
 public:
  void take(const Effect& effect);
  /// The same; of a promotion also the intent, until it ends.
  void take(MonoTime at, const Effect& effect);
  /// An outcome that was kept, together with what came of it.
  void end(const Event& event);
  /// Intents that a start has read are over: it looks.
  void forget_intents() { intents_.clear(); }
  /// The clock of the next life shows so much more for the same instant. Times may get negative.
  void shift(Duration by);
  MemoryRestored restored() const;

 private:
  void keep(const Memory& memory);

  std::map<RouteName, RouteMemory> routes_;
  std::map<LadderName, LadderMemory> ladders_;
  std::map<FlagName, FlagMemory> flags_;
  std::optional<AutomationSet> automation_;
  std::optional<DrainSet> drain_;
  std::map<IncidentId, std::shared_ptr<const Incident>> incidents_;
  std::map<ActionId, PromotionMemory> intents_;  ///< promotions without an outcome
};

}  // namespace pointsman
