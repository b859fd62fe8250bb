// The pgbouncer probe against a real one: pools, a paused database, a wrong password, its end.
#include <csignal>

#include <catch2/catch.hpp>

#include "probes/kinds.hpp"
#include "tests/integration/probes/data_loop.hpp"

namespace pointsman::test {

TEST_CASE("what pgbouncer's console says", "[pgbouncer]") {
  // Nothing need be behind it: the probe only asks the console.
  PgbouncerServer server("bud = host=127.0.0.1 port=" + std::to_string(free_port()));
  DataLoop loop;
  PgbouncerSpec spec;
  spec.admin = Secret(server.conninfo("stats"));
  const auto prober = make_pgbouncer_prober(spec, loop.services());
  auto found = loop.run(*prober, 5s);
  INFO(found.message);
  CHECK(found.outcome == Outcome::pass);
  CHECK(std::get<PgbouncerFacts>(found.facts).waiting == 0);

  server.console("PAUSE bud");
  found = loop.run(*prober, 5s);
  CHECK(found.outcome == Outcome::warn);
  CHECK(found.reason == Reason::paused);
  CHECK(found.message == "paused: bud");
  server.console("RESUME bud");
  CHECK(loop.run(*prober, 5s).outcome == Outcome::pass);

  server.process().freeze();
  CHECK(loop.run(*prober, 300ms).reason == Reason::timeout);
  server.process().thaw();
  CHECK(loop.run(*prober, 5s).outcome == Outcome::pass);

  spec.admin = Secret(server.conninfo("nobody"));
  CHECK(loop.run(*make_pgbouncer_prober(spec, loop.services()), 5s).reason == Reason::auth_failed);
  server.process().stop(SIGKILL);
  found = loop.run(*prober, 5s);
  CHECK(found.outcome == Outcome::fail);
  CHECK(found.reason == Reason::connect_refused);
}

}  // namespace pointsman::test
