#include "daemon/config/timing.hpp"

#include <algorithm>
#include <set>

#include "daemon/config/timing_spans.hpp"
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

/// The probes that a service rests on, through other services.
void collect_probes(const ServicePolicy& service, const PolicySet& policy,
                    std::set<ProbeName>& probes) {
  for (const auto& member : service.members) {
    if (const auto* probe = std::get_if<ProbeName>(&member)) probes.insert(*probe);
    if (const auto* inner = std::get_if<ServiceName>(&member)) {
      collect_probes(policy.services.at(*inner), policy, probes);
    }
  }
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
ProbeTiming probe_timing(const ProbePolicy& policy, bool watched) {
  const Duration fast = policy.fast_interval + wake_grain;
  const Span next_run = wait_for_run(policy.interval);
  ProbeTiming timing;
  timing.dead_noticed = watched ? Span{} : next_run;
  timing.silent_noticed = next_run + policy.timeout;
  timing.dead_down = timing.dead_noticed + (policy.fall - 1) * fast;
  timing.silent_down = timing.silent_noticed + (policy.fall - 1) * std::max(fast, policy.timeout);
  timing.up = wait_for_run(policy.down_interval) + (policy.rise - 1) * fast;
  return timing;
}

ProbeTiming probe_timing(const ProbePolicy& policy, const ProbeSpec& spec) {
  const auto* postgres = std::get_if<PostgresSpec>(&spec);
  const bool is_redis = std::holds_alternative<RedisSpec>(spec);
  const bool is_kept = postgres && postgres->session == SessionUse::kept;
  ProbeTiming timing = probe_timing(policy, is_kept || is_redis);
  if (is_redis) {
    const ProbeTiming unwatched = probe_timing(policy, false);
    timing.dead_noticed.worst = unwatched.dead_noticed.worst;
    timing.dead_down.worst = unwatched.dead_down.worst;
  }
  return timing;
}

// The balancer asks every I, gives up after T, and wants U failed or H good answers in a row:
//   leave             (U-1)*I, + I/2, + I;   silent: the last question's timeout comes on top
//   enter             (H-1)*I, + I/2, + I
BalancerTiming balancer_timing(const LoadBalancerSpec& spec) {
  const Span next{.best = Duration{0}, .typical = spec.interval / 2, .worst = spec.interval};
  BalancerTiming timing;
  timing.leave = next + (spec.unhealthy - 1) * spec.interval;
  timing.leave_silent = timing.leave + spec.timeout;
  timing.enter = next + (spec.healthy - 1) * spec.interval;
  return timing;
}

Span host_unwell_timing(const Config& config) {
  std::set<ProbeName> probes;
  for (const auto& [name, service] : config.policy->services) {
    if (service.critical && service.scope == Scope::node) {
      collect_probes(service, *config.policy, probes);
    }
  }
  Span span;
  for (const auto& name : probes) {
    const auto policy = config.policy->probes.find(name);
    const auto spec = config.probes.find(name);
    if (policy == config.policy->probes.end() || spec == config.probes.end()) continue;
    const ProbeTiming timing = probe_timing(policy->second, spec->second);
    span = slower(span, {.best = std::min(timing.dead_down.best, timing.silent_down.best),
                         .typical = timing.dead_down.typical,
                         .worst = timing.silent_down.worst});
  }
  return span;
}

}  // namespace pointsman
