// The steps as the journal keeps them, and the proof's pure parts.
#include <catch2/catch.hpp>

#include "daemon/actions/pooler_query.hpp"
#include "daemon/actions/switch_steps.hpp"

namespace pointsman {
namespace {

TEST_CASE("the steps of a switch survive the journal", "[pgbouncer]") {
  SwitchSteps steps{.route = "bud",
                    .pooler = "/run/postgresql:6432",
                    .file = "/var/lib/\"odd\"/targets.ini",
                    .database = "bud",
                    .previous = "bud = host=a port=1 x='it''s'",
                    .wanted = "bud = host=b port=2",
                    .retry = true,
                    .killed = false,
                    .held = true};
  CHECK(steps_of_json(to_json(steps)) == steps);
  steps.previous.reset();
  steps.killed = true;
  steps.held = false;
  CHECK(steps_of_json(to_json(steps)) == steps);
  CHECK(steps_of_json(to_json(SwitchSteps{})) == SwitchSteps{});
}

TEST_CASE("steps of others, of an older version and broken ones are told apart", "[pgbouncer]") {
  CHECK_FALSE(steps_of_json(""));
  CHECK_FALSE(steps_of_json("[]"));
  CHECK_FALSE(steps_of_json(R"({"adapter":"pgbouncer")"));
  CHECK_FALSE(steps_of_json(R"({"adapter":"haproxy","held":true})"));
  const auto older = steps_of_json(R"({"adapter":"pgbouncer","database":"bud","killed":true})");
  REQUIRE(older);
  CHECK(older->killed);
  CHECK_FALSE(older->held);
  CHECK_FALSE(older->previous);
  // A wrong type is as good as absent: nothing is resumed because of it.
  CHECK_FALSE(steps_of_json(R"({"adapter":"pgbouncer","held":"yes"})")->held);
}

TEST_CASE("the verifying query goes to the route's database on the same pooler", "[pgbouncer]") {
  CHECK(verify_conninfo(Secret("host=h port=1 dbname=pgbouncer user=a"), "it's", "").reveal() ==
        "host=h port=1 dbname=pgbouncer user=a dbname='it\\'s'");
  CHECK(verify_conninfo(Secret("host=h"), "bud", "v").reveal() == "host=h dbname='bud' user='v'");
  CHECK(verify_conninfo(Secret("postgresql://a@h/pgbouncer"), "b d", "v").reveal() ==
        "postgresql://a@h/pgbouncer?dbname=b%20d&user=v");
  CHECK(verify_conninfo(Secret("postgres://h/?x=y"), "bud", "").reveal() ==
        "postgres://h/?x=y&dbname=bud");
}

TEST_CASE("a server's role is judged by what the query found", "[pgbouncer]") {
  Reached primary, standby, read_only;
  standby.in_recovery = standby.read_only = true;
  read_only.read_only = true;
  CHECK(has_role(primary, Require::writable));
  CHECK_FALSE(has_role(standby, Require::writable));
  CHECK_FALSE(has_role(read_only, Require::writable));
  CHECK(has_role(standby, Require::standby));
  CHECK_FALSE(has_role(primary, Require::standby));
  CHECK(has_role(standby, Require::any));
}

TEST_CASE("the place that was reached is found by address, else by process", "[pgbouncer]") {
  const std::vector<Place> places{{Endpoint{"new", 5432}, {"10.0.1.11"}}};
  Reached reached;
  reached.addr = "10.0.1.11";
  reached.port = 5432;
  CHECK(place_reached(reached, places, {}) == places.data());
  // Behind NAT the server knows itself by another address.
  reached.addr = "172.16.0.1";
  reached.pid = 77;
  ServerRow row;
  row.remote_pid = 77;
  row.addr = "10.0.1.11";
  row.port = 5432;
  CHECK(place_reached(reached, places, {row}) == places.data());
  // The same number on an old server too: no proof.
  auto old = row;
  old.addr = "10.0.1.10";
  CHECK(place_reached(reached, places, {row, old}) == nullptr);
  CHECK(place_reached(reached, places, {}) == nullptr);
}

TEST_CASE("a user that is not let in is told from a server that is not there", "[pgbouncer]") {
  PgError error;
  error.kind = PgError::Kind::server;
  error.sqlstate = "08P01";
  error.message = "password authentication failed for user \"x\"";
  CHECK(is_refusal(error));
  error.message = "role \"x\" does not exist";
  CHECK(is_refusal(error));
  error.message = "server login has been failing, try again later (server_login_retry)";
  CHECK_FALSE(is_refusal(error));
  error.message = "pgbouncer cannot connect to server";
  CHECK_FALSE(is_refusal(error));
  error.sqlstate = "28P01";
  CHECK(is_refusal(error));
  error = {};
  error.kind = PgError::Kind::refused;
  CHECK_FALSE(is_refusal(error));
  error.kind = PgError::Kind::auth;
  CHECK(is_refusal(error));
}

}  // namespace
}  // namespace pointsman
