// What operators and ladders have set: flags, the pause of automation, the drain. With expiry.
//
// Pure. Owned by the engine. Each change is an effect (the flag's file) and a record whose memory
// the journal keeps, so that all of it survives a restart. The end of a pause triggers nothing by
// itself: whoever waits for it judges anew from then on. At most `flags_limit` flags are set at a
// time.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"
#include "policies/model/snapshot.hpp"

namespace pointsman {

inline constexpr std::size_t flags_limit = 200;
/// Takes the host out of the balancer, and holds what is automatic.
inline const FlagName maintenance_flag{"maintenance"};

/// By a ladder, or by a person.
bool is_set_by_ladder(const std::string& by, const std::vector<LadderName>& until_recovered);

class Operations {
 public:
  void set(MonoTime now, const AutomationSet& wanted, std::vector<Effect>& effects);
  /// False when there are too many flags. A flag that a person has set stays as it is: a ladder
  /// that wants it too changes nothing, and its recovery does not clear it. Of what ladders want of
  /// one flag the longest counts: for good, until all of them have recovered, for a while.
  bool set(MonoTime now, const FlagMemory& wanted, std::vector<Effect>& effects);
  struct Why {
    std::string by, reason;  ///< by: who asked; empty: it came so by itself
  };
  void clear(const FlagName& flag, const Why& why, std::vector<Effect>& effects);
  void set(MonoTime now, const DrainSet& wanted, std::vector<Effect>& effects);
  /// Lets go of what has expired. True when something has.
  bool pass_time(MonoTime now, std::vector<Effect>& effects);
  /// The trigger of this ladder is well again: its flags are cleared, but for those that another
  /// ladder still wants. True when one was.
  bool recovered(const LadderName& ladder, std::vector<Effect>& effects);
  /// Clears what waits for the recovery of a ladder that there is no more: it would never end.
  void forget_ladders(const std::function<bool(const LadderName&)>& is_configured,
                      std::vector<Effect>& effects);
  void restore(const MemoryRestored& memory, std::vector<Effect>& effects);

  bool paused() const { return automation_.has_value(); }
  bool drained() const { return drain_.has_value(); }
  bool is_set(const FlagName& flag) const { return flags_.contains(flag); }
  const std::optional<AutomationSet>& automation() const { return automation_; }
  const std::optional<DrainSet>& drain() const { return drain_; }
  std::map<FlagName, FlagView> flags() const;
  std::optional<MonoTime> next_expiry() const;

 private:
  void disown(const std::function<bool(const LadderName&)>& is_over, const std::string& why,
              std::vector<Effect>& effects);

  std::map<FlagName, FlagMemory> flags_;
  std::optional<AutomationSet> automation_;
  std::optional<DrainSet> drain_;
};

}  // namespace pointsman
