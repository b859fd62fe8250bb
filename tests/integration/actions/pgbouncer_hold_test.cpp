// Planned changes: holding the clients of a real pgbouncer, FACTS sections 0, 1 and 9a.
#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/integration/actions/pgbouncer_machine.hpp"

namespace pointsman::test {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("held, switched and let go: no query fails, and new clients wait no 15 s",
          "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a));
  REQUIRE(bouncer.retry() == "15");  // the default, which is the trap
  Machine machine(bouncer);
  Traffic traffic(machine, bouncer.server.conninfo("other", "bud"));
  traffic.add_persistent(4);
  traffic.add_fresh(4);
  REQUIRE(machine.run_while_not([&] { return traffic.served > 40; }));

  const auto hold = machine.hold();
  INFO(hold.message);
  REQUIRE(hold.ok);
  REQUIRE(hold.held);
  CHECK_THAT(hold.message, Contains("120 s (query_wait_timeout)"));
  CHECK_THAT(machine.steps, Contains("\"held\":true"));
  CHECK(bouncer.is_paused());
  CHECK(bouncer.server.database("bud", "current_connections") == "0");
  CHECK(machine.observe().paused);
  CHECK_FALSE(machine.hold().ok);  // one at a time
  // New clients that log in now make pgbouncer start a connection and cut it: the retry gate.
  const auto before = traffic.served;
  machine.run_while_not([] { return false; }, 300ms);
  CHECK(traffic.served == before);

  const auto report = machine.switch_to(servers.b);
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::query);
  CHECK_THAT(machine.steps, Contains("\"held\":false"));
  REQUIRE(machine.run_while_not([&] { return traffic.served > before + 200; }));
  traffic.stop();
  CHECK(traffic.failed == 0);
  INFO(traffic.last_error);
  CHECK(traffic.last_port == std::to_string(servers.b.port()));
  CHECK(traffic.longest < 10s);  // 15 s where the retry is not set before RESUME
  CHECK_FALSE(bouncer.is_paused());
  CHECK(bouncer.retry() == "15");
  CHECK(machine.release().empty());  // nothing is held any more
}

TEST_CASE("a hold that is let go without a switch leaves all as it was", "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  // Fresh clients only, and none before: no welcome message is cached, so each login meets the
  // gate.
  Traffic traffic(machine, bouncer.server.conninfo("other", "bud"));
  REQUIRE(machine.hold().held);
  traffic.add_fresh(4);
  machine.run_while_not([] { return false; }, 300ms);
  CHECK(traffic.served == 0);
  CHECK(machine.release().empty());
  REQUIRE(machine.run_while_not([&] { return traffic.served > 40; }));
  traffic.stop();
  CHECK(traffic.failed == 0);
  CHECK_FALSE(bouncer.is_paused());
  CHECK(bouncer.retry() == "15");
  CHECK(traffic.last_port == std::to_string(servers.a.port()));
  // And again, since nothing is left of the first.
  CHECK(machine.hold().held);
  CHECK(machine.release().empty());
}

TEST_CASE("an open transaction makes the hold fail cleanly and is named", "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  const auto kind = GENERATE(OpenTransaction::Kind::query, OpenTransaction::Kind::idle);
  OpenTransaction open(bouncer, kind, "1");
  Traffic traffic(machine, bouncer.server.conninfo("other", "bud"));
  traffic.add_persistent(2);
  REQUIRE(machine.run_while_not([&] { return traffic.served > 4; }));

  const auto began = mono_now();
  const auto hold = machine.hold(500ms);
  INFO(hold.message);
  CHECK(mono_now() - began < 10s);
  CHECK_FALSE(hold.ok);
  CHECK_FALSE(hold.held);
  CHECK_THAT(hold.message, Contains("client 127.0.0.1:"));
  CHECK_THAT(hold.message, Contains("user other, application nightly-report"));
  CHECK_FALSE(bouncer.is_paused());
  CHECK(bouncer.retry() == "15");
  const auto before = traffic.served;
  CHECK(machine.run_while_not([&] { return traffic.served > before + 10; }));
  traffic.stop();
  CHECK(traffic.failed == 0);
  // It was not cut.
  wait_for("the transaction commits",
           [&] { return open.output().find("COMMIT") != std::string::npos; });
}

TEST_CASE("two holds at once: each is judged by its own database", "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  // The reply to the PAUSE of the idle one comes only once the other is paused too.
  const Bouncer bouncer(line_to("bud", servers.a) + line_to("other", servers.a));
  Machine machine(bouncer, {"bud", "other"});
  OpenTransaction open(bouncer, OpenTransaction::Kind::idle);
  const auto busy = machine.spawn(
      machine.adapters[0]->async_hold(RouteName("bud"), machine.intend(), mono_now() + 2s));
  const auto idle = machine.spawn(
      machine.adapters[1]->async_hold(RouteName("other"), machine.intend(), mono_now() + 5s));
  CHECK(machine.wait(idle).held);
  CHECK_FALSE(busy->has_value());  // the idle one did not wait for it
  CHECK_FALSE(machine.wait(busy).held);
  CHECK_FALSE(bouncer.is_paused("bud"));
  CHECK(bouncer.is_paused("other"));
  CHECK(machine.release(1).empty());
  CHECK_FALSE(bouncer.is_paused("other"));
}

