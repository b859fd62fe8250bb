// Stands for the daemon around an engine: keeps what the effects started until an event ends it,
// keeps what the journal would keep, and holds the engine to the contract of
// policies/model/effect.hpp.
//
// What happens outside is for the caller to say: here are no servers, only answers. A breach ends
// the process. `journal` is what a restart gives back.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <variant>
#include <vector>

#include "policies/engine.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace pointsman::fuzz {

/// What waits for its ActionFinished.
struct Act {
  RouteName route;
  Effect effect;
};

class EngineShell {
 public:
  EngineShell(MonoTime start, std::shared_ptr<const PolicySet> policy);

  void give(const Event& event);
  /// Time goes on, then the engine is woken.
  void wake_at(MonoTime at);
  void reload(std::shared_ptr<const PolicySet> policy);
  /// The daemon dies and starts again: what was under way is forgotten, the journal is told.
  void restart();

  MonoTime now() const { return now_; }
  MonoTime wanted() const { return wanted_; }
  const PolicySet& policy() const { return *policy_; }
  const Engine& engine() const { return *engine_; }

  std::vector<std::pair<ProbeName, MonoTime>> running;  ///< probes, and when they began
  std::vector<RouteName> observing;
  std::map<ActionId, Act> acts;
  std::map<ActionId, RunStep> steps;
  std::map<RouteName, std::vector<Endpoint>> led_to;  ///< by the last switch that was asked for

 private:
  void take(const RunProbe& effect);
  void take(const ObserveRoute& effect);
  void take(const SwitchRoute& effect);
  void take(const PromoteServer& effect);
  void take(const RunHook& effect) { begin(effect.id, effect.route, effect); }
  void take(const DemoteServer& effect) { begin(effect.id, effect.route, effect); }
  void take(const SwitchOver& effect);
  void take(const CancelSwitchOver& effect) { FUZZ_REQUIRE(acts.contains(effect.id)); }
  void take(const ReconnectRoute& effect) { begin(effect.id, effect.route, effect); }
  void take(const RunStep& effect);
  void take(const WriteFlag&) {}
  void take(const SendAlert& effect);
  void take(const StoreIncident& effect);
  void take(const Record& effect);

  void begin(ActionId id, const RouteName& route, const Effect& effect);
  void require_candidate(const RouteName& route, const ProbeName& probe) const;

  std::unique_ptr<Engine> engine_ = std::make_unique<Engine>();
  std::shared_ptr<const PolicySet> policy_;
  MonoTime now_, wanted_{};
  ActionId last_id_{};
  std::map<RouteName, RouteMemory> routes_;
  std::map<LadderName, LadderMemory> ladders_;
  std::map<FlagName, FlagMemory> flags_;
  std::optional<AutomationSet> automation_;
  std::optional<DrainSet> drain_;
  std::map<IncidentId, std::shared_ptr<const Incident>> incidents_;
};

}  // namespace pointsman::fuzz
