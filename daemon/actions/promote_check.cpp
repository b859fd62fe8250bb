#include "daemon/actions/promote_check.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "probes/postgres_facts.hpp"

namespace pointsman {
namespace {

// CASE, because each of these is an error on the wrong kind of server. The control file's timeline
// is a lower bound only: it turns at the next restartpoint.
constexpr std::string_view look_sql =
    "SELECT pg_is_in_recovery() AS standby,"
    " current_setting('default_transaction_read_only') AS read_only,"
    " (SELECT system_identifier FROM pg_control_system()) AS system_id,"
    " CASE WHEN NOT pg_is_in_recovery()"
    " THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline,"
    " CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() END AS written,"
    " (SELECT greatest(timeline_id, (SELECT min_recovery_end_timeline FROM pg_control_recovery()))"
    " FROM pg_control_checkpoint()) AS least_timeline,"
    " (SELECT received_tli FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL)"
    " AS received_timeline,"
    " (SELECT count(*) FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL) AS receivers,"
    " pg_last_wal_receive_lsn() AS received, pg_last_wal_replay_lsn() AS replayed,"
    " CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS paused,"
    " has_function_privilege('pg_catalog.pg_promote(boolean,integer)', 'EXECUTE') AS may_promote,"
    " has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE') AS may_list_wal,"
    " pg_has_role('pg_read_all_stats', 'USAGE') AS may_see_waits,"
    " current_user AS user, current_database() AS database";

constexpr std::string_view timeline_sql =
    "SELECT max(left(name, 8)) AS timeline FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'";

constexpr std::string_view startup_sql =
    "SELECT (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup') AS startup,"
    " (SELECT count(*) FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL) AS receivers";

constexpr std::string_view promoted_sql =
    "SELECT pg_is_in_recovery() AS standby,"
    " current_setting('default_transaction_read_only') AS read_only,"
    " CASE WHEN NOT pg_is_in_recovery()"
    " THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline,"
    " pg_last_wal_replay_lsn() AS replayed";

template <class Number>
Number number(const PgRows& rows, std::string_view column, int base = 10) {
  Number value{};
  if (const auto* text = rows.get(0, column)) {
    std::from_chars(text->data(), text->data() + text->size(), value, base);
  }
  return value;
}

bool is_true(const PgRows& rows, std::string_view column) {
  const auto* text = rows.get(0, column);
  return text != nullptr && (*text == "t" || *text == "on");
}

std::uint64_t lsn(const PgRows& rows, std::string_view column) {
  const auto* text = rows.get(0, column);
  return text != nullptr ? parse_lsn(*text).value_or(0) : 0;
}

std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + "\"";
}

PromoteJudgement refuse(std::string text) {
  return {PromoteVerdict::refuse, std::move(text)};
}

PromoteJudgement judge_writable(const PostgresLook& look, const PromoteServer& order) {
  if (order.timeline == 0 || look.timeline > order.timeline) {
    return {PromoteVerdict::already,
            fmt::format("{} already takes writes, on timeline {}; nothing was asked of it",
                        order.to.probe.text, look.timeline)};
  }
  return refuse(fmt::format(
      "{} is no standby: it takes writes on timeline {}, the one before the promotion. Two servers "
      "may be taking writes; look at both before anything is promoted",
      order.to.probe.text, look.timeline));
}

}  // namespace

std::string_view look_question() {
  return look_sql;
}

std::string_view timeline_question() {
  return timeline_sql;
}

std::string_view startup_question() {
  return startup_sql;
}

std::string_view promoted_question() {
  return promoted_sql;
}

std::optional<PostgresLook> read_look(const PgRows& rows) {
  if (rows.get(0, "standby") == nullptr || rows.get(0, "user") == nullptr) return std::nullopt;
  PostgresLook look;
  look.standby = is_true(rows, "standby");
  look.read_only = is_true(rows, "read_only");
  if (const auto* id = rows.get(0, "system_id")) look.system_id = *id;
  look.written = lsn(rows, "written");
  look.replayed = lsn(rows, "replayed");
  // One that restores from an archive, or was just started, has received less than it replayed.
  look.received = std::max(lsn(rows, "received"), look.replayed);
  look.has_receiver = number<int>(rows, "receivers") > 0;
  look.timeline = look.standby ? number<std::uint32_t>(rows, "received_timeline")
                               : number<std::uint32_t>(rows, "timeline", 16);
  look.least_timeline = number<std::uint32_t>(rows, "least_timeline");
  look.replay_paused = is_true(rows, "paused");
  look.may_promote = is_true(rows, "may_promote");
  look.may_list_wal = is_true(rows, "may_list_wal");
  look.may_see_waits = is_true(rows, "may_see_waits");
  look.user = *rows.get(0, "user");
  if (const auto* database = rows.get(0, "database")) look.database = *database;
  return look;
}

std::uint32_t read_timeline(const PgRows& rows) {
  return number<std::uint32_t>(rows, "timeline", 16);
}

StartupWait read_startup(const PgRows& rows) {
  if (number<int>(rows, "receivers") > 0) return StartupWait::calm;
  const auto* waits_for = rows.get(0, "startup");
  // It sleeps until the next try, and a promotion wakes it.
  if (waits_for != nullptr && *waits_for == "RecoveryRetrieveRetryInterval") {
    return StartupWait::calm;
  }
  return StartupWait::connecting;
}

std::optional<PromotedAnswer> read_promoted(const PgRows& rows) {
  if (rows.get(0, "standby") == nullptr) return std::nullopt;
  PromotedAnswer answer;
  answer.promoted = !is_true(rows, "standby");
  answer.read_only = is_true(rows, "read_only");
  answer.timeline = number<std::uint32_t>(rows, "timeline", 16);
  answer.begins_at = lsn(rows, "replayed");
  return answer;
}

PromoteJudgement judge_before_promotion(const PostgresLook& look, const PromoteServer& order) {
  const std::string& name = order.to.probe.text;
  if (!order.system_id.empty() && look.system_id != order.system_id) {
    return refuse(
        fmt::format("{} belongs to another cluster: its system identifier is {}, not {}. Its URL "
                    "leads to the wrong server",
                    name, look.system_id, order.system_id));
  }
  if (!look.standby) return judge_writable(look, order);
  const bool is_known = look.timeline != 0;
  const auto least = is_known ? look.timeline : look.least_timeline;
  if (order.timeline != 0 &&
      (least > order.timeline || (is_known && look.timeline < order.timeline))) {
    return refuse(fmt::format(
        "{} is on timeline {}, not {}: it does not hold what the old primary wrote last. Rebuild "
        "it (pg_rewind or pg_basebackup), or choose another candidate",
        name, least, order.timeline));
  }
  if (!look.may_promote) {
    return refuse(fmt::format("{}: the role {} may not call pg_promote. {}", name, look.user,
                              grant_text(look.user, look.database)));
  }
  return {PromoteVerdict::go,
          look.replay_paused ? "its replay was paused, which the promotion ends" : ""};
}

bool may_be_under_way(const PostgresLook& look, const PromoteServer& order) {
  return look.standby && order.timeline != 0 && look.timeline > order.timeline;
}

std::string grant_text(const std::string& user, const std::string& database) {
  return fmt::format(
      "Run on the primary, in the database {}: GRANT EXECUTE ON FUNCTION pg_promote(boolean, "
      "integer) TO {}; standbys have it at once",
      database, quoted(user));
}

std::string lsn_text(std::uint64_t position) {
  return fmt::format("{:X}/{:X}", position >> 32, position & 0xFFFFFFFFu);
}

}  // namespace pointsman
