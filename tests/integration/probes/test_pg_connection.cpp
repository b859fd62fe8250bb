// PgConnection against real servers: login errors, watching a session through each way of its end.
#include <signal.h>

#include <catch2/catch.hpp>

#include "probes/pg_connection.hpp"
#include "tests/integration/probes/data_loop.hpp"

namespace pointsman::test {
namespace {

struct Client : DataLoop {
  PgConnection connection{executor(), resolver()};

  PgError connect(const std::string& conninfo, Duration timeout = 5s) {
    PgTarget target;
    target.conninfo = Secret(conninfo);
    target.deadline = mono_now() + timeout;
    const MonoTime deadline = *target.deadline;
    return run_until(connection.async_connect(std::move(target)), deadline);
  }
  PgAnswer query(const std::string& sql, Duration timeout = 5s) {
    return run_until(connection.async_query(sql), mono_now() + timeout);
  }
  std::optional<SessionEnd> end;
  void watch() {
    end.reset();
    connection.watch([this](SessionEnd how) { end = how; });
  }
  bool saw_end() {
    return run_while_not([this] { return end.has_value(); });
  }
};

TEST_CASE("login errors have their SQLSTATE and phase", "[pg_connection]") {
  PostgresServer server;
  Client client;

  CHECK_FALSE(client.connect(server.conninfo()));
  CHECK(client.connection.server_version() >= 150000);
  CHECK(client.connection.peer_address() == "127.0.0.1:" + std::to_string(server.port()));
  CHECK(client.connection.parameter("in_hot_standby") == "off");

  auto error = client.connect(server.conninfo("password", "password=wrong"));
  CHECK(error.kind == PgError::Kind::server);
  CHECK(error.phase == PgPhase::login);
  CHECK(error.sqlstate == "28P01");
  CHECK(error.source_function == "auth_failed");
  CHECK(error.message == "password authentication failed for user \"password\"");
  CHECK_FALSE(client.connection.is_open());

  error = client.connect(server.conninfo("password"));
  CHECK(error.kind == PgError::Kind::auth);

  CHECK_FALSE(client.connect(server.conninfo("password", "password=secret")));
  CHECK(client.connect(server.conninfo("plain", "dbname=none")).sqlstate == "3D000");
  CHECK(client.connect(server.conninfo("plain", "sslmode=require")).kind == PgError::Kind::tls);

  error = client.connect("host=127.0.0.1 user=plain port=" + std::to_string(free_port()));
  CHECK(error.kind == PgError::Kind::refused);
  CHECK(error.phase == PgPhase::connect);
  CHECK(client.connect("host=" + server.socket_folder() + " user=plain port=1").kind ==
        PgError::Kind::unreachable);
  CHECK(client.connect("host=no-such-host.invalid user=plain").kind == PgError::Kind::dns);
  CHECK(client.connect("hots=x").kind == PgError::Kind::ours);
}

TEST_CASE("hosts of a list are tried in turn, and unix sockets work", "[pg_connection]") {
  PostgresServer server;
  Client client;
  const auto dead = std::to_string(free_port()), alive = std::to_string(server.port());
  CHECK_FALSE(client.connect("host=127.0.0.1,localhost port=" + dead + "," + alive +
                             " user=plain dbname=postgres"));
  CHECK(client.connection.peer_address() == "127.0.0.1:" + alive);
  CHECK_FALSE(client.connect("postgresql://plain@localhost:" + alive + "/postgres"));
  CHECK_FALSE(client.connect("host=" + server.socket_folder() + " port=" + alive +
                             " user=plain dbname=postgres"));
  const auto refused = client.connect("host=127.0.0.1,localhost user=plain port=" + dead);
  CHECK(refused.kind == PgError::Kind::refused);
}

TEST_CASE("queries: the last result, the first error, limits", "[pg_connection]") {
  PostgresServer server;
  Client client;
  REQUIRE_FALSE(client.connect(server.conninfo()));

  auto answer = client.query("SELECT 1 AS a; SELECT 'x' AS b, NULL AS c UNION ALL SELECT 'y', 'z'");
  CHECK_FALSE(answer.error);
  REQUIRE(answer.rows.rows.size() == 2);
  CHECK(*answer.rows.get(0, "b") == "x");
  CHECK(answer.rows.get(0, "c") == nullptr);
  CHECK(*answer.rows.get(1, "c") == "z");
  CHECK(answer.rows.get(0, "a") == nullptr);
  CHECK(answer.rows.get(2, "b") == nullptr);
  CHECK(answer.rows.command_tag == "SELECT 2");

  answer = client.query("SELECT 1 WHERE false");
  CHECK_FALSE(answer.error);
  CHECK(answer.rows.rows.empty());
  CHECK(answer.rows.columns.size() == 1);

  answer = client.query("SELECT 1/0");
  CHECK(answer.error.sqlstate == "22012");
  CHECK(client.connection.is_open());
  CHECK(client.query("CREATE TEMPORARY TABLE t (a int)").rows.command_tag == "CREATE TABLE");
  CHECK_FALSE(client.query("").error);

  // What would leave the session unusable, or in a transaction, closes it.
  CHECK(client.query("COPY t FROM STDIN").error.kind == PgError::Kind::protocol);
  CHECK_FALSE(client.connection.is_open());
  CHECK(client.query("SELECT 1").error.kind == PgError::Kind::closed);
  REQUIRE_FALSE(client.connect(server.conninfo()));
  CHECK_FALSE(client.query("BEGIN").error);
  CHECK_FALSE(client.connection.is_open());
  REQUIRE_FALSE(client.connect(server.conninfo()));
  CHECK(client.query("SELECT generate_series(1, 20000)").error.kind == PgError::Kind::protocol);

  REQUIRE_FALSE(client.connect(server.conninfo()));
  const auto started = mono_now();
  answer = client.query("SELECT pg_sleep(60)", 100ms);
  CHECK(answer.error.kind == PgError::Kind::cancelled);
  CHECK(answer.error.phase == PgPhase::query);
  CHECK(mono_now() - started < 2s);
  CHECK_FALSE(client.connection.is_open());
}

TEST_CASE("a watched session tells how it ended", "[pg_connection]") {
  PostgresServer server;
  Client client;
  REQUIRE_FALSE(client.connect(server.conninfo()));
  client.watch();
  // A backend that has not yet come back from sending an answer may be stopped without a word.
  wait_for("the session is idle", [&] {
    return server.sql("SELECT wait_event FROM pg_stat_activity WHERE usename = 'plain'") ==
           "ClientRead\n";
  });

  SECTION("the administrator stops the server, fast") {
    server.process().send(SIGINT);
    REQUIRE(client.saw_end());
    CHECK(*client.end == SessionEnd::administrator);
  }
  SECTION("immediately") {
    server.process().send(SIGQUIT);
    REQUIRE(client.saw_end());
    CHECK(*client.end == SessionEnd::administrator);
  }
  SECTION("the postmaster alone is killed: the orphan says 57P01 too") {
    server.process().stop(SIGKILL);
    REQUIRE(client.saw_end());
    CHECK(*client.end == SessionEnd::lost);
  }
  SECTION("everything is killed") {
    server.process().kill_all();
    REQUIRE(client.saw_end());
    CHECK(*client.end == SessionEnd::lost);
  }
  SECTION("another backend crashes") {
    Client other;
    REQUIRE_FALSE(other.connect(server.conninfo()));
    const auto pid = other.query("SELECT pg_backend_pid() AS pid");
    ::kill(static_cast<pid_t>(std::stol(*pid.rows.get(0, "pid"))), SIGKILL);
    REQUIRE(client.saw_end());
    CHECK(*client.end == SessionEnd::crashed);
  }
  CHECK_FALSE(client.connection.is_open());
}

TEST_CASE("a watch ends with a query, and a parameter that changes does not end it",
          "[pg_connection]") {
  PostgresServer server;
  Client client;
  REQUIRE_FALSE(client.connect(server.conninfo()));
  client.watch();
  server.set("default_transaction_read_only = on\n");
  server.reload();
  // The idle backend reports the new value by itself or with its next answer.
  CHECK_FALSE(client.query("SELECT 1").error);
  client.watch();
  CHECK(client.run_while_not([&] {
    client.query("SELECT 1");
    return client.connection.parameter("default_transaction_read_only") == "on";
  }));
  CHECK_FALSE(client.end);
  server.process().kill_all();
  client.run_while_not([&] { return client.end.has_value(); }, 200ms);
  CHECK_FALSE(client.end);
  CHECK_FALSE(client.connection.check());
}

TEST_CASE("a frozen server connects and does not answer", "[pg_connection]") {
  PostgresServer server;
  Client client;
  server.process().freeze();
  const auto error = client.connect(server.conninfo(), 200ms);
  CHECK(error.kind == PgError::Kind::cancelled);
  CHECK(error.phase == PgPhase::login);
  server.process().thaw();
  CHECK_FALSE(client.connect(server.conninfo()));
}

}  // namespace
}  // namespace pointsman::test
