// Events: everything that the engine can be told. A closed list of plain values.
//
// The shell makes them, one at a time, on the one thread that owns the engine. Each can be printed,
// compared and stored, so that a journal can be replayed through another policy.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "policies/model/names.hpp"
#include "policies/model/policy.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// The instant that Decision::wake_at asked for has come (or a little later; early is harmless).
struct Wake {
  friend bool operator==(const Wake&, const Wake&) = default;
};

/// A run that RunProbe asked for has ended. Exactly one follows each RunProbe.
struct SampleTaken {
  Sample sample;
  friend bool operator==(const SampleTaken&, const SampleTaken&) = default;
};

/// How the watched session of a postgres probe ended.
enum class SessionEnd {
  lost,           ///< the socket closed without a word, or the postmaster is gone
  administrator,  ///< 57P01 from the administrator: the server shuts down
  crashed,        ///< 57P02: one backend crashed, the server restarts itself
};

struct SessionEnded {
  ProbeName probe;
  SessionEnd how = SessionEnd::lost;
  friend bool operator==(const SessionEnded&, const SessionEnded&) = default;
};

/// Our own loop ran late, the machine slept, or the wall clock jumped. Zero where it did not.
/// Sent before any sample that was in flight at the time.
struct LoopDistrusted {
  Duration late{};
  Duration suspended{};
  Duration clock_jump{};  ///< signed: negative is backwards
  friend bool operator==(const LoopDistrusted&, const LoopDistrusted&) = default;
};

/// What one pooler has in effect for one route, read from its console, and what its file says.
enum class FileState { as_wanted, differs, missing, unknown };

/// One pool of the route's database, as SHOW POOLS has it.
struct PoolFigures {
  std::string user;
  int clients_active = 0, clients_waiting = 0, servers_active = 0, servers_idle = 0;
  Duration longest_wait{};
  friend bool operator==(const PoolFigures&, const PoolFigures&) = default;
};
inline constexpr std::size_t observed_pools_limit = 50;

struct PoolerObservation {
  bool reachable = false;  ///< its console answered in time
  std::string error;       ///< why not; or what is wrong with what it answered
  bool listed = false;     ///< the database is known to it
  bool paused = false;
  bool disabled = false;
  std::vector<Endpoint> addresses;  ///< where new server connections go, as the pooler prints them
  FileState file = FileState::unknown;  ///< against what was last wanted of it
  std::vector<PoolFigures> pools{};     ///< at most observed_pools_limit; empty: not known
  friend bool operator==(const PoolerObservation&, const PoolerObservation&) = default;
};

/// Answer to ObserveRoute; one entry each pooler, in the order of RoutePolicy::via.
struct RouteObserved {
  RouteName route;
  std::vector<PoolerObservation> poolers;
  friend bool operator==(const RouteObserved&, const RouteObserved&) = default;
};

/// unknown: it may or may not have happened. It leads to looking, never to doing it again blindly.
enum class ActionOutcome { ok, failed, unknown };

/// What the proof of a switch rests on: a query through the pooler, or its list of servers only.
enum class Verified { no, servers, query };

/// When a switch reached what it was for; absent: it did not, or nobody can tell.
struct SwitchTimes {
  std::optional<MonoTime> in_effect{};  ///< every pooler says that it leads there
  std::optional<MonoTime> old_gone{};   ///< no connection to the old target is left
  std::optional<MonoTime> verified{};   ///< through every pooler
  friend bool operator==(const SwitchTimes&, const SwitchTimes&) = default;
};
/// Of several poolers together: the last of them; absent where it is of one.
inline SwitchTimes last_of(const SwitchTimes& one, const SwitchTimes& other) {
  using Time = std::optional<MonoTime>;
  const auto later = [](const Time& a, const Time& b) { return a && b ? std::max(a, b) : Time{}; };
  return {later(one.in_effect, other.in_effect), later(one.old_gone, other.old_gone),
          later(one.verified, other.verified)};
}

struct ActionFinished {
  ActionId id{};
  RouteName route;
  ActionOutcome outcome = ActionOutcome::unknown;
  std::string message;  ///< what was done or why it failed, one line
  Verified verified = Verified::no;
  bool rolled_back = false;
  /// Of a promotion that ended ok: the new timeline and where it begins (Redis: the offset).
  std::optional<std::uint32_t> timeline{};
  std::optional<std::uint64_t> promotion_lsn{};
  SwitchTimes times{};  ///< of a switch that ended ok
  friend bool operator==(const ActionFinished&, const ActionFinished&) = default;
};

/// A ladder's step that RunStep asked for has ended. Exactly one follows each.
struct StepFinished {
  ActionId id{};
  LadderName ladder;
  ActionOutcome outcome = ActionOutcome::unknown;
  std::string message;  ///< one line, no secret
  friend bool operator==(const StepFinished&, const StepFinished&) = default;
};

