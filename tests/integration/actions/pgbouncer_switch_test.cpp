// Switches of a real pgbouncer: crashes, hangs and the lies of RELOAD (FACTS sections 0, 2 to 5).
#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/integration/actions/pgbouncer_machine.hpp"

namespace pointsman::test {
namespace {

using Catch::Matchers::Contains;

int count_of(const std::string& text, std::string_view part) {
  int count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("after a crash the first query is served at once, whatever the retry",
          "[pgbouncer][switch]") {
  Servers servers;
  const Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  Traffic traffic(machine, bouncer.server.conninfo("other", "bud"));
  traffic.add_persistent(3);
  traffic.add_fresh(3);
  REQUIRE(machine.run_while_not([&] { return traffic.served > 20; }));
  servers.a.process().kill_all();
  const auto failed = traffic.failed;
  REQUIRE(machine.run_while_not([&] { return traffic.failed > failed + 3; }));
  const auto report = machine.switch_to(servers.b, SwitchCause::target_lost, OldTargets::dead);
  CAPTURE(report.message);
  REQUIRE(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::query);
  CHECK_THAT(report.message, Contains("which served"));
  const auto before = traffic.served;
  CHECK(machine.run_while_not([&] { return traffic.served > before + 20; }));
  traffic.stop();
  CHECK(traffic.last_port == std::to_string(servers.b.port()));
  CHECK(bouncer.retry() == "15");
  // The file: ours, with the epoch, and the one before beside it.
  const auto text = bouncer.place.read("targets.ini");
  CHECK_THAT(text, Contains("Written by pointsman") && Contains("; route bud epoch 1"));
  CHECK(bouncer.place.read("targets.ini.previous") == line_to("bud", servers.a));
}

TEST_CASE("clients stuck on a frozen server in a full pool are freed", "[pgbouncer][switch]") {
  Servers servers;
  const std::string mode = GENERATE("transaction", "session");
  const Bouncer bouncer(line_to("bud", servers.a), "default_pool_size = 5\npool_mode = " + mode);
  Machine machine(bouncer);
  Traffic traffic(machine, bouncer.server.conninfo("other", "bud"));
  traffic.add_persistent(5, "select inet_server_port() as port, pg_sleep(0.01)");
  REQUIRE(machine.run_while_not([&] { return traffic.served > 20; }));
  servers.a.process().freeze();
  traffic.add_fresh(5);  // these only queue
  machine.run_while_not([] { return false; }, 200ms);
  const auto report = machine.switch_to(servers.b, SwitchCause::target_lost, OldTargets::dead);
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK_THAT(report.message, Contains("were cut"));
  const auto before = traffic.served;
  CHECK(machine.run_while_not([&] { return traffic.served > before + 50; }));
  traffic.stop();
  CHECK(traffic.last_port == std::to_string(servers.b.port()));
  CHECK_FALSE(bouncer.is_paused());
  CHECK(bouncer.retry() == "15");
  servers.a.process().thaw();
}

TEST_CASE("routes of one file that switch at the same moment share RELOADs and lose nothing",
          "[pgbouncer][switch]") {
  auto& servers = Servers::shared();
  std::string lines;
  std::vector<std::string> names;
  for (int i = 0; i < 6; ++i) names.push_back("db" + std::to_string(i));
  for (const auto& name : names) lines += line_to(name, servers.a);
  const Bouncer bouncer(lines);
  Machine machine(bouncer, names);
  std::vector<Later<SwitchReport>> reports;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto order = machine.order(servers.b, SwitchCause::target_lost, OldTargets::dead);
    order.route = RouteName(names[i]);
    reports.push_back(
        machine.spawn(machine.adapters[i]->async_switch(std::move(order), machine.intend())));
  }
  for (const auto& later : reports) {
    const auto report = machine.wait(later);
    INFO(report.message);
    CHECK(report.outcome == ActionOutcome::ok);
    CHECK(report.verified == Verified::query);
  }
  for (const auto& name : names) CHECK(bouncer.port_of(name) == std::to_string(servers.b.port()));
  CHECK(bouncer.retry() == "15");
  CHECK(count_of(bouncer.server.log(), "RELOAD command issued") <= 6);
  const auto text = bouncer.place.read("targets.ini");
  CHECK(count_of(text, "epoch 1") == 6);
}

TEST_CASE("a switch of one route leaves another, held one alone", "[pgbouncer][switch]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a) + line_to("other", servers.a));
  Machine machine(bouncer, {"bud", "other"});
  REQUIRE(machine.hold(5s, 1).held);
  CHECK(machine.switch_to(servers.b).outcome == ActionOutcome::ok);
  CHECK(bouncer.is_paused("other"));
  CHECK(bouncer.port_of("other") == std::to_string(servers.a.port()));
  CHECK(machine.release(1).empty());
  CHECK(bouncer.retry() == "15");
}

TEST_CASE("RELOAD lies: what SHOW DATABASES says counts", "[pgbouncer][switch]") {
  auto& servers = Servers::shared();
  SECTION("a line that is broken behind ours does not matter to us") {
    const Bouncer bouncer(line_to("bud", servers.a));
    Machine machine(bouncer);
    const auto ini = bouncer.server.place().read("pgbouncer.ini");
    bouncer.server.place().write("pgbouncer.ini", ini + "\ngarbage\n");
    const auto report = machine.switch_to(servers.b);
    INFO(report.message);
    CHECK(report.outcome == ActionOutcome::ok);
    CHECK(bouncer.port_of() == std::to_string(servers.b.port()));
  }
  SECTION("one before ours: nothing was loaded, and it is rolled back") {
    const Bouncer bouncer(line_to("bud", servers.a));
    Machine machine(bouncer);
    const auto ini = bouncer.server.place().read("pgbouncer.ini");
    bouncer.server.place().write("pgbouncer.ini", "[databases]\ngarbage\n" + ini);
    auto report = machine.switch_to(servers.b);
    INFO(report.message);
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("see pgbouncer's log"));
    CHECK(report.rolled_back);
    CHECK(bouncer.place.read("targets.ini").find(std::to_string(servers.a.port())) !=
          std::string::npos);
    bouncer.server.place().write("pgbouncer.ini", ini);
    CHECK(machine.switch_to(servers.b).outcome == ActionOutcome::ok);
  }
  SECTION("the file is not the one that is included") {
    const Bouncer bouncer(line_to("bud", servers.a));
    Machine machine(bouncer);
    auto route = machine.route("bud");
    route.file = bouncer.place.path("elsewhere.ini");
    machine.make({route});
    const auto report = machine.switch_to(servers.b);
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_FALSE(report.rolled_back);  // there was no file before
    CHECK(bouncer.port_of() == std::to_string(servers.a.port()));
    CHECK(machine.observe().addresses == std::vector<Endpoint>{at(servers.a)});
  }
  SECTION("the database is not known at all") {
    const Bouncer bouncer("");
    Machine machine(bouncer);
    CHECK_THAT(machine.observe().error, Contains("has to have `%include"));
    auto route = machine.route("bud");
    route.file = bouncer.place.path("elsewhere.ini");
    machine.make({route});
    const auto report = machine.switch_to(servers.b);
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("has to have `%include"));
  }
}

