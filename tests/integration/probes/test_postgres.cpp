// The postgres probe against real servers: what it says of a primary, a standby, a promoted and a
// crashed one, of settings and rights, and how a kept session is renewed.
#include <signal.h>

#include <catch2/catch.hpp>

#include "probes/postgres.hpp"
#include "tests/integration/probes/data_loop.hpp"

namespace pointsman::test {
namespace {

struct Client : DataLoop {
  PostgresSpec spec;
  std::unique_ptr<Prober> prober;
  std::vector<SessionEnd> ends;

  explicit Client(const PostgresServer& server, std::string_view user = "plain") {
    spec.conninfo = Secret(server.conninfo(user));
  }
  Finding once(Duration timeout = 5s) {
    return run(*std::make_unique<PostgresProber>(spec, services()), timeout);
  }
  Finding again(Duration timeout = 5s) {
    if (!prober) {
      prober = std::make_unique<PostgresProber>(spec, services());
      prober->on_session_end([this](SessionEnd how) { ends.push_back(how); });
    }
    return run(*prober, timeout);
  }
};

const PostgresFacts& facts_of(const Finding& finding) {
  return std::get<PostgresFacts>(finding.facts);
}

/// The position at which the history file of a timeline says that it began.
std::uint64_t began_at(const PostgresServer& server, int timeline) {
  const auto history =
      server.sql("SELECT pg_read_file('pg_wal/0000000" + std::to_string(timeline) + ".history')");
  const auto tab = history.rfind('\t', history.rfind('\t') - 1);
  return *parse_lsn(history.substr(tab + 1, history.find('\t', tab + 1) - tab - 1));
}

TEST_CASE("postgres: settings and rights, of either role", "[postgres]") {
  PostgresServer primary("wal_receiver_timeout = 7s");
  PostgresServer standby(primary, "wal_receiver_timeout = '1min'\nrecovery_min_apply_delay = '2h'");
  Client of_primary(primary), of_standby(standby), of_superuser(standby, "postgres");

  auto facts = facts_of(of_primary.once());
  CHECK(facts.role == PostgresRole::primary);
  CHECK(facts.wal_receiver_timeout == 7s);
  CHECK(facts.apply_delay == 0s);
  CHECK(facts.may_promote == false);
  CHECK_FALSE(facts.replay_lsn);

  facts = facts_of(of_standby.once());
  CHECK(facts.role == PostgresRole::standby);
  CHECK(facts.wal_receiver_timeout == 1min);
  CHECK(facts.apply_delay == 2h);
  CHECK(facts.may_promote == false);
  CHECK(facts.system_id == facts_of(of_primary.once()).system_id);
  CHECK(facts_of(of_superuser.once()).may_promote == true);

  primary.sql("GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO plain");
  CHECK(facts_of(of_primary.once()).may_promote == true);
}

TEST_CASE("postgres: settings and rights that change are seen by the next session", "[postgres]") {
  PostgresServer server;
  Client client(server);
  CHECK(facts_of(client.again()).wal_receiver_timeout == 1min);
  server.set("wal_receiver_timeout = 9s\n");
  server.reload();
  wait_for("the setting is in force",
           [&] { return server.sql("SHOW wal_receiver_timeout") == "9s\n"; });
  CHECK(facts_of(client.once()).wal_receiver_timeout == 9s);
  CHECK(facts_of(client.again()).wal_receiver_timeout == 1min);  // within the minute
  client.prober->close();
  CHECK(facts_of(client.again()).wal_receiver_timeout == 9s);
}

TEST_CASE("postgres: a promoted server says where its timeline began", "[postgres]") {
  PostgresServer primary;
  PostgresServer standby(primary, "");
  Client client(standby), fresh(standby);
  primary.sql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
  auto facts = facts_of(client.again());
  CHECK(facts.role == PostgresRole::standby);
  CHECK(facts.replay_lsn);
  standby.promote();
  standby.sql("INSERT INTO t SELECT generate_series(1, 1000)");

  const auto began = began_at(standby, 2);
  facts = facts_of(client.again());  // the session from before
  CHECK(facts.role == PostgresRole::primary);
  CHECK(facts.timeline == 2U);
  CHECK(facts.replay_lsn == began);
  CHECK(*facts.lsn > began);
  CHECK(facts_of(client.again()).replay_lsn == began);
  CHECK(facts_of(fresh.once()).replay_lsn == began);

  SECTION("after a clean restart it is not known any more") {
    standby.stop("fast");
    standby.start();
    facts = facts_of(fresh.once());
    CHECK(facts.timeline == 2U);
    CHECK_FALSE(facts.replay_lsn);
  }
  SECTION("what was replayed after a crash is not where a timeline began") {
    standby.sql("INSERT INTO t SELECT generate_series(1, 1000)");
    standby.process().kill_all();
    standby.start();
    REQUIRE(standby.sql("SELECT pg_last_wal_replay_lsn() IS NOT NULL") == "t\n");
    facts = facts_of(fresh.once());
    CHECK(facts.timeline == 2U);
    CHECK_FALSE(facts.replay_lsn);
  }
}

TEST_CASE("postgres: a standby without a receiver that was promoted says so too", "[postgres]") {
  PostgresServer primary;
  PostgresServer standby(primary, "");
  primary.sql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
  const auto written = primary.sql("SELECT pg_current_wal_lsn()");
  wait_for("it has replayed all", [&] {
    return standby.sql("SELECT pg_last_wal_replay_lsn() >= '" +
                       written.substr(0, written.size() - 1) + "'") == "t\n";
  });
  primary.process().kill_all();
  // It starts with what it has, and never receives anything in this life.
  standby.stop("fast");
  standby.start();
  standby.promote();
  Client client(standby);
  const auto facts = facts_of(client.once());
  CHECK(facts.role == PostgresRole::primary);
  // Known where something was replayed since the start, absent else; never wrong.
  if (facts.replay_lsn) CHECK(*facts.replay_lsn == began_at(standby, 2));
}

TEST_CASE("postgres: frozen is a server that gives no new session a byte", "[postgres]") {
  PostgresServer server;
  Client client(server);
  REQUIRE(client.again().outcome == Outcome::pass);
  server.process().freeze();
  auto finding = client.again(500ms);  // the kept session
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::query_failed);
  CHECK_THAT(finding.message, Catch::EndsWith("a new session is tried next"));
  for (int n = 0; n < 2; ++n) CHECK(client.again(500ms).reason == Reason::timeout);
  server.process().thaw();
  CHECK(client.again().outcome == Outcome::pass);
}

TEST_CASE("postgres: a configured query without an end leaves the facts", "[postgres]") {
  PostgresServer server;
  Client client(server);
  client.spec.query = "SELECT pg_sleep(60)";
  const auto finding = client.again(2s);
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::query_failed);
  CHECK_THAT(finding.message, Catch::StartsWith("the configured query: "));
  CHECK(facts_of(finding).role == PostgresRole::primary);
}