/// An operator's commands, as they come over the control socket. `by` is who asked ("uid 1000").
struct SwitchRequested {
  RequestId request{};
  RouteName route;
  std::optional<ProbeName> to;  ///< absent: the best other candidate
  bool dry_run = false;
  bool allow_data_loss = false;  ///< overrides the lag guard, once
  bool unfenced = false;         ///< promotes without `demote:`; recorded
  std::string by;
  friend bool operator==(const SwitchRequested&, const SwitchRequested&) = default;
};
struct SwitchCancelled {
  RequestId request{};
  friend bool operator==(const SwitchCancelled&, const SwitchCancelled&) = default;
};
/// One line of progress of a request's act.
struct RequestNoted {
  RequestId request{};
  std::string line;
  friend bool operator==(const RequestNoted&, const RequestNoted&) = default;
};
/// `pause` and `resume`: nothing automatic happens while paused. Survives a restart.
struct AutomationSet {
  bool paused = false;
  std::string reason, by;
  std::optional<MonoTime> until;
  friend bool operator==(const AutomationSet&, const AutomationSet&) = default;
};
struct FlagSet {
  FlagName flag;
  bool set = true;
  std::string reason, by;
  std::optional<MonoTime> until;
  friend bool operator==(const FlagSet&, const FlagSet&) = default;
};
/// `drain` and `undrain`: the balancer is told to send no traffic.
struct DrainSet {
  bool drained = true;
  std::string reason, by;
  friend bool operator==(const DrainSet&, const DrainSet&) = default;
};
struct IncidentAcknowledged {
  IncidentId incident{};
  std::string by, reason;
  friend bool operator==(const IncidentAcknowledged&, const IncidentAcknowledged&) = default;
};
/// `approve ID` and `refuse ID`: ID is the action of the step that waits.
struct StepApproved {
  ActionId id{};
  bool approved = true;
  std::string by;
  friend bool operator==(const StepApproved&, const StepApproved&) = default;
};

/// A new policy is in force. The first event of all; later ones are reloads.
struct PolicyLoaded {
  std::shared_ptr<const PolicySet> policy;
  friend bool operator==(const PolicyLoaded&, const PolicyLoaded&) = default;
};

/// How far a server had written when it was last seen: bytes of WAL, or Redis' offset.
struct SeenPosition {
  std::uint64_t position = 0;
  MonoTime at{};
  friend bool operator==(const SeenPosition&, const SeenPosition&) = default;
};

/// What the journal remembers of a route from before a restart.
struct RouteMemory {
  RouteName route;
  std::vector<ProbeName> targets;  ///< where it led, verified
  std::string system_id;           ///< of the cluster that it led to
  std::uint32_t timeline = 0;      ///< highest seen on a target that it led to; 0: none
  std::uint64_t epoch = 0;
  std::vector<ProbeName> replaced{};  ///< Redis: old masters that a promotion of ours replaced
  /// Of its one target, when this was written; none: it was not seen since the route leads there.
  std::optional<SeenPosition> last_seen{};
  std::optional<MonoTime> last_switch{};  ///< repairs are none; none: not known
  /// Its one target's administrator told it to stop then (restart_grace), and it is not back yet.
  std::optional<MonoTime> told_to_stop{};
  friend bool operator==(const RouteMemory&, const RouteMemory&) = default;
};

/// A promotion whose intent has no outcome: it may have happened, may still happen, or may not.
struct PromotionMemory {
  RouteName route;
  ProbeName from, to;
  std::uint32_t timeline = 0;  ///< before it
  MonoTime at{};               ///< when it was about to be asked for
  friend bool operator==(const PromotionMemory&, const PromotionMemory&) = default;
};

/// A ladder as it stood: what its keeper needs to go on (policies/recovery).
struct LadderMemory {
  LadderName ladder;
  std::string phase;  ///< a word of the keeper's
  int step = 0, attempt = 0;
  IncidentId incident{};
  ActionId action{};       ///< of its newest step: no later life gives the number again; none: 0
  MonoTime phase_since{};  ///< when the phase began
  std::optional<MonoTime> cooldown_until;
  std::vector<MonoTime> runs;  ///< starts of the runs that the limits count, oldest first
  std::string
      fingerprint{};  ///< of the policy that it ran by: a step's index means nothing in another
  friend bool operator==(const LadderMemory&, const LadderMemory&) = default;
};

/// A flag that is set: by whom, why, until when, and whose recovery clears it.
struct FlagMemory {
  FlagName flag;
  MonoTime since{};
  std::string reason, by;
  std::optional<MonoTime> until;
  /// Until all of these have; empty: no ladder's end clears it.
  std::vector<LadderName> until_recovered{};
  friend bool operator==(const FlagMemory&, const FlagMemory&) = default;
};

struct Incident;  // policies/model/incident.hpp

struct MemoryRestored {
  std::vector<RouteMemory> routes;
  std::vector<PromotionMemory> promotions{};
  std::vector<LadderMemory> ladders{};
  std::vector<FlagMemory> flags{};
  std::optional<AutomationSet> automation{};
  std::optional<DrainSet> drain{};
  /// The open ones, and the newest closed; oldest first. Shared, since Incident needs this header.
  std::vector<std::shared_ptr<const Incident>> incidents{};
  std::uint64_t last_incident = 0;
  friend bool operator==(const MemoryRestored&, const MemoryRestored&) = default;
};

using Event = std::variant<Wake, SampleTaken, SessionEnded, LoopDistrusted, RouteObserved,
                           ActionFinished, StepFinished, SwitchRequested, SwitchCancelled,
                           RequestNoted, AutomationSet, FlagSet, DrainSet, IncidentAcknowledged,
                           StepApproved, PolicyLoaded, MemoryRestored>;

std::string_view to_text(SessionEnd how);
std::string_view to_text(FileState state);
std::string_view to_text(ActionOutcome outcome);
std::string_view to_text(Verified verified);

}  // namespace pointsman
