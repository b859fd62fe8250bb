#include "probes/postgres_facts.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "probes/dial.hpp"

namespace pointsman {
namespace {

// CASE keeps a function from being called where it would be an error. The timeline is that of the
// next WAL file: the control file names it only after the checkpoint that ends recovery. A primary
// that was promoted since its start still says how far it had replayed: where its timeline begins.
// One that only recovered from a crash says so too, but has neither received nor replayed as a
// standby does.
#define POINTSMAN_COMMON_COLUMNS                                                       \
  "SELECT pg_is_in_recovery() AS standby,"                                             \
  " CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END AS written," \
  " CASE WHEN pg_is_in_recovery() THEN NULL"                                           \
  " ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline,"              \
  " current_setting('transaction_read_only') AS read_only,"                            \
  " (SELECT sum(pg_stat_get_db_numbackends(oid)) FROM pg_database) AS connections,"    \
  " CASE WHEN pg_is_in_recovery() OR (pg_last_wal_receive_lsn() IS NULL"               \
  " AND pg_last_xact_replay_timestamp() IS NULL) THEN NULL"                            \
  " ELSE pg_last_wal_replay_lsn() END AS promoted_at"

constexpr std::string_view primary_question = POINTSMAN_COMMON_COLUMNS;
constexpr std::string_view full_question = POINTSMAN_COMMON_COLUMNS
    ", pg_last_wal_receive_lsn() AS received, pg_last_wal_replay_lsn() AS replayed,"
    " date_part('epoch', clock_timestamp() - pg_last_xact_replay_timestamp()) AS replay_age,"
    " (SELECT concat_ws('|', coalesce(status, ''), coalesce(received_tli, 0),"
    " date_part('epoch', clock_timestamp() - last_msg_receipt_time))"
    " FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL) AS receiver";
#undef POINTSMAN_COMMON_COLUMNS

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> parse_seconds(std::string_view text) {
  double number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) {
    return std::nullopt;
  }
  return number;
}

/// Clocks of two hosts differ: a negative age is none.
Duration to_duration(double seconds) {
  constexpr double most = 1e9;  // 31 years: stays within 64 bits of nanoseconds
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::clamp(seconds, 0.0, most)));
}

std::optional<std::uint64_t> get_lsn(const PgRows& rows, std::string_view column) {
  const auto* text = rows.get(0, column);
  return text != nullptr ? parse_lsn(*text) : std::nullopt;
}

/// "streaming|1|0.52"; the status is empty and the timeline 0 for a role without pg_monitor.
void read_receiver(std::string_view text, PostgresFacts& facts) {
  const auto first = text.find('|');
  if (first == std::string_view::npos) return;
  const auto status = text.substr(0, first);
  facts.receiving = status.empty() || status == "streaming";
  const auto rest = text.substr(first + 1);
  const auto second = rest.find('|');
  const auto timeline = parse_number<std::uint32_t>(rest.substr(0, second));
  if (timeline && *timeline != 0) facts.timeline = timeline;
  if (second == std::string_view::npos) return;
  if (const auto age = parse_seconds(rest.substr(second + 1))) {
    facts.receiver_silent = to_duration(*age);
  }
}

void read_standby(const PgRows& rows, PostgresFacts& facts) {
  const auto received = get_lsn(rows, "received");
  facts.replay_lsn = get_lsn(rows, "replayed");
  // One that restores from an archive, or has just been started, has received less than it
  // replayed.
  facts.lsn = received ? std::max(*received, facts.replay_lsn.value_or(0)) : facts.replay_lsn;
  if (facts.lsn && facts.replay_lsn) {
    facts.lag_bytes = static_cast<std::int64_t>(*facts.lsn - *facts.replay_lsn);
  }
  facts.receiving = false;
  if (const auto* receiver = rows.get(0, "receiver")) read_receiver(*receiver, facts);
  if (facts.receiving == true && facts.lag_bytes == 0) {
    facts.lag_seconds = Duration{};
  } else if (const auto* age = rows.get(0, "replay_age")) {
    if (const auto seconds = parse_seconds(*age)) facts.lag_seconds = to_duration(*seconds);
  }
}

/// Why the lag is too much; empty where it is not.
std::string lag_complaint(const Lag& max_lag, const PostgresFacts& facts) {
  if (const auto* limit = std::get_if<Duration>(&max_lag)) {
    if (!facts.lag_seconds) return "how far it is behind is not known: it has replayed nothing yet";
    if (*facts.lag_seconds <= *limit) return {};
    return fmt::format("{} behind, more than {}{}", duration_text(*facts.lag_seconds),
                       duration_text(*limit),
                       facts.receiving == true ? "" : "; it receives no WAL");
  }
  const auto limit = std::get<std::uint64_t>(max_lag);
  if (facts.receiving != true) return "it receives no WAL, so how far it is behind is not known";
  if (!facts.lag_bytes) return "how far it is behind is not known";
  if (static_cast<std::uint64_t>(*facts.lag_bytes) <= limit) return {};
  return fmt::format("{} bytes behind, more than {}", *facts.lag_bytes, limit);
}

