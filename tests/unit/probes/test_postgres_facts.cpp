// What the postgres probe reads from an answer: settings, rights, and where a timeline began.
#include <catch2/catch.hpp>

#include "probes/postgres_facts.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

PgRows row_of(std::vector<std::pair<std::string, std::optional<std::string>>> cells) {
  PgRows rows;
  rows.rows.emplace_back();
  for (auto& [name, value] : cells) {
    rows.columns.push_back(name);
    rows.rows[0].push_back(std::move(value));
  }
  return rows;
}

}  // namespace

TEST_CASE("postgres: settings of time, as SHOW prints them") {
  CHECK(parse_setting_duration("1min") == 60s);
  CHECK(parse_setting_duration("90s") == 90s);
  CHECK(parse_setting_duration("500ms") == 500ms);
  CHECK(parse_setting_duration("20us") == 20us);
  CHECK(parse_setting_duration("5h") == 5h);
  CHECK(parse_setting_duration("2d") == 48h);
  CHECK(parse_setting_duration("0") == 0s);
  CHECK_FALSE(parse_setting_duration(""));
  CHECK_FALSE(parse_setting_duration("min"));
  CHECK_FALSE(parse_setting_duration("-1"));
  CHECK_FALSE(parse_setting_duration("3 fortnights"));
  CHECK_FALSE(parse_setting_duration("99999999999999999999"));
  CHECK(parse_setting_duration("2147483647d") > 0s);  // no overflow
}

TEST_CASE("postgres: constants reach the facts of either role, and may be absent") {
  const auto constants = read_constants(row_of({{"system_id", "76"},
                                                {"max_connections", "100"},
                                                {"wal_receiver_timeout", "5s"},
                                                {"apply_delay", "1h"},
                                                {"may_promote", "f"}}),
                                        "15.20 (Debian)");
  for (const char* standby : {"t", "f"}) {
    const auto facts = read_postgres_facts(row_of({{"standby", standby}}), constants);
    REQUIRE(facts);
    CHECK(facts->wal_receiver_timeout == 5s);
    CHECK(facts->apply_delay == 1h);
    CHECK(facts->may_promote == false);
    CHECK(facts->max_connections == 100);
  }
  // PostgreSQL 11: neither the setting nor the function.
  const auto old =
      read_constants(row_of({{"system_id", "76"}, {"apply_delay", {}}, {"may_promote", {}}}), "11");
  CHECK_FALSE(old.apply_delay);
  CHECK_FALSE(old.may_promote);
  CHECK_FALSE(old.wal_receiver_timeout);
}

TEST_CASE("postgres: only a new session without a byte may mean a frozen server") {
  PgError silent;
  silent.kind = PgError::Kind::cancelled;
  silent.phase = PgPhase::query;
  const auto told = [](Finding finding, bool heard, bool tried_new) {
    tell_frozen_apart(finding, heard, tried_new);
    return finding;
  };
  const auto finding = finding_of_pg_error(silent, "10.0.0.1:5432", 500ms);
  CHECK(finding.reason == Reason::timeout);
  CHECK(told(finding, false, true).reason == Reason::timeout);
  CHECK(told(finding, false, true).message == finding.message);
  CHECK(told(finding, true, true).reason == Reason::query_failed);
  CHECK(told(finding, true, false).reason == Reason::query_failed);
  CHECK(told(finding, false, false).reason == Reason::query_failed);
  CHECK_THAT(told(finding, false, false).message, Catch::EndsWith("a new session is tried next"));
  silent.phase = PgPhase::connect;
  const auto lost = finding_of_pg_error(silent, "10.0.0.1:5432", 500ms);
  CHECK(told(lost, true, true).reason == Reason::connect_timeout);
}

TEST_CASE("postgres: a promoted primary says where its timeline began, another does not") {
  const auto read = [](std::optional<std::string> promoted_at) {
    return read_postgres_facts(row_of({{"standby", "f"},
                                       {"written", "0/5000000"},
                                       {"timeline", "00000002"},
                                       {"promoted_at", std::move(promoted_at)}}),
                               {});
  };
  CHECK(read("0/4000060")->replay_lsn == 0x4000060U);
  CHECK_FALSE(read(std::nullopt)->replay_lsn);
  CHECK(read(std::nullopt)->lsn == 0x5000000U);
}
