// One probe's state from its samples: rise and fall, flapping, staleness (SPEC section 4).
//
// Pure. The raw state is what rise and fall say; while the probe flaps it is held at the worse one.
// One integer counts both ways, as HAProxy does, so that rise and fall can not contradict each
// other.
#pragma once

#include <cstdint>
#include <optional>

#include "policies/model/policy.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/snapshot.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// More than this many changes between up and down in the last `flap_window` samples is flapping.
inline constexpr int flap_changes = 5;
inline constexpr int flap_window = 20;
/// How long it must be quiet to be let go; doubles each time it flaps again soon, up to the
/// longest.
inline constexpr Duration flap_quiet_first = std::chrono::minutes{1};
inline constexpr Duration flap_quiet_longest = std::chrono::minutes{10};

class CheckState {
 public:
  CheckState() = default;
  /// Unknown since `began`.
  explicit CheckState(MonoTime began) : since_(began) {}
  /// Takes one sample in. Inconclusive ones move nothing. True when the state that is shown
  /// changed.
  bool take(const ProbePolicy& policy, const Sample& sample, MonoTime now);
  /// Looks whether the last conclusive sample is too old, or a held probe has been quiet long
  /// enough. True when the state that is shown changed.
  bool pass_time(const ProbePolicy& policy, MonoTime now);
  /// As if `times` more samples had come that say what the last one said, the last of them begun at
  /// `last_started`. Only while no change is pending and nothing is held.
  void repeat(std::uint64_t times, MonoTime last_started);

  State state() const { return shown_; }
  MonoTime since() const { return since_; }
  int streak() const { return streak_; }  ///< ups in a row positive, downs negative, 0 none
  bool flapping() const { return held_; }
  bool stale() const { return stale_; }
  /// A change is under way, either way: the probe runs at its fast interval.
  bool pending(const ProbePolicy& policy) const;

 private:
  void count(const ProbePolicy& policy, bool up, bool warned);
  void watch_flapping(bool up, MonoTime now);
  bool show(MonoTime now);

  State raw_ = State::unknown;
  State shown_ = State::unknown;
  MonoTime since_{};
  int streak_ = 0;
  std::optional<MonoTime> last_conclusive_;  ///< when that sample started
  bool stale_ = false;

  std::uint32_t flips_ = 0;  ///< one bit a sample, the newest lowest
  std::optional<bool> last_up_;
  bool held_ = false;
  State held_at_ = State::unknown;
  MonoTime last_flip_{};
  MonoTime let_go_at_{};  ///< when the last hold ended
  Duration quiet_ = flap_quiet_first;
};

}  // namespace pointsman