TEST_CASE("session pooling is held by KILL: every session once, new ones wait",
          "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a), "pool_mode = session");
  Machine machine(bouncer);
  Traffic traffic(machine, bouncer.server.conninfo("other", "bud"));
  traffic.add_persistent(3);
  REQUIRE(machine.run_while_not([&] { return traffic.served > 10; }));
  const auto hold = machine.hold();
  INFO(hold.message);
  REQUIRE(hold.held);
  CHECK(bouncer.is_paused());
  CHECK(bouncer.server.database("bud", "current_connections") == "0");
  machine.run_while_not([] { return false; }, 200ms);
  CHECK(traffic.failed == 3);
  const auto report = machine.switch_to(servers.b);
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  const auto before = traffic.served;
  CHECK(machine.run_while_not([&] { return traffic.served > before + 30; }));
  traffic.stop();
  CHECK(traffic.failed == 3);
  CHECK(traffic.last_port == std::to_string(servers.b.port()));
  CHECK_FALSE(bouncer.is_paused());
  CHECK(bouncer.retry() == "15");
}

TEST_CASE("what a stranger paused stays paused", "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  bouncer.server.console("PAUSE bud");
  const auto hold = machine.hold(1s);
  CHECK_FALSE(hold.ok);
  CHECK_THAT(hold.message, Contains("paused on the pooler, and not by us"));
  CHECK(machine.intents == 0);
  CHECK(machine.release().empty());
  const auto report = machine.switch_to(servers.b);
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK_FALSE(report.rolled_back);
  CHECK_THAT(report.message, Contains("not by us"));
  CHECK_FALSE(machine.reconnect().outcome == ActionOutcome::ok);
  machine.recover(machine.steps);
  machine.observe();
  CHECK(bouncer.is_paused());
  CHECK(bouncer.port_of() == std::to_string(servers.b.port()));
  bouncer.server.console("RESUME bud");
}

TEST_CASE("a hold that somebody else ended does not stop the switch", "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  REQUIRE(machine.hold().held);
  SECTION("RESUME by hand") {
    bouncer.server.console("RESUME bud");
  }
  SECTION("pgbouncer was started anew") {
    bouncer.server.process().stop(SIGINT);
    bouncer.server.start();
  }
  const auto report = machine.switch_to(servers.b);
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK_THAT(report.message, Contains("was held and is not any more"));
  CHECK(machine.release().empty());
  CHECK_FALSE(bouncer.is_paused());
}

TEST_CASE("a switch that fails while held leaves the clients to who held them",
          "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  REQUIRE(machine.hold().held);
  // pgbouncer reads another file than ours: what RELOAD answers is a lie.
  auto route = machine.route("bud");
  route.file = bouncer.place.path("not-included.ini");
  bouncer.place.write("not-included.ini", line_to("bud", servers.a));
  machine.make({route});
  const auto report = machine.switch_to(servers.b);
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK_THAT(report.message, Contains("the clients of bud still wait"));
  CHECK(bouncer.is_paused());
  CHECK(machine.release().empty());
  CHECK_FALSE(bouncer.is_paused());
  CHECK(bouncer.retry() == "15");
}

TEST_CASE("a pgbouncer that froze in the middle of a hold is let go once it answers",
          "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  OpenTransaction open(bouncer, OpenTransaction::Kind::idle);
  const auto hold = machine.spawn(
      machine.adapters[0]->async_hold(RouteName("bud"), machine.intend(), mono_now() + 600ms));
  machine.run_while_not([] { return false; }, 200ms);
  bouncer.server.process().freeze();
  const auto report = machine.wait(hold);
  INFO(report.message);
  CHECK_FALSE(report.held);
  CHECK_THAT(report.message, Contains("could not be undone"));
  bouncer.server.process().thaw();
  CHECK(bouncer.is_paused());
  const auto seen = machine.observe();
  CHECK_FALSE(seen.paused);
  CHECK(seen.error.empty());
  CHECK_FALSE(bouncer.is_paused());
  CHECK(bouncer.retry() == "15");
}

TEST_CASE("a hold that is cancelled is undone", "[pgbouncer][hold]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  OpenTransaction open(bouncer, OpenTransaction::Kind::idle);
  auto work = machine.adapters[0]->async_hold(RouteName("bud"), machine.intend(), mono_now() + 10s);
  const auto report = machine.run_until(std::move(work), mono_now() + 300ms);
  CHECK_FALSE(report.held);
  CHECK_FALSE(bouncer.is_paused());
  CHECK(machine.release().empty());
}

}  // namespace
}  // namespace pointsman::test
