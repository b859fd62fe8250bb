#include "policies/recovery.hpp"

#include <algorithm>

namespace pointsman {

void Recovery::load(const LadderContext& context, const PolicySet& policy) {
  for (auto& [name, keeper] : keepers_) {
    if (!policy.recovery.contains(name)) keeper.retire(context);
  }
  forget_retired();
  for (const auto& [name, ladder] : policy.recovery) {
    const auto it = keepers_.find(name);
    if (it == keepers_.end()) {
      keepers_.emplace(name, LadderKeeper(ladder));
    } else {
      it->second.reload(context, ladder);
    }
  }
}

void Recovery::restore(const LadderContext& context, const std::vector<LadderMemory>& memories) {
  for (const LadderMemory& memory : memories) {
    const auto it = keepers_.find(memory.ladder);
    if (it != keepers_.end()) it->second.restore(context, memory);
  }
}

void Recovery::evaluate(const LadderContext& context, const Look& look) {
  for (auto& [name, keeper] : keepers_) evaluate_one(context, look, keeper);
  forget_retired();
}

void Recovery::evaluate_one(const LadderContext& context, const Look& look, LadderKeeper& keeper) {
  LadderSubject subject = look(keeper.policy());
  if (!keeper.policy().steps.empty()) subject.other_ladder = other_on_subject(keeper);
  keeper.evaluate(context, subject);
}

std::string Recovery::other_on_subject(const LadderKeeper& keeper) const {
  for (const auto& [name, other] : keepers_) {
    if (&other == &keeper || other.policy().when.subject != keeper.policy().when.subject) continue;
    if (other.has_subject() && !other.policy().steps.empty()) return name.text;
  }
  return {};
}

void Recovery::take(const LadderContext& context, const Look& look, const StepFinished& finished) {
  const auto it = keepers_.find(finished.ladder);
  if (it == keepers_.end()) return;
  it->second.take(context, finished);
  evaluate(context, look);
}

bool Recovery::take(const LadderContext& context, const Look& look, const StepApproved& answer) {
  for (auto& [name, keeper] : keepers_) {
    if (!keeper.take(context, look(keeper.policy()), answer)) continue;
    evaluate(context, look);
    return true;
  }
  return false;
}

void Recovery::acknowledge(const LadderContext& context, const Look& look, IncidentId incident) {
  for (auto& [name, keeper] : keepers_) {
    keeper.acknowledge(context, look(keeper.policy()), incident);
  }
  evaluate(context, look);
}

bool Recovery::is_well(const LadderName& ladder) const {
  const auto it = keepers_.find(ladder);
  return it != keepers_.end() && it->second.subject_well();
}

bool Recovery::holds(IncidentId incident) const {
  return std::any_of(keepers_.begin(), keepers_.end(),
                     [&](const auto& each) { return each.second.holds(incident); });
}

MonoTime Recovery::wake_at() const {
  MonoTime at = MonoTime::max();
  for (const auto& [name, keeper] : keepers_) at = std::min(at, keeper.wake_at());
  return at;
}

std::map<LadderName, LadderView> Recovery::views() const {
  std::map<LadderName, LadderView> views;
  for (const auto& [name, keeper] : keepers_) views.emplace(name, keeper.view());
  return views;
}

void Recovery::forget_retired() {
  std::erase_if(keepers_, [](const auto& each) { return each.second.retired(); });
}

}  // namespace pointsman
