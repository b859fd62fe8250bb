// Times of routes: following, moving, promoting.
#include "policies/bounds.hpp"
#include "policies/schedule.hpp"

namespace pointsman {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// pgbouncer and HAProxy, measured: the first good query came 4 to 20 ms after the reload (FACTS
/// sections 2 and 6); writing the file durably and the proof come on top.
constexpr Span switching{
    .best = milliseconds{20}, .typical = milliseconds{50}, .worst = milliseconds{500}};

/// pg_promote, measured: 0.1 s, and the standby's wal_retrieve_retry_interval (5 s by default) more
/// where it was just reconnecting (FACTS section 8). REPLICAOF NO ONE: a millisecond.
constexpr Span promoting_postgres{
    .best = milliseconds{30}, .typical = milliseconds{100}, .worst = milliseconds{5100}};
constexpr Span promoting_redis{
    .best = milliseconds{1}, .typical = milliseconds{2}, .worst = milliseconds{100}};

ProbeTiming slowest(const ProbeTiming& a, const ProbeTiming& b) {
  return {.dead_noticed = slower(a.dead_noticed, b.dead_noticed),
          .silent_noticed = slower(a.silent_noticed, b.silent_noticed),
          .dead_down = slower(a.dead_down, b.dead_down),
          .silent_down = slower(a.silent_down, b.silent_down),
          .up = slower(a.up, b.up)};
}

/// The slowest candidate's own words.
struct Slowest {
  Duration fast{}, timeout{};
};

Slowest slowest_of(const RoutePolicy& route, const BoundsInput& input) {
  Slowest result;
  for (const auto& name : route.candidates) {
    const auto policy = input.policy.probes.find(name);
    if (policy == input.policy.probes.end()) continue;
    result.fast = std::max(result.fast, policy->second.fast_interval);
    result.timeout = std::max(result.timeout, policy->second.timeout);
  }
  return result;
}

/// The fence's timeout, at worst.
Duration fence_limit(const RoutePolicy& route, const BoundsInput& input) {
  const auto fence = input.fence_timeouts.find(route.name);
  return fence == input.fence_timeouts.end() ? Duration{0} : fence->second;
}

Watched watched_of(const ProbeName& name, const BoundsInput& input) {
  const auto watched = input.watched.find(name);
  return watched == input.watched.end() ? Watched::no : watched->second;
}

// A promotion is allowed once the target has failed `fall` times (down), and the diagnosis is one
// that `when` names:
//
//   dead      down, dead                    refused, and no standby receives
//   frozen    down, silent                  accepts and says nothing, and the standbys hear nothing
//   lost      S/2 + 1 s (or noticed,        no answer at all, and the standbys have heard nothing
//             silent, if later), + F (or    for half their wal_receiver_timeout (S) and a second
//             down, if later)               more; without pg_monitor for all of S. Redis, and where
//                                           receivers give up before that: from noticed on
//
// and then, one after another,
//
//   + look    every candidate once more (wake_grain; at worst one that hangs: T). The old target's
//             run that settled it counts; after a fence it is asked anew, and a silent one hangs
//   + fence   0 .. the hook's timeout
//   + promote, + switch
DriveTiming drive_timing(const RoutePolicy& route, const BoundsInput& input,
                         const ProbeTiming& target) {
  const Slowest probe = slowest_of(route, input);
  const Duration fence = fence_limit(route, input);
  const bool is_fenced = route.hooks.count(HookKind::fence) != 0;
  const Span look{.best = Duration{0}, .typical = wake_grain, .worst = probe.timeout + wake_grain};
  const Span look_at_silent =
      is_fenced ? look + Span{.best = Duration{0}, .typical = probe.timeout, .worst = Duration{0}}
                : look;
  const Span fencing{.best = Duration{0}, .typical = Duration{0}, .worst = fence};
  const bool is_redis = route.require == Require::master;
  const Span act = fencing + (is_redis ? promoting_redis : promoting_postgres) + switching;
  const Span next{.best = Duration{0}, .typical = probe.fast / 2, .worst = probe.fast + wake_grain};
  const auto lost = [&](Duration receiver_timeout) {
    const Duration proof = receiver_timeout / 2 + seconds{1};
    const Span unheard{.best = Duration{0}, .typical = proof, .worst = proof};  // idle until then
    const Span early = slower(target.silent_noticed, unheard) + next;
    const bool still_receives = !is_redis && early.worst < receiver_timeout;
    const Span quiet = still_receives ? early : target.silent_noticed + proof + next;
    return slower(target.silent_down, quiet) + look_at_silent + act;
  };
  return {.dead = target.dead_down + look + act,
          .frozen = target.silent_down + look_at_silent + act,
          .lost = lost(default_receiver_timeout),
          .lost_tuned = lost(tuned_receiver_timeout)};
}

}  // namespace

// From the first failed sample of the target on, all candidates run every F:
//
//   follow    another begins to serve: seen after 0, F/2, F
//   moved     another fits already: down, + switch
RouteTiming route_timing(const RoutePolicy& route, const BoundsInput& input) {
  RouteTiming timing;
  for (const auto& name : route.candidates) {
    const auto policy = input.policy.probes.find(name);
    if (policy == input.policy.probes.end()) continue;
    timing.target = slowest(timing.target, probe_timing(policy->second, watched_of(name, input)));
  }
  const Duration fast = slowest_of(route, input).fast;
  timing.follow = {.best = Duration{0}, .typical = fast / 2, .worst = fast + wake_grain};
  timing.followed = timing.follow + switching;
  timing.moved_dead = timing.target.dead_down + switching;
  timing.moved_silent = timing.target.silent_down + switching;
  if (route.promote) timing.drive = drive_timing(route, input, timing.target);
  return timing;
}

}  // namespace pointsman
