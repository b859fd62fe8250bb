// The words of the enums: one word each, the same in YAML, JSON, logs and metrics.
#include <array>
#include <string>
#include <string_view>

#include "policies/model/effect.hpp"
#include "policies/model/invariant.hpp"
#include "policies/model/snapshot.hpp"

namespace pointsman {
namespace {

template <class Enum, std::size_t n>
std::string_view word(const std::array<std::string_view, n>& words, Enum value) {
  const auto index = static_cast<std::size_t>(value);
  POINTSMAN_INVARIANT(index < n, "an enum holds a value outside its list");
  return words[index];
}

}  // namespace

std::string_view to_text(Outcome outcome) {
  static constexpr std::array<std::string_view, 4> words{"pass", "warn", "fail", "inconclusive"};
  return word(words, outcome);
}

std::string_view to_text(Reason reason) {
  static constexpr std::array<std::string_view, reason_count> words{"ok",
                                                                    "connect_refused",
                                                                    "connect_timeout",
                                                                    "unreachable",
                                                                    "dns_failed",
                                                                    "dns_timeout",
                                                                    "tls_failed",
                                                                    "tls_expired",
                                                                    "cert_expiring",
                                                                    "auth_failed",
                                                                    "protocol_error",
                                                                    "status_mismatch",
                                                                    "body_mismatch",
                                                                    "query_failed",
                                                                    "wrong_role",
                                                                    "lag",
                                                                    "link_down",
                                                                    "starting",
                                                                    "saturated",
                                                                    "stopping",
                                                                    "read_only",
                                                                    "over_threshold",
                                                                    "slow",
                                                                    "timeout",
                                                                    "stuck",
                                                                    "not_active",
                                                                    "paused",
                                                                    "exec_failed",
                                                                    "prober_error",
                                                                    "unreliable"};
  return word(words, reason);
}

std::string_view to_text(PostgresRole role) {
  static constexpr std::array<std::string_view, 3> words{"unknown", "primary", "standby"};
  return word(words, role);
}

std::string_view to_text(RedisRole role) {
  static constexpr std::array<std::string_view, 3> words{"unknown", "master", "replica"};
  return word(words, role);
}

std::string_view to_text(Mode mode) {
  return mode == Mode::act ? "act" : "observe";
}

std::string_view to_text(ProbeKind kind) {
  static constexpr std::array<std::string_view, 10> words{
      "postgres", "redis", "http", "tcp", "pgbouncer", "disk", "memory", "cpu", "unit", "exec"};
  return word(words, kind);
}

std::string_view to_text(Scope scope) {
  return scope == Scope::node ? "node" : "shared";
}

std::string_view to_text(Require require) {
  static constexpr std::array<std::string_view, 5> words{"writable", "standby", "master", "replica",
                                                         "any"};
  return word(words, require);
}

std::string_view to_text(SwitchMode mode) {
  return mode == SwitchMode::automatic ? "automatic" : "on_request";
}

std::string_view to_text(Balance balance) {
  return balance == Balance::none ? "none" : "round_robin";
}

std::string_view to_text(ViaKind kind) {
  static constexpr std::array<std::string_view, 3> words{"pgbouncer", "haproxy", "file"};
  return word(words, kind);
}

std::string_view to_text(HookKind kind) {
  static constexpr std::array<std::string_view, 4> words{"fence", "demote", "undemote",
                                                         "after_promote"};
  return word(words, kind);
}

std::string_view to_text(StepKind kind) {
  static constexpr std::array<std::string_view, 14> words{
      "reconnect", "switch", "promote", "set_flag", "clear_flag", "restart_unit", "reload_unit",
      "exec",      "http",   "drain",   "notify",   "backup",     "wait",         "approve"};
  return word(words, kind);
}

std::string_view to_text(ServerKind kind) {
  return kind == ServerKind::postgres ? "postgres" : "redis";
}

std::string_view to_text(Mark mark) {
  static constexpr std::array<std::string_view, mark_count> words{
      "last_good", "first_failure", "unhealthy", "diagnosed", "claimed",
      "chosen",    "promoted",      "in_effect", "old_gone",  "verified"};
  return word(words, mark);
}

std::string_view describe(Mark mark) {
  static constexpr std::array<std::string_view, mark_count> words{"last good sample",
                                                                  "first failure",
                                                                  "unhealthy",
                                                                  "diagnosed",
                                                                  "claimed",
                                                                  "candidate chosen",
                                                                  "promoted",
                                                                  "route in effect",
                                                                  "old connections gone",
                                                                  "verified through the pooler"};
  return word(words, mark);
}

std::string_view to_text(IncidentState state) {
  return state == IncidentState::open ? "open" : "closed";
}

std::string_view to_text(Severity severity) {
  return severity == Severity::warning ? "warning" : "critical";
}

std::string_view to_text(AlertState state) {
  return state == AlertState::firing ? "firing" : "resolved";
}

std::string_view to_text(RequestState state) {
  static constexpr std::array<std::string_view, 4> words{"running", "done", "failed", "refused"};
  return word(words, state);
}

std::optional<Duration> Incident::rto() const {
  const auto verified = mark(Mark::verified);
  const auto good = mark(Mark::last_good);
  if (!verified || !good) return std::nullopt;
  return *verified - *good;
}

std::string_view to_text(SessionEnd how) {
  static constexpr std::array<std::string_view, 3> words{"lost", "administrator", "crashed"};
  return word(words, how);
}

std::string_view to_text(FileState state) {
  static constexpr std::array<std::string_view, 4> words{"as_wanted", "differs", "missing",
                                                         "unknown"};
  return word(words, state);
}

std::string_view to_text(ActionOutcome outcome) {
  static constexpr std::array<std::string_view, 3> words{"ok", "failed", "unknown"};
  return word(words, outcome);
}

std::string_view to_text(Verified verified) {
  static constexpr std::array<std::string_view, 3> words{"no", "servers", "query"};
  return word(words, verified);
}

std::string_view to_text(SwitchCause cause) {
  static constexpr std::array<std::string_view, 11> words{
      "follow", "target_lost", "wrong_role", "failback", "balance", "fallback",
      "drift",  "adopt",       "verify",     "request",  "recovery"};
  return word(words, cause);
}

std::string_view to_text(OldTargets old_targets) {
  return old_targets == OldTargets::dead ? "dead" : "alive";
}

std::string_view to_text(RecordKind kind) {
  static constexpr std::array<std::string_view, 13> words{
      "probe_state", "service_state", "overall_state", "serving", "diagnosis", "decision", "denied",
      "outcome",     "route",         "distrust",      "ladder",  "operation", "policy"};
  return word(words, kind);
}

std::string_view to_text(State state) {
  static constexpr std::array<std::string_view, 4> words{"unknown", "healthy", "degraded",
                                                         "unhealthy"};
  return word(words, state);
}

std::string to_text(const Endpoint& endpoint) {
  const bool bracket = endpoint.host.find(':') != std::string::npos;
  return (bracket ? "[" + endpoint.host + "]" : endpoint.host) + ":" +
         std::to_string(endpoint.port);
}

std::string to_text(const Member& member) {
  struct {
    std::string operator()(const ProbeName& name) const { return name.text; }
    std::string operator()(const ServiceName& name) const { return name.text; }
    std::string operator()(const RouteName& name) const { return "route:" + name.text; }
  } visitor;
  return std::visit(visitor, member);
}

}  // namespace pointsman
