#include "policies/bounds.hpp"

#include "policies/schedule.hpp"

namespace pointsman {
namespace {

/// The longest settled interval that the schedule's jitter and grain allow.
Duration longest(Duration interval) {
  return interval +
         Duration{
             static_cast<std::int64_t>(static_cast<double>(interval.count()) * jitter_share / 2)} +
         wake_grain;
}

/// Waiting for a run that comes every `interval`, from a moment between two of them.
Span wait_for_run(Duration interval) {
  return {.best = Duration{0}, .typical = interval / 2, .worst = longest(interval)};
}

/// `more` runs after the first, one each `fast_interval`, or as long as a run takes.
Span runs(int more, const ProbePolicy& policy, Duration run) {
  const Duration fast = policy.fast_interval;
  const Duration late = std::max(fast + wake_grain, run);
  return {.best = more * std::max(fast, run), .typical = more * late, .worst = more * late};
}

}  // namespace

// A run begins every `interval` (I) while settled, every `fast_interval` (F) once a sample has
// failed, and ends at its `timeout` (T) at the latest; it takes `fall` (n) failed ones in a row.
//
//   noticed, dead     the wait for the next run: 0, I/2, I and its jitter; at once when watched
//   noticed, silent   the same wait, and then the run's whole timeout: + T
//   down, dead        noticed + (n - 1) * F
//   down, silent      noticed + (n - 1) * max(F, T): a run that takes longer is followed at once
//   up                the wait for the next run at `down_interval`, + (rise - 1) * F
ProbeTiming probe_timing(const ProbePolicy& policy, Watched watched) {
  const Span next_run = wait_for_run(policy.interval);
  ProbeTiming timing;
  timing.dead_noticed = watched == Watched::no ? next_run : Span{};
  if (watched == Watched::mostly) timing.dead_noticed.worst = next_run.worst;
  timing.silent_noticed = next_run + policy.timeout;
  timing.dead_down = timing.dead_noticed + runs(policy.fall - 1, policy, Duration{0});
  timing.silent_down = timing.silent_noticed + runs(policy.fall - 1, policy, policy.timeout);
  timing.up = wait_for_run(policy.down_interval) + runs(policy.rise - 1, policy, Duration{0});
  return timing;
}

}  // namespace pointsman
