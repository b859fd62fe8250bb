// Times of ladders: until the subject is found unwell, until the first step, until a human is told.
#include <set>

#include "policies/bounds.hpp"
#include "policies/schedule.hpp"

namespace pointsman {
namespace {

Span probe_unwell(const ProbeName& name, const BoundsInput& input) {
  const auto policy = input.policy.probes.find(name);
  if (policy == input.policy.probes.end()) return {};
  const auto watched = input.watched.find(name);
  const ProbeTiming timing =
      probe_timing(policy->second, watched == input.watched.end() ? Watched::no : watched->second);
  return {.best = std::min(timing.dead_down.best, timing.silent_down.best),
          .typical = timing.dead_down.typical,
          .worst = std::max(timing.dead_down.worst, timing.silent_down.worst)};
}

/// The slowest of what the subject rests on. A route is unwell when no candidate fits any more: its
/// target, and all the others, are down.
Span unwell(const Member& member, const BoundsInput& input) {
  if (const auto* probe = std::get_if<ProbeName>(&member)) return probe_unwell(*probe, input);
  Span span;
  if (const auto* route = std::get_if<RouteName>(&member)) {
    for (const auto& name : input.policy.routes.at(*route).candidates) {
      span = slower(span, probe_unwell(name, input));
    }
  } else {
    for (const auto& inner : input.policy.services.at(std::get<ServiceName>(member)).members) {
      span = slower(span, unwell(inner, input));
    }
  }
  return span;
}

void add_routes(const Member& member, const PolicySet& policy, std::set<RouteName>& found) {
  if (const auto* route = std::get_if<RouteName>(&member)) found.insert(*route);
  const auto* service = std::get_if<ServiceName>(&member);
  if (!service) return;
  for (const auto& inner : policy.services.at(*service).members) add_routes(inner, policy, found);
}

/// No step begins while a route under the subject is promoted (the gate `route_switch`). At worst
/// that has just begun, and hangs: the fence, the second look (a run that is under way then does
/// not count), the promotion itself. One route after another, where there are several.
Duration promotions_hang(const Member& subject, const BoundsInput& input) {
  std::set<RouteName> routes;
  add_routes(subject, input.policy, routes);
  Duration all{};
  for (const RouteName& name : routes) {
    const RoutePolicy& route = input.policy.routes.at(name);
    if (!route.promote) continue;
    Duration run{};
    for (const ProbeName& candidate : route.candidates) {
      const auto probe = input.policy.probes.find(candidate);
      if (probe != input.policy.probes.end()) run = std::max(run, probe->second.timeout);
    }
    const auto fence = input.fence_timeouts.find(name);
    if (fence != input.fence_timeouts.end()) all += fence->second;
    all += 2 * run + wake_grain + route.promote->timeout;
  }
  return all;
}

/// What a step that does not help takes: to run (every try to its timeout, at worst), and to wait
/// for a proof that does not come.
Span vain_step(const StepPolicy& step, const LadderPolicy& ladder) {
  const Duration verify = step.verify_within.value_or(ladder.verify_within);
  const Duration waits = step.hold.value_or(Duration{0});
  switch (step.kind) {
    case StepKind::wait:
      return Span{} + (waits + verify);
    case StepKind::approve:  // refused at once; never answered
      return {.best = Duration{0}, .typical = waits, .worst = waits + verify};
    case StepKind::set_flag:
    case StepKind::clear_flag:
    case StepKind::drain:
    case StepKind::notify:
      return {.best = Duration{0}, .typical = verify, .worst = verify};
    default:
      return {.best = Duration{0},
              .typical = verify,
              .worst = (1 + step.retries) * step.timeout + verify};
  }
}

}  // namespace

// A probe: up. A service: the slowest member. A route: a candidate is seen to fit within F of a
// run (T at most), and then what is in effect is read within the route's own fast interval.
Span recovery_timing(const Member& member, const PolicySet& policy) {
  Span span;
  const auto probe_policy = [&policy](const ProbeName& name) {
    const auto found = policy.probes.find(name);
    return found == policy.probes.end() ? nullptr : &found->second;
  };
  if (const auto* name = std::get_if<ProbeName>(&member)) {
    const ProbePolicy* probe = probe_policy(*name);
    return probe ? probe_timing(*probe, Watched::no).up : span;
  }
  if (const auto* service = std::get_if<ServiceName>(&member)) {
    for (const auto& inner : policy.services.at(*service).members) {
      span = slower(span, recovery_timing(inner, policy));
    }
    return span;
  }
  const RoutePolicy& route = policy.routes.at(std::get<RouteName>(member));
  for (const auto& name : route.candidates) {
    const ProbePolicy* probe = probe_policy(name);
    if (!probe) continue;
    span = slower(span, {.best = Duration{0},
                         .typical = probe->fast_interval / 2,
                         .worst = std::max(probe->fast_interval, probe->timeout) + wake_grain});
  }
  return span + Span{.best = Duration{0},
                     .typical = route.observe_fast_interval / 2,
                     .worst = route.observe_fast_interval + wake_grain};
}

//   noticed     the slowest of what the subject rests on is down
//   begun       + `for`; at worst a promotion of a route under the subject hangs just then
//   recovered   + the first step (its timeout at worst), + until its subject is seen healthy
//   exhausted   + each step in vain, + retry_after between two
LadderTiming ladder_timing(const LadderPolicy& ladder, const BoundsInput& input) {
  LadderTiming timing;
  timing.noticed = unwell(ladder.when.subject, input);
  timing.begun = timing.noticed + ladder.when.hold;
  timing.begun.worst += promotions_hang(ladder.when.subject, input);
  timing.recovered = timing.begun + recovery_timing(ladder.when.subject, input.policy);
  if (!ladder.steps.empty()) timing.recovered.worst += ladder.steps.front().timeout;
  timing.exhausted = timing.begun;
  for (std::size_t i = 0; i < ladder.steps.size(); ++i) {
    timing.exhausted = timing.exhausted + vain_step(ladder.steps[i], ladder);
    if (i + 1 < ladder.steps.size()) timing.exhausted = timing.exhausted + ladder.retry_after;
  }
  return timing;
}

}  // namespace pointsman
