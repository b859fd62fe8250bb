// How long it takes, computed from the policy alone: to see that something failed, to follow, to
// move or to promote, to be healthy again, to go through a ladder. `check` prints it; the simulator
// confirms it (tests/unit/config/test_bounds.cpp). Pure.
//
// The formulas stand above their functions. What the network takes (milliseconds on a LAN) comes on
// top; what promoting and switching take was measured, and is a constant here.
#pragma once

#include <algorithm>
#include <map>
#include <optional>

#include "policies/model/policy.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

struct Span {
  Duration best{}, typical{}, worst{};
};

inline Span operator+(const Span& span, Duration more) {
  return {.best = span.best + more, .typical = span.typical + more, .worst = span.worst + more};
}
inline Span operator+(const Span& a, const Span& b) {
  return {.best = a.best + b.best, .typical = a.typical + b.typical, .worst = a.worst + b.worst};
}
inline Span slower(const Span& a, const Span& b) {
  return {.best = std::max(a.best, b.best),
          .typical = std::max(a.typical, b.typical),
          .worst = std::max(a.worst, b.worst)};
}

/// Is the session of a probe kept and watched, so that a run follows at once when it closes?
/// mostly: at worst it is not (a Redis that ends idle connections).
enum class Watched { no, mostly, yes };

/// What the policy does not say and the shell knows.
struct BoundsInput {
  const PolicySet& policy;
  std::map<ProbeName, Watched> watched{};          ///< left out: no
  std::map<RouteName, Duration> fence_timeouts{};  ///< of the routes that have a fence
};

/// From the instant that what is probed fails. `dead`: connections to it are refused or reset.
/// `silent`: it answers nothing (power, cable, a frozen process).
struct ProbeTiming {
  Span dead_noticed, silent_noticed;  ///< until the first failed sample (T1)
  Span dead_down, silent_down;        ///< until it is unhealthy: `fall` fails in a row (T2)
  Span up;                            ///< from well again until healthy: `rise` passes in a row
};
ProbeTiming probe_timing(const ProbePolicy& policy, Watched watched);

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
RouteTiming route_timing(const RoutePolicy& route, const BoundsInput& input);

/// From well again until it is seen healthy: of a probe, the slowest of a service's members, a
/// route. What `verify_within` has to leave time for. No cycles.
Span recovery_timing(const Member& member, const PolicySet& policy);

/// Of a ladder, from the failure of its subject on.
struct LadderTiming {
  Span noticed;    ///< until the subject is in the trigger's state
  Span begun;      ///< until the first step begins
  Span recovered;  ///< until the subject is well again, where the first step helps
  Span exhausted;  ///< until all steps were tried in vain and a human is told
};
LadderTiming ladder_timing(const LadderPolicy& ladder, const BoundsInput& input);

}  // namespace pointsman