TEST_CASE("postgres: a stop that is read within a run is told too", "[postgres]") {
  PostgresServer server;
  Client client(server);
  client.spec.query = "SELECT pg_sleep(60) WHERE EXISTS (SELECT FROM wait)";
  server.sql("CREATE TABLE wait (); GRANT SELECT ON wait TO plain");
  REQUIRE(client.again().outcome == Outcome::pass);
  SECTION("while the server answers") {
    server.sql("INSERT INTO wait DEFAULT VALUES");
    asio::steady_timer soon(client.executor(), 500ms);
    soon.async_wait([&](const error_code&) { server.process().send(SIGINT); });
    CHECK(client.again(20s).reason == Reason::stopping);
  }
  SECTION("before the run has asked") {
    server.stop("fast");
    CHECK(client.again().outcome == Outcome::fail);
  }
  CHECK(client.ends == std::vector{SessionEnd::administrator});
}

TEST_CASE("postgres: a role without rights on anything gets its facts all the same", "[postgres]") {
  PostgresServer server;
  server.sql("REVOKE ALL ON FUNCTION pg_control_system() FROM PUBLIC");
  Client client(server);
  const auto finding = client.once();
  CHECK(finding.outcome == Outcome::pass);
  CHECK(facts_of(finding).role == PostgresRole::primary);
}

}  // namespace
}  // namespace pointsman::test
