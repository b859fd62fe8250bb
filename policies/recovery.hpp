// All ladders of the policy, as one part of the engine: loads, restores, looks, hands events on.
//
// Pure. Owned by the engine, which gives a LadderContext (where effects and incidents go) and a
// Look (what a ladder's subject is like) with each call. Of the ladders on one subject one acts at
// a time, and while one is exhausted none does; ladders without steps only call for a human and are
// exempt.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "policies/recovery_ladder.hpp"

namespace pointsman {

class Recovery {
 public:
  using Look = std::function<LadderSubject(const LadderPolicy&)>;

  /// PolicyLoaded. Ladders that are no longer configured go once their step has ended.
  void load(const LadderContext& context, const PolicySet& policy);
  /// MemoryRestored, after the incidents were.
  void restore(const LadderContext& context, const std::vector<LadderMemory>& memories);

  /// Whenever a state, the pause, the maintenance or the trust has changed, and at wake_at().
  void evaluate(const LadderContext& context, const Look& look);
  void take(const LadderContext& context, const Look& look, const StepFinished& finished);
  /// False: no step waits for this answer.
  bool take(const LadderContext& context, const Look& look, const StepApproved& answer);
  void acknowledge(const LadderContext& context, const Look& look, IncidentId incident);

  /// The subject of this ladder is known to be well: flags set `until: recovered` go.
  bool is_well(const LadderName& ladder) const;
  bool is_configured(const LadderName& ladder) const { return keepers_.contains(ladder); }
  /// Some ladder still has business with this incident.
  bool holds(IncidentId incident) const;
  MonoTime wake_at() const;
  std::map<LadderName, LadderView> views() const;

 private:
  void evaluate_one(const LadderContext& context, const Look& look, LadderKeeper& keeper);
  std::string other_on_subject(const LadderKeeper& keeper) const;
  void forget_retired();

  std::map<LadderName, LadderKeeper> keepers_;
};

}  // namespace pointsman
