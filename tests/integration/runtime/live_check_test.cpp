// `check --live` against real servers: what is fine, and each thing that is not.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "daemon/config/config.hpp"
#include "daemon/runtime/live_check.hpp"
#include "tests/support/servers.hpp"
#include "tests/support/servers_proxies.hpp"

namespace pointsman {
namespace {

using test::HaproxyServer;
using test::PgbouncerServer;
using test::Place;
using test::PostgresServer;
using test::RedisServer;

Config load(const Place& place, const std::string& text) {
  place.append("pointsman.yaml", "version: 1\nstate_dir: " + place.path("") +
                                     "\ndefaults: {interval: 5s, timeout: 3s}\n" + text);
  auto result = load_config(place.path("pointsman.yaml"));
  if (const auto* failure = std::get_if<LoadFailure>(&result)) {
    FAIL(to_text(failure->errors.front(), false));
  }
  return std::get<Config>(std::move(result));
}

std::string live(const Config& config) {
  return describe_live(judge_live(config, look_live(config)));
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string postgres_route(const PostgresServer& primary, const PostgresServer& standby,
                           const PgbouncerServer& pooler, const std::string& file,
                           std::string_view user, std::string_view admin) {
  return fmt::format(R"(
probes:
  primary: {{type: postgres, url: "{}"}}
  standby: {{type: postgres, url: "{}"}}
routes:
  app:
    via: {{pgbouncer: {{admin: "{}", file: {}, database: app}}}}
    candidates: [primary, standby]
    require: writable
    promote: {{when: [primary_dead], sole_promoter: true}}
)",
                     primary.conninfo(user), standby.conninfo(user), pooler.conninfo(admin), file);
}

/// What the primary has written so far is to be seen on the standby.
void wait_until_replayed(const PostgresServer& primary, const PostgresServer& standby) {
  std::string position = primary.sql("SELECT pg_current_wal_lsn()");
  position.resize(position.find('\n'));
  for (int tries = 0; tries < 200; ++tries) {  // some 30 ms each: psql is started anew
    if (standby.sql("SELECT pg_last_wal_replay_lsn() >= '" + position + "'") == "t\n") return;
  }
  FAIL("the standby does not follow");
}

TEST_CASE("check --live: PostgreSQL and pgbouncer", "[integration][live]") {
  const PostgresServer primary;
  const PostgresServer standby(primary, "wal_receiver_timeout = 4s\n");
  const PgbouncerServer pooler(
      fmt::format("app = host=127.0.0.1 port={} dbname=postgres", primary.port()));
  primary.sql("GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO monitor");
  wait_until_replayed(primary, standby);

  SECTION("all is well") {
    const Place place;
    const std::string text =
        live(load(place, postgres_route(primary, standby, pooler, place.path("targets.ini"),
                                        "monitor", "admin")));
    INFO(text);
    CHECK_FALSE(holds(text, "error"));
    CHECK(holds(text, "writable of primary, standby: primary"));
    CHECK(holds(text, "standby has wal_receiver_timeout = 4s: a lost host is found 3s"));
    CHECK(holds(text, ": fine"));
  }
  SECTION("rights are missing") {
    const Place place;
    const std::string text = live(load(
        place, postgres_route(primary, standby, pooler, "/nonexistent/t.ini", "plain", "stats")));
    INFO(text);
    CHECK(holds(text, "the role of standby may not promote"));
    CHECK(holds(text, "GRANT pg_monitor"));
    CHECK(holds(text, "our user may only look: name it in pgbouncer's admin_users"));
    CHECK(holds(text, "the folder /nonexistent is not there"));
  }
  SECTION("servers and pooler that do not answer") {
    const Place place;
    const Config config = load(place, fmt::format(R"(
probes:
  a: {{type: postgres, url: "postgresql://plain@127.0.0.1:{0}/postgres"}}
  b: {{type: postgres, url: "postgresql://plain@127.0.0.1:{0}/postgres", enabled: false}}
routes:
  app:
    via: {{pgbouncer: {{admin: "host=127.0.0.1 port={0} dbname=pgbouncer user=x", file: {1}}}}}
    candidates: [a, b]
    require: writable
)",
                                                  test::free_port(), place.path("t.ini")));
    const std::string text = live(config);
    INFO(text);
    CHECK(holds(text, "connect_refused"));
    CHECK(holds(text, "no candidate is writable now"));
    CHECK(holds(text, "does not answer"));
    CHECK_FALSE(holds(text, "probe b"));
  }
}

TEST_CASE("check --live: Redis and HAProxy", "[integration][live]") {
  const RedisServer a;
  const RedisServer b({"--replicaof", "127.0.0.1", std::to_string(a.port())});
  const HaproxyServer haproxy({fmt::format("server active 127.0.0.1:{}", a.port())});
  const Place place;
  const auto route = [&](const std::string& socket, const std::string& server) {
    return fmt::format(R"(
probes:
  a: {{type: redis, url: "redis://127.0.0.1:{}/0", check: role}}
  b: {{type: redis, url: "redis://127.0.0.1:{}/0", check: role}}
routes:
  cache:
    via: {{haproxy: {{socket: {}, backend: redis, server: {}}}}}
    candidates: [a, b]
    require: master
    promote: {{when: [master_dead], sole_promoter: true}}
)",
                       a.port(), b.port(), socket, server);
  };
  const std::string fine = live(load(place, route(haproxy.socket(), "active")));
  INFO(fine);
  CHECK_FALSE(holds(fine, "error"));
  const Place other;
  const std::string wrong = live(load(other, route(haproxy.operator_socket(), "passive")));
  INFO(wrong);
  CHECK(holds(wrong, "passive"));
  CHECK(holds(wrong, "write `level admin`"));
}

}  // namespace
}  // namespace pointsman
