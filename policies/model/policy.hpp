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
  std::optional<RouteName> fallback;  ///< balanced routes: where reads go when no candidate fits
  Duration observe_interval{std::chrono::seconds{5}};       ///< how often what is in effect is read
  Duration observe_fast_interval{std::chrono::seconds{1}};  ///< while it is not as desired
  /// Changes when anything about the route does (its poolers included): it is verified anew.
  std::string fingerprint;
  friend bool operator==(const RoutePolicy&, const RoutePolicy&) = default;
};

/// Ordered by name, so that every walk over it is the same in the daemon, a replay and a
/// simulation.
struct PolicySet {
  Mode mode = Mode::act;
  std::map<ProbeName, ProbePolicy> probes;
  std::map<ServiceName, ServicePolicy> services;  ///< no cycles
  std::map<RouteName, RoutePolicy> routes;        ///< no cycles through fallback
  friend bool operator==(const PolicySet&, const PolicySet&) = default;
};

std::string_view to_text(Mode mode);
std::string_view to_text(ProbeKind kind);
std::string_view to_text(Scope scope);
std::string_view to_text(Require require);
std::string_view to_text(SwitchMode mode);
std::string_view to_text(Balance balance);
std::string_view to_text(ViaKind kind);
/// As the YAML writes a member: "disk", "database" or "route:bud".
std::string to_text(const Member& member);

}  // namespace pointsman
