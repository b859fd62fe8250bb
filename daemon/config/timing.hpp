// How long it takes, computed from the configuration alone: to see that a target died, to follow,
// to leave the load balancer and to return. What `check` prints. Pure; any thread.
//
// What the network and the switch itself take (milliseconds on a LAN) comes on top; FACTS measured
// them.
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

struct RouteTiming {
  ProbeTiming target;  ///< the slowest of the candidates
  Span follow;         ///< from another candidate serving as required, until the switch begins
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

bool is_watched(const ProbeSpec& spec);

}  // namespace pointsman
