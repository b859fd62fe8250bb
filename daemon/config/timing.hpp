// How long it takes, computed from the configuration alone: to see that a target died, to follow or
// to promote, to be healthy again, to leave the load balancer and to return. What `check` prints
// and the simulator confirms. Pure; any thread.
//
// The formulas stand above their functions. What the network takes (milliseconds on a LAN) comes on
// top; what promoting and switching take was measured, and is a constant here.
#pragma once

#include "daemon/config/config.hpp"
#include "policies/model/policy.hpp"

namespace pointsman {

struct Span {
  Duration best{}, typical{}, worst{};
};

/// From the instant that what is probed fails. `dead`: connections to it are refused or reset.
/// `silent`: it answers nothing (power, cable, a frozen process).
struct ProbeTiming {
  Span dead_noticed, silent_noticed;  ///< until the first failed sample (T1)
  Span dead_down, silent_down;        ///< until it is unhealthy: `fall` fails in a row (T2)
  Span up;                            ///< from well again until healthy: `rise` passes in a row
};
/// `watched`: its session is kept and watched, so that a run follows at once when it closes.
ProbeTiming probe_timing(const ProbePolicy& policy, bool watched);
/// Of a PostgreSQL session that is kept; of Redis too, but for servers that end idle connections
/// (`timeout`), which are watched no more: at worst it is not.
ProbeTiming probe_timing(const ProbePolicy& policy, const ProbeSpec& spec);

/// PostgreSQL's default, and what is recommended to be set on the standbys.
inline constexpr Duration default_receiver_timeout = std::chrono::seconds{60};
inline constexpr Duration tuned_receiver_timeout = std::chrono::seconds{5};

/// Of a route that promotes: from the instant that its target fails until the application can use
/// the new one.
struct DriveTiming {
  Span dead;              ///< connections to it are refused
  Span frozen;            ///< it accepts connections and says nothing
  Span lost, lost_tuned;  ///< the whole host: at default_ and at tuned_receiver_timeout
};

struct RouteTiming {
  ProbeTiming target;  ///< the slowest of the candidates
  Span follow;         ///< from another candidate serving as required, until the switch begins
  Span followed;       ///< the same, until the application can use it
  Span moved_dead, moved_silent;  ///< from the target's failure until another that fits is used
  std::optional<DriveTiming> drive;
};
RouteTiming route_timing(const RoutePolicy& route, const Config& config);

struct BalancerTiming {
  Span leave;         ///< from /health answering 503 until no more requests come
  Span leave_silent;  ///< the same when the host answers nothing at all
  Span enter;         ///< from /health answering 200 until requests come again
};
BalancerTiming balancer_timing(const LoadBalancerSpec& spec);

/// Of the critical services of scope node: from a failure until /health answers 503, slowest probe.
Span host_unwell_timing(const Config& config);

/// From well again until it is seen healthy: of a probe, the slowest of a service's members, a
/// route. What `verify_within` has to leave time for. No cycles.
Span recovery_timing(const Member& member, const PolicySet& policy);

/// Of a ladder, from the failure of its subject on.
struct LadderTiming {
  Span noticed;    ///< until the subject is in the trigger's state
  Span begun;      ///< until the first step begins
  Span exhausted;  ///< until all steps were tried in vain and a human is told
};
LadderTiming ladder_timing(const LadderPolicy& ladder, const Config& config);

}  // namespace pointsman
