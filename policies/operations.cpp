#include "policies/operations.hpp"

#include <algorithm>

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

}  // namespace

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

bool Operations::set(MonoTime, const FlagMemory& flag, std::vector<Effect>& effects) {
  const auto known = flags_.find(flag.flag);
  if (known == flags_.end() && flags_.size() >= flags_limit) return false;
  if (known != flags_.end() && flag.until_recovered && !known->second.until_recovered) {
    effects.push_back(WriteFlag{flag.flag, true, known->second.reason});
    return true;
  }
  flags_[flag.flag] = flag;
  effects.push_back(WriteFlag{flag.flag, true, flag.reason});
  effects.push_back(operation(flag.flag.text, "flag set" + by_whom(flag.by, flag.reason), flag));
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
  std::vector<FlagName> over;
  for (const auto& [name, flag] : flags_) {
    if (flag.until_recovered == ladder) over.push_back(name);
  }
  for (const FlagName& name : over) clear(name, {"", ladder.text + " has recovered"}, effects);
  return !over.empty();
}

void Operations::forget_ladders(const std::function<bool(const LadderName&)>& is_configured,
                                std::vector<Effect>& effects) {
  std::vector<FlagName> orphans;
  for (const auto& [name, flag] : flags_) {
    if (flag.until_recovered && !is_configured(*flag.until_recovered)) orphans.push_back(name);
  }
  for (const FlagName& name : orphans) {
    clear(name, {"", "the ladder that set it is no longer configured"}, effects);
  }
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
