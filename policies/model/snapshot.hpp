// The snapshot: all that can be seen of the engine at one instant, as plain immutable values.
//
// HTTP, metrics and the command line print it; none of them reads the engine. Its members mirror
// /v1/status (SPEC section 5). Times are monotonic; whoever prints converts them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"
#include "policies/model/names.hpp"
#include "policies/model/policy.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// Cumulative; a metric's counter and histogram. Bounds of the histogram: duration_bounds.
inline constexpr double duration_bounds_seconds[] = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
inline constexpr int duration_bucket_count = 15;  ///< one more than the bounds: +Inf
struct ProbeCounters {
  std::map<std::pair<Outcome, Reason>, std::uint64_t> samples;
  std::uint64_t duration_buckets[duration_bucket_count] = {};  ///< not cumulative over the bounds
  double duration_sum_seconds = 0;
  friend bool operator==(const ProbeCounters&, const ProbeCounters&) = default;
};

struct ProbeView {
  ProbeKind kind{};
  State state = State::unknown;
  MonoTime since{};              ///< of the state
  std::optional<Sample> sample;  ///< the last one, whatever its outcome
  int streak = 0;                ///< passes in a row positive, fails negative
  bool flapping = false;
  bool stale = false;
  MonoTime next_run{};
  ProbeCounters counters;
};

struct ServiceView {
  State state = State::unknown;
  MonoTime since{};
  bool critical = true;
  Scope scope = Scope::shared;
  std::map<std::string, State> members;  ///< by to_text(Member)
};

/// One gate: allow, or deny with the value that was found, the limit, and until when it holds.
struct Guard {
  std::string_view name;  ///< from a closed list: policies/guards.hpp
  bool allow = true;
  std::string value, limit;
  std::optional<MonoTime> until;
  friend bool operator==(const Guard&, const Guard&) = default;
};

struct ObservedTarget {
  std::optional<ProbeName> target;  ///< absent: none of the candidates
  Endpoint address;
  int servers = 0;  ///< poolers that have it in effect
  friend bool operator==(const ObservedTarget&, const ObservedTarget&) = default;
};

struct SwitchView {
  MonoTime at{};
  std::vector<ProbeName> from, to;
  SwitchCause cause{};
  ActionOutcome outcome{};
  Duration took{};
  std::string message;
};

struct RouteCounters {
  std::map<std::pair<SwitchCause, ActionOutcome>, std::uint64_t> switches;
  std::map<std::string, std::uint64_t> denied;  ///< by guard
  std::uint64_t duration_buckets[duration_bucket_count] = {};
  double duration_sum_seconds = 0;
};

struct RouteView {
  std::vector<ViaKind> via;
  State state = State::unknown;
  MonoTime since{};
  std::vector<ProbeName> targets;  ///< as desired
  std::vector<ObservedTarget> observed;
  bool in_effect = false;  ///< observed equals desired and was verified since
  Verified verified = Verified::no;
  std::uint64_t epoch = 0;
  std::string_view diagnosis;  ///< id of a row: policies/diagnose.hpp
  std::string why;             ///< its sentence, filled in
  std::vector<Guard> guards;
  std::optional<SwitchView> last_switch;
  bool switching = false;     ///< an action is under way
  IncidentId incident{};      ///< the open one; 0: none
  std::string observe_error;  ///< why what is in effect could not be read
  RouteCounters counters;
};

/// What became of an operator's request. The last `kept_requests` are kept.
inline constexpr std::size_t kept_requests = 20;
enum class RequestState { running, done, failed, refused };
struct RequestView {
  RouteName route;
  MonoTime at{};
  RequestState state = RequestState::running;
  std::vector<std::string> lines;  ///< the plan, then what happened, in order
};

/// A ladder as it stands.
struct LadderView {
  std::string phase;  ///< policies/recovery: idle, waiting, step, verify, …
  MonoTime since{};
  bool triggered = false;  ///< its trigger holds now
  int step = 0, steps = 0, attempt = 0;
  std::string step_text;  ///< "switch bud"; empty when idle
  ActionId approval{};    ///< what `approve` and `refuse` take; 0: nothing waits for approval
  IncidentId incident{};
  std::optional<MonoTime> until;  ///< when the phase ends by itself
  std::vector<Guard> guards;
  std::uint64_t runs = 0, skipped = 0;
  std::string last_end;  ///< how the last run ended; empty: none yet
};

struct FlagView {
  MonoTime since{};
  std::string reason, by;
  std::optional<MonoTime> until;
  std::vector<LadderName> until_recovered{};  ///< as in FlagMemory
};

/// The answer to the load balancer.
struct Serving {
  bool ok = false;
  std::string reason;  ///< empty when ok
  friend bool operator==(const Serving&, const Serving&) = default;
};

struct Snapshot {
  MonoTime at{};
  std::uint64_t generation = 0;  ///< grows with every change of the engine
  std::shared_ptr<const PolicySet> policy;
  State overall = State::unknown;
  MonoTime overall_since{};
  Serving serving;
  std::map<ProbeName, ProbeView> probes;
  std::map<ServiceName, ServiceView> services;
  std::map<RouteName, RouteView> routes;
  std::map<LadderName, LadderView> ladders;
  std::map<FlagName, FlagView> flags;       ///< those that are set
  std::optional<AutomationSet> automation;  ///< set while paused
  std::optional<DrainSet> drain;            ///< set while drained
  std::map<RequestId, RequestView> requests;
  /// Open and closed, by id; shared with the engine's book: a snapshot copies no story.
  std::map<IncidentId, std::shared_ptr<const Incident>> incidents;
  int incidents_open = 0;
  /// Cumulative: (action, outcome) of promotions, hooks and steps.
  std::map<std::pair<std::string, ActionOutcome>, std::uint64_t> actions;
  bool distrusted = false;  ///< samples were unreliable; not all probes ran since
};

std::string_view to_text(RequestState state);

}  // namespace pointsman
