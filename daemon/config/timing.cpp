#include "daemon/config/timing.hpp"

#include <algorithm>
#include <set>

namespace pointsman {
namespace {

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

BoundsInput bounds_input(const Config& config) {
  BoundsInput input{*config.policy};
  for (const auto& [name, spec] : config.probes) {
    const auto* postgres = std::get_if<PostgresSpec>(&spec);
    if (postgres && postgres->session == SessionUse::kept) input.watched[name] = Watched::yes;
    if (std::holds_alternative<RedisSpec>(spec)) input.watched[name] = Watched::mostly;
  }
  for (const auto& [name, hooks] : config.hooks) {
    const auto fence = hooks.find(HookKind::fence);
    if (fence != hooks.end()) input.fence_timeouts[name] = fence->second.timeout;
  }
  return input;
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
  const BoundsInput input = bounds_input(config);
  Span span;
  for (const auto& name : probes) {
    const auto policy = config.policy->probes.find(name);
    if (policy == config.policy->probes.end()) continue;
    const auto watched = input.watched.find(name);
    const ProbeTiming timing = probe_timing(
        policy->second, watched == input.watched.end() ? Watched::no : watched->second);
    span = slower(span, {.best = std::min(timing.dead_down.best, timing.silent_down.best),
                         .typical = timing.dead_down.typical,
                         .worst = timing.silent_down.worst});
  }
  return span;
}

}  // namespace pointsman