std::string describe(const PostgresFacts& facts) {
  auto text = std::string(to_text(facts.role));
  if (facts.timeline) text += fmt::format(" on timeline {}", *facts.timeline);
  if (facts.lag_seconds) text += fmt::format(", {} behind", duration_text(*facts.lag_seconds));
  if (facts.receiving == false) text += ", receives no WAL";
  if (facts.connections && facts.max_connections) {
    text += fmt::format(", {} of {} connections", *facts.connections, *facts.max_connections);
  }
  return text;
}

std::string timeout_text(PgPhase phase, const std::string& peer, Duration waited) {
  const auto within = duration_text(waited);
  switch (phase) {
    case PgPhase::resolve:
      return fmt::format("no answer for the name within {}", within);
    case PgPhase::connect:
      return fmt::format("{} did not accept a connection within {}", peer, within);
    case PgPhase::login:
      return fmt::format("connected to {}, but it did not answer the login within {}", peer,
                         within);
    case PgPhase::query:
      return fmt::format("connected to {}, but it did not answer within {}", peer, within);
  }
  return {};
}

Reason timeout_reason(PgPhase phase) {
  if (phase == PgPhase::resolve) return Reason::dns_timeout;
  return phase == PgPhase::connect ? Reason::connect_timeout : Reason::timeout;
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Reason reason_of(const PgError& error) {
  using Kind = PgError::Kind;
  switch (error.kind) {
    case Kind::cancelled:
      return timeout_reason(error.phase);
    case Kind::refused:
      return Reason::connect_refused;
    case Kind::unreachable:
      return Reason::unreachable;
    case Kind::dns:
      return Reason::dns_failed;
    case Kind::tls:
      return has(error.message, "certificate has expired") ? Reason::tls_expired
                                                           : Reason::tls_failed;
    case Kind::auth:
      return Reason::auth_failed;
    case Kind::server:
      return reason_of_sqlstate(error);
    case Kind::closed:
    case Kind::protocol:
      return Reason::protocol_error;
    case Kind::none:
    case Kind::ours:
      break;
  }
  return Reason::prober_error;
}

}  // namespace

std::string_view postgres_question(PostgresRole last_role) {
  return last_role == PostgresRole::primary ? primary_question : full_question;
}

std::string_view postgres_constants_question() {
  // PostgreSQL 11 has neither the setting nor the function: both are then NULL, not an error.
  return "SELECT (SELECT system_identifier FROM pg_control_system()) AS system_id,"
         " current_setting('max_connections') AS max_connections,"
         " current_setting('wal_receiver_timeout') AS wal_receiver_timeout,"
         " current_setting('recovery_min_apply_delay', true) AS apply_delay,"
         " has_function_privilege(current_user,"
         " to_regprocedure('pg_catalog.pg_promote(boolean,integer)'), 'execute') AS may_promote";
}

std::optional<Duration> parse_setting_duration(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
  constexpr std::int64_t most = std::int64_t{1} << 31;  // as PostgreSQL's settings
  if (ec != std::errc{} || count < 0 || count > most) return std::nullopt;
  const auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit == "us") return std::chrono::microseconds{count};
  if (unit == "ms" || unit.empty()) return std::chrono::milliseconds{count};
  if (unit == "s") return std::chrono::seconds{count};
  if (unit == "min") return std::chrono::minutes{std::min<std::int64_t>(count, 1 << 24)};
  if (unit == "h") return std::chrono::hours{std::min<std::int64_t>(count, 1 << 20)};
  if (unit == "d") return std::chrono::hours{24} * std::min<std::int64_t>(count, 1 << 15);
  return std::nullopt;
}

PostgresConstants read_constants(const PgRows& rows, std::string_view server_version) {
  PostgresConstants constants;
  if (const auto* id = rows.get(0, "system_id")) constants.system_id = *id;
  if (const auto* limit = rows.get(0, "max_connections")) {
    constants.max_connections = parse_number<std::int64_t>(*limit);
  }
  if (const auto* timeout = rows.get(0, "wal_receiver_timeout")) {
    constants.wal_receiver_timeout = parse_setting_duration(*timeout);
  }
  if (const auto* delay = rows.get(0, "apply_delay")) {
    constants.apply_delay = parse_setting_duration(*delay);
  }
  if (const auto* may = rows.get(0, "may_promote")) constants.may_promote = *may == "t";
  constants.version = server_version.substr(0, server_version.find(' '));
  return constants;
}

