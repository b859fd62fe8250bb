// The daemon dies by SIGKILL between two steps: the next start undoes what only it can undo.
#include <catch2/catch.hpp>

#include "tests/integration/actions/pgbouncer_machine.hpp"

namespace pointsman::test {
namespace {

/// Dies at the fault point in a process of its own; the steps that the journal would have.
std::string die(const Bouncer& bouncer, const char* fault,
                const std::function<void(Machine&)>& work) {
  const Place journal;
  const auto file = journal.path("steps");
  const bool was_killed = run_until_killed(fault, [&] {
    Machine machine(bouncer);
    machine.steps_file = file;
    work(machine);
  });
  INFO(fault);
  REQUIRE(was_killed);
  return journal.read("steps");
}

constexpr const char* quick_retry = "server_login_retry = 1";

/// The long retry comes back at a look, at the latest when all that was before is forgotten.
void check_clean(const Bouncer& bouncer, Machine& machine) {
  CHECK_FALSE(bouncer.is_paused());
  const auto limit = mono_now() + 10s;
  while (bouncer.retry() != "1" && mono_now() < limit) {
    machine.observe();
    machine.run_while_not([] { return false; }, 100ms);
  }
  CHECK(bouncer.retry() == "1");
}

TEST_CASE("killed at any step of a planned change, the next start lets the clients go",
          "[pgbouncer][crash]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a), quick_retry);
  const PostgresServer* now = &servers.a;
  for (const char* fault :
       {"pgbouncer.hold_intent", "pgbouncer.paused", "pgbouncer.held", "pgbouncer.intent",
        "pgbouncer.file_written", "pgbouncer.reloaded", "pgbouncer.retry_set", "pgbouncer.resumed",
        "pgbouncer.released", "pgbouncer.before_restore"}) {
    INFO(fault);
    const auto& next = now == &servers.a ? servers.b : servers.a;
    const auto steps = die(bouncer, fault, [&next](Machine& machine) {
      if (machine.hold().held) machine.switch_to(next);
    });
    Machine again(bouncer);
    again.recover(steps);
    check_clean(bouncer, again);
    // Once the file has the new line the promotion is over, so clients must not be led back.
    const auto in_file = bouncer.place.read("targets.ini").find(std::to_string(next.port()));
    if (in_file != std::string::npos) CHECK(bouncer.port_of() == std::to_string(next.port()));
    const auto report = again.switch_to(next);
    INFO(report.message);
    CHECK(report.outcome == ActionOutcome::ok);
    check_clean(bouncer, again);
    now = &next;
  }
}

TEST_CASE("killed while letting go, the next start goes on", "[pgbouncer][crash]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a), quick_retry);
  for (const char* fault : {"pgbouncer.retry_set", "pgbouncer.resumed", "pgbouncer.hold_released",
                            "pgbouncer.hold_restore"}) {
    const auto steps = die(bouncer, fault, [](Machine& machine) {
      machine.hold();
      machine.release();
    });
    Machine again(bouncer);
    again.recover(steps);
    check_clean(bouncer, again);
  }
}

TEST_CASE("a start that takes up the change adopts its hold", "[pgbouncer][crash]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a), quick_retry);
  const auto steps = die(bouncer, "pgbouncer.held", [](Machine& machine) { machine.hold(); });
  Machine again(bouncer);
  again.adapters[0]->adopt_hold("{}");
  CHECK(again.switch_to(servers.a, SwitchCause::verify).outcome == ActionOutcome::failed);
  again.adapters[0]->adopt_hold(steps);
  CHECK(bouncer.is_paused());
  SECTION("forward") {
    const auto report = again.switch_to(servers.b);
    INFO(report.message);
    CHECK(report.outcome == ActionOutcome::ok);
    CHECK(bouncer.port_of() == std::to_string(servers.b.port()));
  }
  SECTION("or back") {
    CHECK(again.release().empty());
  }
  check_clean(bouncer, again);
}

TEST_CASE("killed between KILL and RESUME, the next start resumes", "[pgbouncer][crash]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a),
                        std::string(quick_retry) + "\npool_mode = session");
  Machine machine(bouncer);
  Traffic traffic(machine, bouncer.server.conninfo("other", "bud"));
  traffic.add_persistent(1);
  REQUIRE(machine.run_while_not([&] { return traffic.served > 1; }));
  // A session that is on the old server for good: it has to be cut by KILL.
  const auto steps = die(bouncer, "pgbouncer.killed", [&](Machine& child) {
    child.switch_to(servers.b, SwitchCause::target_lost, OldTargets::dead);
  });
  CHECK(bouncer.is_paused());
  Machine again(bouncer);
  SECTION("from the journal") {
    again.recover(steps);
  }
  SECTION("also where the console is back only later") {
    auto route = again.route("bud");
    route.admin = Secret(bouncer.server.conninfo("admin") + " password=wrong");
    again.make({route});
    // Another pooler's steps, and what is no JSON, are nobody's business.
    again.recover("{}");
    CHECK(bouncer.is_paused());
    again.make({again.route("bud")});
    again.recover(steps);
  }
  check_clean(bouncer, again);
  traffic.stop();
}

TEST_CASE("steps that say nothing of a pause resume nothing", "[pgbouncer][crash]") {
  auto& servers = Servers::shared();
  const Bouncer bouncer(line_to("bud", servers.a), quick_retry);
  const auto steps = die(bouncer, "pgbouncer.file_written",
                         [&servers](Machine& machine) { machine.switch_to(servers.b); });
  bouncer.server.console("PAUSE bud");
  bouncer.server.console("SET server_login_retry='0.3'");
  Machine again(bouncer);
  again.recover(steps);
  CHECK(bouncer.is_paused());
  CHECK(bouncer.retry() == "1");
}

}  // namespace
}  // namespace pointsman::test
