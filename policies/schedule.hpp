// When each probe runs next. Pure: spread by a hash of the name, jitter from the hash and the count
// of runs, so that a replay and a simulation start the same runs at the same instants.
//
// Due instants lie on a grid of `wake_grain`, and those that can wait on a coarser one: several
// runs of one wake-up cost half of what each costs alone (tests/bench/probe_cost.py). Each grid is
// part of the finer ones, so that probes of different intervals meet.
#pragma once

#include <cstdint>
#include <string_view>

#include "policies/model/policy.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

inline constexpr Duration wake_grain = std::chrono::milliseconds{10};
/// The finest and the coarsest grid of settled runs; between them it doubles.
inline constexpr Duration settled_grain = std::chrono::milliseconds{50};
inline constexpr Duration coarsest_grain = std::chrono::milliseconds{400};
/// An interval is at least so many grains long, or its runs lie on the grid of wake_grain.
inline constexpr int min_grains_an_interval = 10;
/// The first runs fall within min(interval, this) of the start.
inline constexpr Duration first_run_spread = std::chrono::seconds{2};
/// Settled intervals vary by this share in all, half to each side.
inline constexpr double jitter_share = 0.10;

/// FNV-1a, 64 bits, then mixed: stable over builds and machines.
std::uint64_t stable_hash(std::string_view text, std::uint64_t salt = 0);

/// The first run of a probe that is new.
MonoTime first_run(const ProbePolicy& policy, MonoTime now);

enum class Pace { settled, down, fast };
/// From the start of the last run to the start of the next. `runs` counts this probe's runs.
Duration next_interval(const ProbePolicy& policy, Pace pace, std::uint64_t runs);

/// The next instant of the finest grid that is not before `at`.
MonoTime on_grid(MonoTime at);

/// The grid of the settled runs of an interval.
Duration grain_of(Duration interval);

/// When the run after the one that began at `start` begins: on a coarse grid where the pace and the
/// interval allow it, and then never later than on the finest.
MonoTime next_run(const ProbePolicy& policy, Pace pace, std::uint64_t runs, MonoTime start);

}  // namespace pointsman