std::optional<std::uint64_t> parse_lsn(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto high = parse_number<std::uint32_t>(text.substr(0, slash), 16);
  const auto low = parse_number<std::uint32_t>(text.substr(slash + 1), 16);
  if (!high || !low) return std::nullopt;
  return (std::uint64_t{*high} << 32) | *low;
}

std::optional<PostgresFacts> read_postgres_facts(const PgRows& rows,
                                                 const PostgresConstants& constants) {
  const auto* standby = rows.get(0, "standby");
  if (standby == nullptr || (*standby != "t" && *standby != "f")) return std::nullopt;
  PostgresFacts facts;
  facts.system_id = constants.system_id;
  facts.version = constants.version;
  facts.max_connections = constants.max_connections;
  facts.wal_receiver_timeout = constants.wal_receiver_timeout;
  facts.apply_delay = constants.apply_delay;
  facts.may_promote = constants.may_promote;
  if (const auto* used = rows.get(0, "connections")) {
    facts.connections = parse_number<std::int64_t>(*used);
  }
  if (*standby == "t") {
    facts.role = PostgresRole::standby;
    read_standby(rows, facts);
    return facts;
  }
  facts.role = PostgresRole::primary;
  facts.lsn = get_lsn(rows, "written");
  facts.replay_lsn = get_lsn(rows, "promoted_at");
  if (const auto* timeline = rows.get(0, "timeline")) {
    facts.timeline = parse_number<std::uint32_t>(*timeline, 16);
  }
  const auto* read_only = rows.get(0, "read_only");
  facts.read_only = read_only != nullptr && *read_only == "on";
  return facts;
}

void bound_lag(PostgresFacts& facts, MonoTime now, std::optional<MonoTime>& caught_up_at) {
  if (facts.role != PostgresRole::standby) {
    caught_up_at.reset();
  } else if (facts.receiving == true && facts.lag_bytes == 0) {
    caught_up_at = now;
  } else if (caught_up_at && facts.lag_seconds) {
    facts.lag_seconds = std::min(*facts.lag_seconds, now - *caught_up_at);
  }
}

Finding judge_postgres(const PostgresSpec& spec, const PostgresFacts& facts) {
  const bool is_standby = facts.role == PostgresRole::standby;
  if (spec.expect == PostgresExpect::writable && is_standby) {
    return Finding{Outcome::fail, Reason::wrong_role, "is a standby, expected to be writable",
                   facts};
  }
  if (spec.expect == PostgresExpect::standby && !is_standby) {
    return Finding{Outcome::fail, Reason::wrong_role, "is a primary, expected to be a standby",
                   facts};
  }
  if (spec.expect == PostgresExpect::writable && facts.read_only) {
    return Finding{Outcome::fail, Reason::read_only,
                   "is a primary, but its transactions default to read only", facts};
  }
  if (spec.max_lag && is_standby) {
    auto complaint = lag_complaint(*spec.max_lag, facts);
    if (!complaint.empty()) {
      return Finding{Outcome::fail, Reason::lag, std::move(complaint), facts};
    }
  }
  return Finding{Outcome::pass, Reason::ok, describe(facts), facts};
}

Reason reason_of_sqlstate(const PgError& error) {
  const std::string_view code = error.sqlstate;
  const bool is_login = error.phase != PgPhase::query;
  if (code.starts_with("28")) return Reason::auth_failed;
  if (code == "42501" && is_login) return Reason::auth_failed;
  if (code == "53300") return Reason::saturated;
  // A server that shuts down refuses with the same code as one that starts; only its words, in its
  // own language, tell them apart.
  if (code == "57P03") {
    return has(error.message, "shutting down") ? Reason::stopping : Reason::starting;
  }
  if (code == "57P01") {
    const bool is_orphan =
        error.source_function == "secure_read" || error.source_function == "secure_write";
    return is_orphan ? Reason::protocol_error : Reason::stopping;
  }
  if (code == "57P02") return Reason::starting;  // a backend crashed: it restarts itself
  if (code == "25006") return Reason::read_only;
  if (code == "08P01") {
    // A pooler in between: 1.18 has no code of its own for its limit.
    return has(error.message, "no more connections allowed") ? Reason::saturated
                                                             : Reason::protocol_error;
  }
  return Reason::query_failed;
}

Finding finding_of_pg_error(const PgError& error, const std::string& peer, Duration waited) {
  Finding finding;
  finding.reason = reason_of(error);
  finding.outcome = finding.reason == Reason::prober_error ? Outcome::inconclusive : Outcome::fail;
  finding.message = error.kind == PgError::Kind::cancelled ? timeout_text(error.phase, peer, waited)
                                                           : error.message;
  return finding;
}

void tell_frozen_apart(Finding& finding, bool heard, bool tried_new) {
  if (finding.reason != Reason::timeout || (tried_new && !heard)) return;
  finding.reason = Reason::query_failed;
  if (!heard) finding.message += "; a new session is tried next";
}

}  // namespace pointsman
