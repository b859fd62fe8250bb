// How long the trigger of a ladder has held: the time that its subject was known to be in the state
// (or worse), counted since it last was known to be better.
//
// Pure. Unknown, and evidence that is not trusted, stop the clock and do not set it back: nothing
// triggers on unknown, and nothing is forgiven by it.
#pragma once

#include <optional>

#include "policies/model/policy.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// What one look says of the trigger's subject.
enum class Sight { unseen, well, failing };
Sight judge_sight(const Trigger& trigger, State state, bool trusted);

class TriggerClock {
 public:
  void take(MonoTime now, Sight sight);
  /// Counts anew from now: after a pause, an acknowledgement, a start.
  void restart(MonoTime now);

  Sight sight() const { return sight_; }
  bool has_held(MonoTime now, Duration hold) const;
  /// When it will have held, if nothing changes. Absent while the clock stands.
  std::optional<MonoTime> holds_at(MonoTime now, Duration hold) const;

 private:
  Duration held(MonoTime now) const;

  Sight sight_ = Sight::unseen;
  Duration held_{};
  std::optional<MonoTime> counting_since_;
};

}  // namespace pointsman
