// Time as the core knows it: a monotonic instant that somebody else read from a clock.
//
// The core has no clock. Every `now` is an argument, so that a simulation and a replay use the same
// code as the daemon. MonoTime counts nanoseconds of CLOCK_MONOTONIC; wall-clock time belongs to
// the shell, which converts when it prints (probes/clock.hpp).
#pragma once

#include <chrono>
#include <cstdint>

namespace pointsman {

using Duration = std::chrono::nanoseconds;

/// The tag of monotonic time. It has no now(): real time is named in probes/clock.cpp only.
struct MonoClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock>;
  static constexpr bool is_steady = true;
};
using MonoTime = MonoClock::time_point;

/// UTC, milliseconds since 1970-01-01T00:00:00Z. Data only; the core never compares it with `now`.
struct WallClock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallClock>;
  static constexpr bool is_steady = false;
};
using WallTime = WallClock::time_point;

}  // namespace pointsman
