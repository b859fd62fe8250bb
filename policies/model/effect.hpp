// Effects: everything that the engine can ask of the shell. A closed list of plain values.
//
// Every effect that starts something ends in exactly one event. Those that change the world are
// journalled as an intent before they run (daemon/runtime/effects.cpp).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "policies/model/event.hpp"
#include "policies/model/names.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// Run this probe now. Ends in SampleTaken. Never sent while a run of it is in flight.
struct RunProbe {
  ProbeName probe;
  friend bool operator==(const RunProbe&, const RunProbe&) = default;
};

/// Read what is in effect for this route. Ends in RouteObserved. Never two at a time for a route.
struct ObserveRoute {
  RouteName route;
  friend bool operator==(const ObserveRoute&, const ObserveRoute&) = default;
};

/// Why a route is switched; the metric label `cause`.
enum class SwitchCause {
  follow,       ///< another server became writable on a higher timeline
  target_lost,  ///< the target no longer answers
  wrong_role,   ///< the target answers, but no longer fits
  failback,     ///< to a preferred target, as `failback` asks
  balance,      ///< the set of fitting replicas changed
  fallback,     ///< no candidate fits: to where writes go
  drift,        ///< what is in effect is not what was last put there
  adopt,        ///< the first time that we put it there
  verify,       ///< nothing to change: only the proof is wanted
};

/// Are the clients on the old targets to be cut at once, or may their transactions end?
enum class OldTargets { dead, alive };

struct SwitchTarget {
  ProbeName probe;
  Endpoint endpoint;
  friend bool operator==(const SwitchTarget&, const SwitchTarget&) = default;
};

/// Make the route lead to `to` and prove it. Ends in ActionFinished. One at a time for a route.
/// With cause verify nothing is written.
struct SwitchRoute {
  ActionId id{};
  RouteName route;
  SwitchCause cause = SwitchCause::follow;
  std::vector<ProbeName> from;   ///< as observed; empty where it led to none of the candidates
  std::vector<SwitchTarget> to;  ///< at least one
  OldTargets old_targets = OldTargets::alive;
  Require require = Require::any;  ///< what the query through the pooler must find
  std::uint64_t epoch = 0;         ///< counts the switches of this route; goes into the file
  friend bool operator==(const SwitchRoute&, const SwitchRoute&) = default;
};

/// What is written down. The shell adds the wall-clock time.
enum class RecordKind {
  probe_state,  ///< a probe changed its state
  service_state,
  overall_state,
  serving,    ///< the answer to the load balancer changed
  diagnosis,  ///< a route's diagnosis changed
  decision,   ///< a switch was decided, with its evidence
  denied,     ///< a switch was wanted and a guard held it
  outcome,    ///< how an action ended
  route,      ///< where a route leads, verified: what MemoryRestored brings back
  distrust,   ///< samples are not trusted for a while, and why
  policy,     ///< a policy came into force
};

struct Record {
  RecordKind kind = RecordKind::decision;
  std::string subject;  ///< name of the probe, service or route
  std::string text;     ///< one sentence for a person
  std::vector<std::pair<std::string, std::string>> details;  ///< evidence, in order
  std::optional<RouteMemory> memory;                         ///< kind route only
  friend bool operator==(const Record&, const Record&) = default;
};

using Effect = std::variant<RunProbe, ObserveRoute, SwitchRoute, Record>;

/// What one step decided.
struct Decision {
  std::vector<Effect> effects;
  MonoTime wake_at{};  ///< when the engine next wants a Wake; never in the past by more than a step
};

std::string_view to_text(SwitchCause cause);
std::string_view to_text(RecordKind kind);
std::string_view to_text(OldTargets old_targets);

}  // namespace pointsman
