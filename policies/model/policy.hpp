// The PolicySet: what the configuration asks for, as plain values, once it has been found free of
// errors. Immutable after daemon/config made it; the engine, the snapshot and `check` share one.
//
// How a probe talks (URLs, passwords, TLS) is not here but in probes/spec.hpp: the core decides
// about samples, not about sockets.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "policies/model/names.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// What samples add up to: of a probe, a service, a route.
enum class State { unknown, healthy, degraded, unhealthy };

/// observe: decide, journal and report, touch nothing.
enum class Mode { act, observe };

enum class ProbeKind { postgres, redis, http, tcp, pgbouncer, disk, memory, cpu, unit, exec };

/// A limit on how far a standby may be behind: a time, or bytes of WAL.
using Lag = std::variant<Duration, std::uint64_t>;

/// SPEC section 3, the common keys, after defaults were filled in. rise and fall are at least 1;
/// 0 < timeout <= interval; fast_interval and down_interval are at least 10 ms.
struct ProbePolicy {
  ProbeName name;
  ProbeKind kind = ProbeKind::tcp;
  bool enabled = true;
  Duration interval{}, fast_interval{}, down_interval{}, timeout{};
  int rise = 2, fall = 3;
  std::optional<Duration> warn_latency;
  std::optional<Lag> max_lag;
  /// Where a pooler reaches it (the URL's, or `address:`); only kinds that a route can lead to.
  std::optional<Endpoint> endpoint;
  std::map<std::string, std::string> labels;
  /// Changes when anything about the probe does. Equal on reload: state, counters and phase are
  /// kept.
  std::string fingerprint;
  friend bool operator==(const ProbePolicy&, const ProbePolicy&) = default;
};

enum class Scope { node, shared };

/// A member of a service: a probe, another service, or a route.
using Member = std::variant<ProbeName, ServiceName, RouteName>;

struct ServicePolicy {
  ServiceName name;
  std::vector<Member> members;  ///< at least one
  int need = 1;                 ///< healthy or degraded members wanted; `all` is members.size()
  bool critical = true;
  Scope scope = Scope::shared;
  bool scope_inferred = false;  ///< `check` prints what was inferred
  friend bool operator==(const ServicePolicy&, const ServicePolicy&) = default;
};

enum class Require { writable, standby, master, replica, any };
enum class SwitchMode { automatic, on_request };
enum class Balance { none, round_robin };
enum class ViaKind { pgbouncer, haproxy, file };

/// Failback: manual when absent, else after the preferred target has been well for this long.
using Failback = std::optional<Duration>;

/// Hooks of a route, run by the shell (SPEC section 6). The core knows only which there are.
enum class HookKind { fence, demote, undemote, after_promote };

/// `promote:`: this host promotes by itself (DRIVE). Absent: it follows.
struct PromotePolicy {
  std::vector<std::string> when;         ///< ids of rows of the diagnosis table; at least one
  Lag max_lag = std::uint64_t{1} << 20;  ///< of the best candidate, against the primary's last seen
  Duration timeout{std::chrono::seconds{30}};
  bool sole_promoter = false;
  friend bool operator==(const PromotePolicy&, const PromotePolicy&) = default;
};

struct RoutePolicy {
  RouteName name;
  std::vector<ViaKind> via;           ///< one each pooler; the addresses are the shell's business
  std::vector<ProbeName> candidates;  ///< in order of preference; at least one, none twice
  Require require = Require::any;
  SwitchMode switch_mode = SwitchMode::automatic;
  Balance balance = Balance::none;
  Failback failback;
  Duration hold_down{std::chrono::seconds{60}};
  std::optional<Lag> max_lag;
  std::optional<PromotePolicy> promote;
  std::set<HookKind> hooks;  ///< those that are configured
  /// How long a primary that was told to stop by its administrator is waited for.
  Duration restart_grace{std::chrono::seconds{15}};
  std::optional<RouteName> fallback;  ///< balanced routes: where reads go when no candidate fits
  Duration observe_interval{std::chrono::seconds{5}};       ///< how often what is in effect is read
  Duration observe_fast_interval{std::chrono::seconds{1}};  ///< while it is not as desired
  /// Changes when anything about the route does (its poolers included): it is verified anew.
  std::string fingerprint;
  friend bool operator==(const RoutePolicy&, const RoutePolicy&) = default;
};

enum class StepKind {
  reconnect,
  switch_route,
  promote,
  set_flag,
  clear_flag,
  restart_unit,
  reload_unit,
  exec,
  http,
  drain,
  notify,
  backup,
  wait,
  approve
};

/// One step of a ladder. What exec and http need besides (argv, URL) stays with the shell, which
/// finds it by ladder and index.
struct StepPolicy {
  StepKind kind = StepKind::wait;
  RouteName route;   ///< reconnect, switch, promote
  std::string name;  ///< of the flag, unit, notifier or backup; the question of approve; else what
                     ///< the step is called in texts
  std::optional<Duration> hold;  ///< set_flag: `for`; wait: how long; approve: until it expires
  bool until_recovered = false;  ///< set_flag: cleared when the trigger's subject is healthy again
  Duration timeout{std::chrono::seconds{30}};
  int retries = 0;  ///< more tries of a step that failed, at once; never of one that is unknown
  std::optional<Duration> verify_within;  ///< else the ladder's
  friend bool operator==(const StepPolicy&, const StepPolicy&) = default;
};

/// `when:` holds as long as the subject is in `state` (or worse, for degraded). Never unknown.
struct Trigger {
  Member subject;
  State state = State::unhealthy;  ///< degraded or unhealthy
  Duration hold{};
  friend bool operator==(const Trigger&, const Trigger&) = default;
};

struct LadderPolicy {
  LadderName name;
  Trigger when;
  std::vector<StepPolicy> steps;  ///< none: straight to exhausted
  Duration verify_within{std::chrono::seconds{30}};
  Duration retry_after{std::chrono::seconds{30}};
  std::vector<NotifierName> escalate;  ///< told when exhausted
  Duration cooldown{std::chrono::minutes{10}};
  std::optional<int> max_per_hour, max_per_day;
  std::string fingerprint;  ///< changes when anything about it does
  friend bool operator==(const LadderPolicy&, const LadderPolicy&) = default;
};

/// What a notifier is told without being named by a step or `escalate`: incidents of a severity.
struct NotifierPolicy {
  NotifierName name;
  bool on_warning = false, on_critical = false;
  friend bool operator==(const NotifierPolicy&, const NotifierPolicy&) = default;
};

/// Ordered by name, so that every walk over it is the same in the daemon, a replay and a
/// simulation.
struct PolicySet {
  Mode mode = Mode::act;
  std::map<ProbeName, ProbePolicy> probes;
  std::map<ServiceName, ServicePolicy> services;  ///< no cycles
  std::map<RouteName, RoutePolicy> routes;        ///< no cycles through fallback
  std::map<LadderName, LadderPolicy> recovery;
  std::map<NotifierName, NotifierPolicy> notify;
  friend bool operator==(const PolicySet&, const PolicySet&) = default;
};

std::string_view to_text(State state);
std::string_view to_text(Mode mode);
std::string_view to_text(ProbeKind kind);
std::string_view to_text(Scope scope);
std::string_view to_text(Require require);
std::string_view to_text(SwitchMode mode);
std::string_view to_text(Balance balance);
std::string_view to_text(ViaKind kind);
std::string_view to_text(HookKind kind);
std::string_view to_text(StepKind kind);
/// As the YAML writes a member: "disk", "database" or "route:bud".
std::string to_text(const Member& member);

}  // namespace pointsman
