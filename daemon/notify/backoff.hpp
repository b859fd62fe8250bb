// How long a notifier waits after a try that failed: 1, 2, 4, ... seconds, at most five minutes,
// each 20 % more or less, so that many hosts do not come back to a receiver at the same instant;
// what a receiver asks for, and up to 20 % more. Pure.
#pragma once

#include <algorithm>
#include <optional>

#include "policies/model/time.hpp"

namespace pointsman {

inline constexpr Duration first_backoff{std::chrono::seconds{1}};
inline constexpr Duration longest_backoff{std::chrono::minutes{5}};
inline constexpr double backoff_jitter = 0.2;
/// What a receiver may ask for with Retry-After, and is heard; up to backoff_jitter comes on top.
inline constexpr Duration longest_retry_after{std::chrono::hours{1}};

class Backoff {
 public:
  /// After a failure. `random` is in 0..1; never sooner than the receiver asked for.
  Duration next(double random, std::optional<Duration> retry_after = std::nullopt) {
    const double factor = 1 - backoff_jitter + 2 * backoff_jitter * random;
    const double count = static_cast<double>(wait_.count()) * factor;
    const Duration wait{static_cast<Duration::rep>(count)};
    wait_ = std::min(wait_ * 2, longest_before_jitter);
    if (!retry_after) return wait;
    // All hosts are asked for the same time at once, and none may come sooner.
    const Duration asked = std::min(*retry_after, longest_retry_after);
    const double more = static_cast<double>(asked.count()) * backoff_jitter * random;
    return std::max(wait, asked + Duration{static_cast<Duration::rep>(more)});
  }
  void reset() { wait_ = first_backoff; }

 private:
  static constexpr Duration longest_before_jitter = longest_backoff * 5 / 6;
  static_assert(backoff_jitter == 0.2);

  Duration wait_ = first_backoff;
};

}  // namespace pointsman
