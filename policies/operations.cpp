#include "policies/operations.hpp"

#include <algorithm>

#include "policies/explain.hpp"

namespace pointsman {
namespace {

std::string by_whom(const std::string& by, const std::string& reason) {
  return (by.empty() ? "" : " by " + by) + (reason.empty() ? "" : ": " + reason);
}

Record operation(const std::string& subject, std::string text, Memory memory) {
  Record record{RecordKind::operation, subject, std::move(text), {}, {}};
  record.memory = std::move(memory);
  return record;
}

/// How long a ladder wants a flag: the longer one stays.
int endurance(const FlagMemory& flag) {
  if (!flag.until_recovered.empty()) return 1;
  return flag.until ? 0 : 2;
}

/// What is to be, of two that ladders want of one flag.
FlagMemory longest(const FlagMemory& known, const FlagMemory& wanted) {
  if (endurance(known) != endurance(wanted)) {
    return endurance(known) > endurance(wanted) ? known : wanted;
  }
  FlagMemory flag = known;
  flag.until.reset();
  if (known.until && wanted.until) flag.until = std::max(*known.until, *wanted.until);
  std::vector<LadderName>& owners = flag.until_recovered;
  for (const LadderName& one : wanted.until_recovered) {
    if (std::find(owners.begin(), owners.end(), one) == owners.end()) owners.push_back(one);
  }
  return flag;
}

}  // namespace

bool is_set_by_ladder(const std::string& by, const std::vector<LadderName>& until_recovered) {
  return !until_recovered.empty() || by.starts_with("ladder ");
}

void Operations::set(MonoTime, const AutomationSet& wanted, std::vector<Effect>& effects) {
  if (wanted.paused) {
    automation_ = wanted;
  } else if (!automation_) {
    return;
  } else {
    automation_.reset();
  }
  effects.push_back(operation(
      "automation",
      std::string(wanted.paused ? "paused" : "resumed") + by_whom(wanted.by, wanted.reason),
      wanted));
}

bool Operations::set(MonoTime, const FlagMemory& wanted, std::vector<Effect>& effects) {
  const auto known = flags_.find(wanted.flag);
  const bool is_new = known == flags_.end();
  if (is_new && flags_.size() >= flags_limit) return false;
  const auto by_ladder = [](const FlagMemory& flag) {
    return is_set_by_ladder(flag.by, flag.until_recovered);
  };
  FlagMemory flag = wanted;
  if (!is_new && by_ladder(wanted)) {
    flag = by_ladder(known->second) ? longest(known->second, wanted) : known->second;
  }
  effects.push_back(WriteFlag{flag.flag, true, flag.reason});
  if (!is_new && flag == known->second) return true;
  flags_[flag.flag] = flag;
  effects.push_back(
      operation(wanted.flag.text, "flag set" + by_whom(wanted.by, wanted.reason), std::move(flag)));
  return true;
}

void Operations::clear(const FlagName& flag, const Why& why, std::vector<Effect>& effects) {
  const bool was_set = flags_.erase(flag) > 0;
  effects.push_back(WriteFlag{flag, false, why.reason});
  if (!was_set) return;
  effects.push_back(
      operation(flag.text, "flag cleared" + by_whom(why.by, why.reason), FlagCleared{flag}));
}

void Operations::set(MonoTime, const DrainSet& wanted, std::vector<Effect>& effects) {
  if (wanted.drained) {
    drain_ = wanted;
  } else if (!drain_) {
    return;
  } else {
    drain_.reset();
  }
  effects.push_back(operation(
      "drain",
      std::string(wanted.drained ? "drained" : "undrained") + by_whom(wanted.by, wanted.reason),
      wanted));
}

bool Operations::pass_time(MonoTime now, std::vector<Effect>& effects) {
  bool expired = false;
  if (automation_ && automation_->until && now >= *automation_->until) {
    set(now, AutomationSet{false, "its time is over", "", std::nullopt}, effects);
    expired = true;
  }
  std::vector<FlagName> over;
  for (const auto& [name, flag] : flags_) {
    if (flag.until && now >= *flag.until) over.push_back(name);
  }
  for (const FlagName& name : over) clear(name, {"", "its time is over"}, effects);
  return expired || !over.empty();
}

bool Operations::recovered(const LadderName& ladder, std::vector<Effect>& effects) {
  const std::size_t before = flags_.size();
  disown([&ladder](const LadderName& owner) { return owner == ladder; },
         ladder.text + " has recovered", effects);
  return flags_.size() < before;
}

void Operations::forget_ladders(const std::function<bool(const LadderName&)>& is_configured,
                                std::vector<Effect>& effects) {
  disown([&is_configured](const LadderName& owner) { return !is_configured(owner); },
         "the ladder that set it is no longer configured", effects);
}

/// The ladders that it is over for let go of their flags; one that nobody wants any more is
/// cleared.
void Operations::disown(const std::function<bool(const LadderName&)>& is_over,
                        const std::string& why, std::vector<Effect>& effects) {
  std::vector<FlagName> over;
  for (auto& [name, flag] : flags_) {
    if (std::erase_if(flag.until_recovered, is_over) == 0) continue;
    if (flag.until_recovered.empty()) {
      over.push_back(name);
      continue;
    }
    effects.push_back(operation(
        name.text, "flag stays until " + join_names(flag.until_recovered) + " recovers: " + why,
        flag));
  }
  for (const FlagName& name : over) clear(name, {"", why}, effects);
}

/// The files are written anew: the runtime folder may have gone with a reboot.
void Operations::restore(const MemoryRestored& memory, std::vector<Effect>& effects) {
  for (const FlagMemory& flag : memory.flags) {
    flags_[flag.flag] = flag;
    effects.push_back(WriteFlag{flag.flag, true, flag.reason});
  }
  if (memory.automation && memory.automation->paused) automation_ = memory.automation;
  if (memory.drain && memory.drain->drained) drain_ = memory.drain;
}

std::map<FlagName, FlagView> Operations::flags() const {
  std::map<FlagName, FlagView> views;
  for (const auto& [name, flag] : flags_) {
    views[name] = {flag.since, flag.reason, flag.by, flag.until, flag.until_recovered};
  }
  return views;
}

std::optional<MonoTime> Operations::next_expiry() const {
  std::optional<MonoTime> next;
  const auto consider = [&](const std::optional<MonoTime>& at) {
    if (at && (!next || *at < *next)) next = at;
  };
  if (automation_) consider(automation_->until);
  for (const auto& [name, flag] : flags_) consider(flag.until);
  return next;
}

}  // namespace pointsman
