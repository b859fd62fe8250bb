// What can be done to the simulated world: faults, their end, and what people do. A closed list of
// plain values, so that a run can be written down, cut short and repeated.
//
// Servers are named by their probes, agents by their own names. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "policies/model/event.hpp"
#include "policies/model/names.hpp"
#include "policies/model/policy.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"

namespace pointsman::sim {

/// What a server becomes. The first group is about whether it answers, the second about what it
/// says; they add up. Of what is no database only `up` to `slow` and `passing` to `failing` matter.
enum class Becomes {
  up,         ///< it runs and answers
  down,       ///< the process is gone: connections are refused, sessions end
  stopped,    ///< an administrator stops it: sessions are told, then it is down
  gone,       ///< the host is gone: nothing answers at all
  frozen,     ///< it accepts connections and says nothing
  slow,       ///< it answers `slow_answer` late
  starting,   ///< PostgreSQL 57P03, Redis LOADING
  saturated,  ///< PostgreSQL 53300, Redis maxclients
  read_only,  ///< a primary whose sessions default to read only
  writable,   ///< no longer so
  lagging,    ///< a standby that falls behind: it receives and replays nothing more
  current,    ///< no longer so
  foreign,    ///< a server of another cluster (system identifier) stands at this address
  primary,    ///< somebody else promoted it, and re-pointed the others
  standby,    ///< rebuilt as a standby of the newest primary
  passing,    ///< any other probe passes
  warning,
  failing,
};
inline constexpr int becomes_count = 18;
inline constexpr Duration slow_answer = std::chrono::milliseconds{1500};

struct TargetBecomes {
  ProbeName target;
  Becomes state = Becomes::up;
  std::optional<Finding> finding{};  ///< of what is no database: exactly this; `state` is not read
  friend bool operator==(const TargetBecomes&, const TargetBecomes&) = default;
};

/// Packets from one place to another are lost, in this direction alone. A connection needs both;
/// where only the way back is cut, an order under way is carried out and its answer is lost.
struct Cut {
  std::string from, to;
  bool healed = false;  ///< true: it ends
  friend bool operator==(const Cut&, const Cut&) = default;
};

/// The pooler of a route on an agent's host.
enum class PoolerBecomes { up, down, paused, resumed, disabled, edited };
inline constexpr int pooler_becomes_count = 6;
struct PoolerChanges {
  std::string agent;  ///< empty: of every agent
  RouteName route;
  PoolerBecomes state = PoolerBecomes::up;
  ProbeName to{};  ///< edited: where somebody leads it by hand
  friend bool operator==(const PoolerChanges&, const PoolerChanges&) = default;
};

enum class ActKind {
  observe,
  switch_route,
  promote,
  fence,
  after_promote,
  demote,
  switch_over,
  reconnect,
  step,
};
inline constexpr int act_kind_count = 9;
enum class ActEnds {
  well,
  failing,      ///< nothing is done, and it says so
  hanging,      ///< nothing is done, and nothing is said until its deadline
  answer_lost,  ///< it is done; nothing is said until its deadline
  late,         ///< as answer_lost, but done only after the deadline
};
inline constexpr int act_ends_count = 5;

/// How acts of a kind end from now on.
struct ActsEnd {
  ActKind kind = ActKind::step;
  ActEnds how = ActEnds::well;
  std::string of{};                 ///< a route's or a ladder's name; empty: of all
  std::optional<Duration> takes{};  ///< else what was measured of such an act
  friend bool operator==(const ActsEnd&, const ActsEnd&) = default;
};

/// What happens to an agent itself.
struct AgentKilled {
  std::string agent;
  std::optional<Duration> back_after{};  ///< else by AgentStarted
  int after_effects = 0;  ///< 0: now; else in the middle of a step, once so many were begun
  bool reboots = false;   ///< its host does, too: its monotonic clock begins anew
  friend bool operator==(const AgentKilled&, const AgentKilled&) = default;
};
/// Of one that lives: no kill is in store for it any more.
struct AgentStarted {
  std::string agent;
  friend bool operator==(const AgentStarted&, const AgentStarted&) = default;
};
enum class ClockFault {
  stalls,    ///< its loop stands for so long
  suspends,  ///< the whole machine does
  jumps,     ///< the wall clock, by so much
};
inline constexpr int clock_fault_count = 3;
struct ClockFails {
  std::string agent;
  ClockFault how = ClockFault::stalls;
  Duration by{};
  friend bool operator==(const ClockFails&, const ClockFails&) = default;
};

/// An operator's command, given as it stands. `lasts`: its expiry, in the agent's time.
struct Commanded {
  std::string agent;
  std::variant<SwitchRequested, SwitchCancelled, AutomationSet, FlagSet, DrainSet,
               IncidentAcknowledged, StepApproved>
      command;
  std::optional<Duration> lasts{};
  friend bool operator==(const Commanded&, const Commanded&) = default;
};

struct PolicyChanges {
  std::string agent;
  std::shared_ptr<const PolicySet> policy;
  friend bool operator==(const PolicyChanges&, const PolicyChanges&) = default;
};

using Change = std::variant<TargetBecomes, Cut, PoolerChanges, ActsEnd, AgentKilled, AgentStarted,
                            ClockFails, Commanded, PolicyChanges>;

std::string_view to_text(Becomes state);
std::string_view to_text(PoolerBecomes state);
std::string_view to_text(ActKind kind);
std::string_view to_text(ActEnds how);
std::string_view to_text(ClockFault how);
/// One line for a person: "primary becomes down".
std::string to_text(const Change& change);

}  // namespace pointsman::sim