TEST_CASE("a file that a hand emptied drops no database", "[pgbouncer][switch]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a) + line_to("other", servers.a));
  Machine machine(bouncer, {"bud", "other"});
  Traffic traffic(machine, bouncer.server.conninfo("other", "other"));
  traffic.add_persistent(1);
  REQUIRE(machine.run_while_not([&] { return traffic.served > 2; }));
  bouncer.place.write("targets.ini", "");
  CHECK(machine.observe(1).file == FileState::missing);
  const auto report = machine.switch_to(servers.b);
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK_THAT(report.message, Contains("the line of other was missing and is back"));
  CHECK(bouncer.port_of("other") == std::to_string(servers.a.port()));
  const auto before = traffic.served;
  CHECK(machine.run_while_not([&] { return traffic.served > before + 5; }));
  traffic.stop();
  CHECK(traffic.failed == 0);
}

TEST_CASE("drift is seen and repaired: a hand's edit, an old file after a restart",
          "[pgbouncer][switch]") {
  auto& servers = Servers::shared();
  Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  REQUIRE(machine.switch_to(servers.b).outcome == ActionOutcome::ok);
  auto seen = machine.observe();
  CHECK(seen.file == FileState::as_wanted);
  CHECK(seen.addresses == std::vector<Endpoint>{at(servers.b)});

  bouncer.place.write("targets.ini", line_to("bud", servers.a));
  bouncer.server.process().stop(SIGINT);
  seen = machine.observe();
  CHECK_FALSE(seen.reachable);
  CHECK_THAT(seen.error, Contains("does not answer"));
  bouncer.server.start();
  seen = machine.observe();
  CHECK(seen.reachable);
  CHECK(seen.file == FileState::differs);
  CHECK(seen.addresses == std::vector<Endpoint>{at(servers.a)});
  const auto report = machine.switch_to(servers.b, SwitchCause::drift);
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(machine.observe().file == FileState::as_wanted);
  // Only to be verified: nothing is written.
  const auto intents = machine.intents;
  const auto proof = machine.switch_to(servers.b, SwitchCause::verify);
  CHECK(proof.outcome == ActionOutcome::ok);
  CHECK(proof.verified == Verified::query);
  CHECK(machine.switch_to(servers.a, SwitchCause::verify).outcome == ActionOutcome::failed);
  CHECK(machine.intents == intents);
}

