// What the formulas of policies/bounds.hpp have to know of a configuration, and the load balancer's
// times. Pure; any thread.
#pragma once

#include "daemon/config/config.hpp"
#include "policies/bounds.hpp"

namespace pointsman {

/// Watched: a PostgreSQL session that is kept; mostly: Redis, but for servers that end idle
/// connections (`timeout`). Refers to the configuration's policy.
BoundsInput bounds_input(const Config& config);

struct BalancerTiming {
  Span leave;         ///< from /health answering 503 until no more requests come
  Span leave_silent;  ///< the same when the host answers nothing at all
  Span enter;         ///< from /health answering 200 until requests come again
};
BalancerTiming balancer_timing(const LoadBalancerSpec& spec);

/// Of the critical services of scope node: from a failure until /health answers 503, slowest probe.
Span host_unwell_timing(const Config& config);

}  // namespace pointsman
