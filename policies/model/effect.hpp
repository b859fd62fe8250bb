// Effects: everything that the engine can ask of the shell. A closed list of plain values.
//
// Every effect that starts something ends in exactly one event. Those that change the world are
// journalled as an intent before they run (daemon/runtime/route_runner.cpp, act_runner.cpp).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "policies/model/alert.hpp"
#include "policies/model/event.hpp"
#include "policies/model/incident.hpp"
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
  request,      ///< a person asked for it
  recovery,     ///< a ladder's step
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
  IncidentId incident{};
  Require require = Require::any;  ///< what the query through the pooler must find
  std::uint64_t epoch = 0;         ///< counts the switches of this route; goes into the file
  friend bool operator==(const SwitchRoute&, const SwitchRoute&) = default;
};

/// Which servers can be promoted, and how (`pg_promote`, `REPLICAOF NO ONE`).
enum class ServerKind { postgres, redis };

/// Promote `to`. Ends in ActionFinished. The shell journals the intent, looks once more that `to`
/// is a standby of this cluster on this timeline, and polls until it takes writes. unknown: the
/// deadline passed after it was asked; it may still happen.
struct PromoteServer {
  ActionId id{};
  RouteName route;
  ServerKind kind = ServerKind::postgres;
  SwitchTarget from;  ///< the target that is lost; its probe may be empty
  SwitchTarget to;
  std::vector<SwitchTarget> others;  ///< Redis: those that are to follow the new master
  std::string system_id;
  std::uint32_t timeline = 0;  ///< of the standby, before; 0: not known
  IncidentId incident{};
  Duration timeout{};
  friend bool operator==(const PromoteServer&, const PromoteServer&) = default;
};

/// Run a hook of the route. Ends in ActionFinished; failed unless it said that it succeeded.
struct RunHook {
  ActionId id{};
  RouteName route;
  HookKind hook = HookKind::fence;
  SwitchTarget old_target, new_target;
  IncidentId incident{};
  friend bool operator==(const RunHook&, const RunHook&) = default;
};

/// Make an old Redis master that came back follow the new one, or cut it off. Ends in
/// ActionFinished.
struct DemoteServer {
  ActionId id{};
  RouteName route;
  SwitchTarget server;      ///< the old master
  SwitchTarget new_master;  ///< whom it is to follow
  friend bool operator==(const DemoteServer&, const DemoteServer&) = default;
};

/// A planned change: hold the clients, make commits on `from` impossible, wait until `to` has all,
/// promote, switch, let the clients go (FACTS section 9a). Ends in ActionFinished; until the
/// promotion a step whose deadline passes undoes what was done.
struct SwitchOver {
  ActionId id{};
  RequestId request{};
  RouteName route;
  ServerKind kind = ServerKind::postgres;
  SwitchTarget from, to;
  std::vector<SwitchTarget> others;
  std::string system_id;
  std::uint32_t timeline = 0;
  std::uint64_t epoch = 0;
  bool fenced = true;  ///< false: `--unfenced`, no demote hook is run
  IncidentId incident{};
  Duration promote_timeout{};
  friend bool operator==(const SwitchOver&, const SwitchOver&) = default;
};
/// Stop a SwitchOver before its point of no return. Its ActionFinished says what came of it.
struct CancelSwitchOver {
  ActionId id{};
  friend bool operator==(const CancelSwitchOver&, const CancelSwitchOver&) = default;
};

/// The pooler drops and reopens its server connections of this route. Ends in ActionFinished.
struct ReconnectRoute {
  ActionId id{};
  RouteName route;
  friend bool operator==(const ReconnectRoute&, const ReconnectRoute&) = default;
};

/// Run a step of a ladder. Ends in StepFinished. Those that the engine does itself (flags,
/// switches, waiting, approval, alerts) never leave it.
struct RunStep {
  ActionId id{};
  LadderName ladder;
  int step = 0;     ///< index in LadderPolicy::steps
  int attempt = 1;  ///< counts the retries of a step
  StepPolicy policy;
  IncidentId incident{};
  std::string subject;  ///< of the trigger
  friend bool operator==(const RunStep&, const RunStep&) = default;
};

/// The flag's file is to be there, or not. Idempotent; nothing comes back.
struct WriteFlag {
  FlagName flag;
  bool set = true;
  std::string reason;
  friend bool operator==(const WriteFlag&, const WriteFlag&) = default;
};

/// Deliver this, now or when it can be. Nothing comes back.
struct SendAlert {
  Alert alert;
  friend bool operator==(const SendAlert&, const SendAlert&) = default;
};

/// The incident as it is now: the journal keeps the last of each.
struct StoreIncident {
  Incident incident;
  friend bool operator==(const StoreIncident&, const StoreIncident&) = default;
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
  ladder,     ///< a run of a ladder began, a step began or ended, it ended
  operation,  ///< an operator did something: paused, set a flag, asked for a switch
  policy,     ///< a policy came into force
};

struct FlagCleared {
  FlagName flag;
  friend bool operator==(const FlagCleared&, const FlagCleared&) = default;
};
using Memory = std::variant<std::monostate, RouteMemory, LadderMemory, FlagMemory, FlagCleared,
                            AutomationSet, DrainSet>;

struct Record {
  RecordKind kind = RecordKind::decision;
  std::string subject;  ///< name of the probe, service or route
  std::string text;     ///< one sentence for a person
  std::vector<std::pair<std::string, std::string>> details;  ///< evidence, in order
  Memory memory;  ///< kinds route, ladder and operation: what MemoryRestored brings back
  friend bool operator==(const Record&, const Record&) = default;
};

using Effect = std::variant<RunProbe, ObserveRoute, SwitchRoute, PromoteServer, RunHook,
                            DemoteServer, SwitchOver, CancelSwitchOver, ReconnectRoute, RunStep,
                            WriteFlag, SendAlert, StoreIncident, Record>;

/// What one step decided.
struct Decision {
  std::vector<Effect> effects;
  MonoTime wake_at{};  ///< when the engine next wants a Wake; never in the past by more than a step
};

std::string_view to_text(SwitchCause cause);
std::string_view to_text(RecordKind kind);
std::string_view to_text(ServerKind kind);
std::string_view to_text(OldTargets old_targets);

}  // namespace pointsman
