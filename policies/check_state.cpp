#include "policies/check_state.hpp"

#include <algorithm>
#include <bit>

namespace pointsman {
namespace {

constexpr int enough = 1'000'000;  // the streak is shown to people; it need not grow for ever
constexpr std::uint32_t window_mask = (1u << flap_window) - 1;

Duration settled_interval(const ProbePolicy& policy, State state) {
  return state == State::unhealthy ? policy.down_interval : policy.interval;
}

}  // namespace

bool CheckState::take(const ProbePolicy& policy, const Sample& sample, MonoTime now) {
  const Outcome outcome = sample.finding.outcome;
  if (outcome == Outcome::inconclusive) return pass_time(policy, now);
  const bool up = outcome != Outcome::fail;
  last_conclusive_ = sample.started;
  stale_ = false;
  watch_flapping(up, now);
  count(policy, up, outcome == Outcome::warn);
  return show(now);
}

void CheckState::count(const ProbePolicy& policy, bool up, bool warned) {
  if (up) {
    streak_ = streak_ > 0 ? std::min(streak_ + 1, enough) : 1;
  } else {
    streak_ = streak_ < 0 ? std::max(streak_ - 1, -enough) : -1;
  }
  if (up && (raw_ != State::unhealthy || streak_ >= policy.rise)) {
    raw_ = warned ? State::degraded : State::healthy;
  } else if (!up && -streak_ >= policy.fall) {
    raw_ = State::unhealthy;
  }
}

void CheckState::watch_flapping(bool up, MonoTime now) {
  const bool flipped = last_up_ && *last_up_ != up;
  last_up_ = up;
  flips_ = ((flips_ << 1) | (flipped ? 1u : 0u)) & window_mask;
  if (flipped) last_flip_ = now;
  if (std::popcount(flips_) <= flap_changes) return;
  if (!held_) {
    const bool again_soon = let_go_at_ != MonoTime{} && now - let_go_at_ < flap_quiet_longest;
    quiet_ = again_soon ? std::min(quiet_ * 2, flap_quiet_longest) : flap_quiet_first;
    held_ = true;
    held_at_ = State::degraded;
  }
}

bool CheckState::pass_time(const ProbePolicy& policy, MonoTime now) {
  if (held_ && now - last_flip_ >= quiet_) {
    held_ = false;
    let_go_at_ = now;
    flips_ = 0;
  }
  const Duration limit = 3 * settled_interval(policy, raw_) + policy.timeout;
  if (!stale_ && last_conclusive_ && now - *last_conclusive_ > limit) {
    stale_ = true;
    raw_ = State::unknown;
    streak_ = 0;
    held_ = false;
    flips_ = 0;
    last_up_.reset();
  }
  return show(now);
}

void CheckState::repeat(std::uint64_t times, MonoTime last_started) {
  last_conclusive_ = last_started;
  const int more = static_cast<int>(std::min<std::uint64_t>(times, enough));
  streak_ = streak_ < 0 ? std::max(streak_ - more, -enough) : std::min(streak_ + more, enough);
  flips_ = more >= flap_window ? 0 : (flips_ << more) & window_mask;
}

bool CheckState::show(MonoTime now) {
  if (held_ && raw_ == State::unhealthy) held_at_ = State::unhealthy;
  const State next = held_ && raw_ != State::unknown ? held_at_ : raw_;
  if (next == shown_) return false;
  shown_ = next;
  since_ = now;
  return true;
}

bool CheckState::pending(const ProbePolicy& policy) const {
  if (raw_ == State::unknown) return streak_ < 0;
  if (raw_ == State::unhealthy) return streak_ > 0 && streak_ < policy.rise;
  return streak_ < 0;
}

}  // namespace pointsman