TEST_CASE("a console that is down: the file leads on, so that its next start follows",
          "[pgbouncer][switch]") {
  auto& servers = Servers::shared();
  Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  bouncer.server.process().stop(SIGINT);
  const auto report = machine.switch_to(servers.b, SwitchCause::target_lost, OldTargets::dead);
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK_THAT(report.message,
             Contains("does not answer") && Contains("a pgbouncer that starts anew"));
  CHECK_FALSE(machine.hold(1s).ok);
  CHECK(machine.reconnect(1s).outcome == ActionOutcome::failed);
  bouncer.server.start();
  CHECK(bouncer.port_of() == std::to_string(servers.b.port()));
  CHECK(machine.switch_to(servers.b, SwitchCause::verify).outcome == ActionOutcome::ok);
}

TEST_CASE("who is not let in is said, and what can be proven without is", "[pgbouncer][switch]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  auto route = machine.route("bud");
  SECTION("the console's password is wrong") {
    route.admin = Secret(bouncer.server.conninfo("admin") + " password=wrong");
    machine.make({route});
    const auto report = machine.switch_to(servers.b);
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("does not let us in"));
    CHECK_THAT(report.message, !Contains("wrong\""));
    const auto hold = machine.hold(1s);
    CHECK_FALSE(hold.ok);
    CHECK_THAT(hold.message, Contains("does not let us in"));
  }
  SECTION("the console's user may only look") {
    route.admin = Secret(bouncer.server.conninfo("stats"));
    machine.make({route});
    const auto report = machine.switch_to(servers.b);
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("admin access needed"));
    const auto hold = machine.hold(1s);
    CHECK_FALSE(hold.ok);
    CHECK_THAT(hold.message, Contains("admin access needed"));
    CHECK_FALSE(bouncer.is_paused());
  }
  SECTION("the verifying user is not let in: the application's own connections are the proof") {
    route.verify_user = "nobody";
    route.verify_password = Secret("x");
    machine.make({route});
    Traffic traffic(machine, bouncer.server.conninfo("other", "bud"));
    traffic.add_persistent(2);
    REQUIRE(machine.run_while_not([&] { return traffic.served > 2; }));
    auto report = machine.switch_to(servers.b);
    CAPTURE(report.message);
    CHECK(report.outcome == ActionOutcome::ok);
    CHECK(report.verified == Verified::servers);
    CHECK_THAT(report.message, Contains("give `verify: {user, password}`"));
    traffic.stop();
    bouncer.server.console("RECONNECT bud");
    // Nobody there: nothing is proven, and that is said too.
    wait_for("no connection is left",
             [&] { return bouncer.server.database("bud", "current_connections") == "0"; });
    report = machine.switch_to(servers.a);
    CHECK(report.verified == Verified::no);
  }
}

TEST_CASE("a target in the wrong role is not kept", "[pgbouncer][switch]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  servers.b.sql("ALTER ROLE admin SET default_transaction_read_only = on");
  const auto report = machine.switch_to(servers.b);
  servers.b.sql("ALTER ROLE admin RESET default_transaction_read_only");
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK(report.rolled_back);
  CHECK_THAT(report.message, Contains("which is read-only") && Contains("rolled back to bud = "));
  CHECK(bouncer.port_of() == std::to_string(servers.a.port()));
}

TEST_CASE("reconnect opens new server connections and proves one", "[pgbouncer][reconnect]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a));
  Machine machine(bouncer);
  Traffic traffic(machine, bouncer.server.conninfo("other", "bud"));
  traffic.add_persistent(3);
  // Warm: RECONNECT cuts logins that are under way, and their clients fail with them.
  REQUIRE(machine.run_while_not([&] { return traffic.served > 100; }));
  const auto pids = [&] {
    return servers.a.sql(
        "select string_agg(pid::text, ',' order by pid) from pg_stat_activity where usename = "
        "'other'");
  };
  const auto before = pids();
  const auto report = machine.reconnect();
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::query);
  CHECK_THAT(report.message, Contains("were dropped"));
  const auto served = traffic.served;
  CHECK(machine.run_while_not([&] { return traffic.served > served + 30; }));
  CHECK(pids() != before);
  traffic.stop();
  CHECK(traffic.failed == 0);
  CHECK(bouncer.retry() == "15");
  CHECK(machine.intents == 0);
  bouncer.server.console("DISABLE bud");
  CHECK_THAT(machine.reconnect().message, Contains("disabled on the pooler"));
}

TEST_CASE("reconnect fails where the target is dead, within its time", "[pgbouncer][reconnect]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer("bud = host=127.0.0.1 port=" + std::to_string(free_port()) + "\n");
  Machine machine(bouncer);
  (void)servers;
  const auto began = mono_now();
  const auto report = machine.reconnect(1s);
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK(mono_now() - began < 12s);
  CHECK_THAT(report.message, Contains("is not proven"));
}

}  // namespace
}  // namespace pointsman::test
