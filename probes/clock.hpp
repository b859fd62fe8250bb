// The clocks of the machine. With probes/clock.cpp the only place that names real time
// (tests/lint).
#pragma once

#include <chrono>
#include <string>

#include "policies/model/time.hpp"

namespace pointsman {

/// CLOCK_MONOTONIC: what every deadline and the engine's `now` are made of.
MonoTime mono_now();
/// CLOCK_REALTIME: for printing and the journal only.
WallTime wall_now();
/// CLOCK_BOOTTIME minus CLOCK_MONOTONIC: grows while the machine is suspended.
Duration suspended_total();

/// For Asio's timers, which count steady_clock: the same clock on Linux.
std::chrono::steady_clock::time_point to_steady(MonoTime at);
/// What the wall clock showed at `at`, judged by how far it is from now.
WallTime to_wall(MonoTime at);
/// RFC 3339, UTC, milliseconds: "2026-11-23T10:00:00.000Z".
std::string to_rfc3339(WallTime at);

}  // namespace pointsman
