#include "policies/recovery_trigger.hpp"

namespace pointsman {

Sight judge_sight(const Trigger& trigger, State state, bool trusted) {
  if (!trusted || state == State::unknown) return Sight::unseen;
  if (state == State::unhealthy) return Sight::failing;
  return state == State::degraded && trigger.state == State::degraded ? Sight::failing
                                                                      : Sight::well;
}

void TriggerClock::take(MonoTime now, Sight sight) {
  held_ = held(now);
  counting_since_.reset();
  sight_ = sight;
  if (sight == Sight::well) held_ = Duration::zero();
  if (sight == Sight::failing) counting_since_ = now;
}

void TriggerClock::restart(MonoTime now) {
  held_ = Duration::zero();
  if (counting_since_) counting_since_ = now;
}

Duration TriggerClock::held(MonoTime now) const {
  return counting_since_ ? held_ + (now - *counting_since_) : held_;
}

bool TriggerClock::has_held(MonoTime now, Duration hold) const {
  return sight_ == Sight::failing && held(now) >= hold;
}

std::optional<MonoTime> TriggerClock::holds_at(MonoTime now, Duration hold) const {
  if (!counting_since_) return std::nullopt;
  const Duration left = hold - held(now);
  return left > Duration::zero() ? now + left : now;
}

}  // namespace pointsman
