// Each rule of the checkers, broken by an engine that does what it must not: its steps are written
// down here one by one. The same steps without the breach break no rule.
#include "tests/simulation/broken.hpp"

namespace pointsman::sim {
namespace {

using namespace std::chrono_literals;

TEST_CASE("an engine that promotes as it should breaks no rule") {
  Broken engine;
  engine.fail_primary();
  engine.decide(b);
  engine.see_standbys();
  engine.promote(b);
  engine.answered(ActionOutcome::ok);
  engine.samples(b, Broken::server(PostgresRole::primary, 2));
  engine.leads_to(b);
  CHECK(engine.broke_nothing());
}

TEST_CASE("promotions that must not be") {
  Broken engine;
  engine.fail_primary();

  SECTION("without a decision that was written down") {
    engine.see_standbys();
    engine.promote(b);
    CHECK(engine.broke("intent_first"));
  }
  SECTION("without a second look") {
    engine.later(1ms);
    engine.decide(b);
    engine.promote(b);
    CHECK(engine.broke("second_look"));
  }
  SECTION("decided on what the standby was before the trouble") {
    Broken other;
    other.failed = true;
    other.later(1ms);
    other.samples(a, {Outcome::fail, Reason::connect_refused, "", {}});
    other.decide(b);
    CHECK(other.broke("old_evidence"));
  }
  SECTION("again, though nobody knows what became of the first") {
    engine.decide(b);
    engine.see_standbys();
    engine.promote(b);
    engine.answered(ActionOutcome::unknown);
    engine.decide(c);
    engine.see_standbys();
    CHECK(engine.broke_nothing());
    engine.promote(c);
    CHECK(engine.broke("promoted_twice"));
  }
  SECTION("again after a restart") {
    engine.decide(b);
    engine.see_standbys();
    engine.promote(b);
    engine.told(MemoryRestored{{}, {}});
    engine.see_standbys();
    engine.decide(b);
    engine.see_standbys();
    engine.promote(b);
    CHECK(engine.broke("promoted_twice"));
  }
  SECTION("while one is under way") {
    engine.decide(b);
    engine.see_standbys();
    engine.promote(b);
    engine.leads_to(b);
    engine.decide(c);
    engine.see_standbys();
    engine.promote(c);
    CHECK(engine.broke("one_act"));
  }
  SECTION("of a standby that lacks too much") {
    engine.decide(b);
    engine.see_standbys(2000);
    engine.promote(b);
    CHECK(engine.broke("lagging"));
  }
  SECTION("of a standby that lacks too much of what was seen before a restart") {
    Incident incident;
    incident.id = IncidentId{1};
    incident.subject = "route:writes";
    engine.asks(StoreIncident{incident});
    MemoryRestored memory;
    memory.routes = {{writes, {a}, "S", 1, 1}};
    engine.told(memory);
    engine.see_standbys(2000);
    engine.decide(b);
    engine.see_standbys(2000);
    engine.promote(b);
    CHECK(engine.broke("lagging"));
  }
  SECTION("of a server of another cluster") {
    engine.decide(b);
    engine.see_standbys();
    engine.samples(b, Broken::server(PostgresRole::standby, 1, 5000, "T"));
    engine.promote(b);
    CHECK(engine.broke("foreign"));
  }
  SECTION("of a standby on another timeline") {
    engine.decide(b);
    engine.see_standbys();
    engine.samples(b, Broken::server(PostgresRole::standby, 3));
    engine.promote(b);
    CHECK(engine.broke("forked"));
  }
  SECTION("of what is no standby") {
    engine.decide(b);
    engine.see_standbys();
    engine.samples(b, {Outcome::fail, Reason::connect_refused, "", {}});
    engine.promote(b);
    CHECK(engine.broke("not_a_standby"));
  }
  SECTION("the fourth within an hour") {
    for (int i = 0; i < 4; ++i) {
      engine.decide(b);
      engine.see_standbys();
      CHECK_FALSE(engine.broke("promotion_limit"));
      engine.promote(b);
      engine.answered(ActionOutcome::failed);
      engine.later(1min);
    }
    CHECK(engine.broke("promotion_limit"));
  }
  SECTION("within the hold-down") {
    engine.samples(c, Broken::server(PostgresRole::primary, 2));
    engine.leads_to(c);
    engine.answered(ActionOutcome::ok);
    CHECK(engine.broke_nothing());
    engine.later(5s);
    engine.decide(b);
    CHECK(engine.broke("hold_down"));
  }
  SECTION("while automation is paused, in maintenance, or in mode observe") {
    const int how = GENERATE(0, 1, 2);
    if (how == 0) engine.told(AutomationSet{true, "", "", std::nullopt});
    if (how == 1) engine.told(FlagSet{FlagName("maintenance"), true, "", "uid 0", std::nullopt});
    if (how == 2) engine.told(PolicyLoaded{policy_of(driving(), 0, Mode::observe)});
    engine.decide(b);
    engine.see_standbys();
    engine.promote(b);
    CHECK(engine.broke("hands_off"));
  }
  SECTION("before every candidate has run again since the loop was late") {
    engine.later(1ms);
    engine.told(LoopDistrusted{2s});
    engine.decide(b);
    engine.promote(b);
    CHECK(engine.broke("distrust"));
  }
}

TEST_CASE("a promotion while the primary lives, by the truth") {
  Broken engine;
  engine.failed = true;
  engine.changes(Cut{"web-1", "db-a"});
  engine.later(30s);
  engine.samples(a, {Outcome::fail, Reason::connect_timeout, "", {}});
  engine.see_standbys();
  engine.decide(b);
  engine.see_standbys();
  engine.promote(b);
  CHECK(engine.broke("primary_lives"));
}

TEST_CASE("a promotion while another takes writes, by the truth") {
  Broken engine;
  engine.fail_primary();
  engine.changes(TargetBecomes{c, Becomes::primary});
  engine.later(30s);
  engine.see_standbys();
  engine.decide(b);
  engine.see_standbys();
  engine.promote(b);
  CHECK(engine.broke("promoted_twice"));
}

TEST_CASE("switches that must not be") {
  Broken engine;
  SECTION("to a standby") {
    engine.leads_to(b);
    CHECK(engine.broke("not_writable"));
  }
  SECTION("to a primary from before a failover") {
    engine.samples(b, Broken::server(PostgresRole::primary, 0));
    engine.leads_to(b);
    CHECK(engine.broke("old_primary"));
  }
  SECTION("to a server of another cluster") {
    engine.samples(b, Broken::server(PostgresRole::primary, 2, 5000, "T"));
    engine.leads_to(b);
    CHECK(engine.broke("foreign"));
  }
  SECTION("on what was seen long ago") {
    engine.samples(b, Broken::server(PostgresRole::primary, 2));
    engine.later(1min);
    engine.leads_to(b);
    CHECK(engine.broke("stale"));
  }
  SECTION("to what takes no writes, by the truth") {
    engine.later(1min);
    engine.samples(b, Broken::server(PostgresRole::primary, 2));
    engine.leads_to(b);
    CHECK(engine.broke("not_writable"));
  }
  SECTION("to nothing") {
    SwitchRoute order;
    order.route = writes;
    order.cause = SwitchCause::verify;
    engine.asks(order);
    CHECK(engine.broke("leads_nowhere"));
  }
  SECTION("right after one that failed") {
    engine.samples(b, Broken::server(PostgresRole::primary, 2));
    engine.leads_to(b);
    engine.answered(ActionOutcome::failed);
    engine.leads_to(b);
    CHECK(engine.broke("retry_wait"));
  }
  SECTION("an old master is demoted in maintenance") {
    engine.told(FlagSet{FlagName("maintenance"), true, "", "uid 0", std::nullopt});
    engine.asks(DemoteServer{ActionId{++engine.ids}, writes, {b, {}}, {a, {}}});
    CHECK(engine.broke("hands_off"));
  }
  SECTION("of a drift in mode observe") {
    engine.told(PolicyLoaded{policy_of(driving(), 0, Mode::observe)});
    engine.leads_to(a, SwitchCause::drift);
    CHECK(engine.broke("hands_off"));
  }
}

TEST_CASE("ladders that must not be") {
  Broken engine;
  const MonoTime run = engine.now;
  ++engine.ids;
  SECTION("as it should be") {
    engine.writes_down(0, run);
    engine.runs(0);
    engine.told(StepFinished{ActionId{engine.ids}, LadderName("app"), ActionOutcome::failed, ""});
    ++engine.ids;
    engine.writes_down(1, run);
    engine.runs(1);
    CHECK(engine.broke_nothing());
  }
  SECTION("a step that no record told of") {
    engine.runs(0);
    CHECK(engine.broke("intent_first"));
  }
  SECTION("a step again that may have happened") {
    engine.writes_down(0, run);
    engine.runs(0);
    engine.told(StepFinished{ActionId{engine.ids}, LadderName("app"), ActionOutcome::unknown, ""});
    engine.writes_down(0, run);
    engine.runs(0, 2);
    CHECK(engine.broke("step_twice"));
  }
  SECTION("a step again after a restart") {
    engine.writes_down(0, run);
    engine.runs(0);
    engine.told(MemoryRestored{{}, {}});
    engine.see_all();
    engine.writes_down(0, run);
    engine.runs(0);
    CHECK(engine.broke("step_twice"));
  }
  SECTION("two steps at a time, or in another order") {
    engine.writes_down(1, run);
    engine.runs(1);
    engine.writes_down(0, run);
    engine.runs(0);
    CHECK(engine.broke("one_step"));
    CHECK(engine.broke("step_order"));
  }
  SECTION("more tries than its retries") {
    engine.writes_down(0, run);
    engine.runs(0, 3);
    CHECK(engine.broke("retries"));
  }
  SECTION("a run before the cool-down is over, and one more than the limit") {
    engine.writes_down(0, run);
    engine.later(10s);
    engine.writes_down(0, engine.now);
    CHECK(engine.broke("cooldown"));
    CHECK(engine.broke("ladder_limit"));
  }
  SECTION("while paused") {
    engine.told(AutomationSet{true, "", "", std::nullopt});
    engine.writes_down(0, run);
    CHECK(engine.broke("hands_off"));
  }
  SECTION("while not all has run again since the loop was late") {
    engine.later(1s);
    engine.told(LoopDistrusted{2s});
    engine.writes_down(0, run);
    engine.runs(0);
    CHECK(engine.broke("distrust"));
  }
}

TEST_CASE("a route that does not work, and a ladder that does not end, are told") {
  World world(setup_of(driving(), 1));
  world.run_until(World::start + 10s);
  CHECK(find_unserved(world).empty());
  world.apply(TargetBecomes{ProbeName("app"), Becomes::failing});
  world.apply(PoolerChanges{"web-1", writes, PoolerBecomes::paused});
  world.run_until(World::start + 25s);
  bool goes_on = false, unserved = false;
  for (const Violation& violation : find_unserved(world)) {
    goes_on = goes_on || violation.rule == "ladder_goes_on";
    unserved = unserved || violation.rule == "unserved";
  }
  CHECK(goes_on);
  CHECK(unserved);
}

TEST_CASE("the same seed gives the same run") {
  const auto told = [](std::uint64_t seed) {
    World world(setup_of(driving(), seed));
    std::string trace;
    world.watch = [&](const Entry& entry) {
      trace += std::to_string(entry.local.time_since_epoch().count()) + " " +
               std::to_string(entry.what.index()) + "\n";
    };
    world.at(World::start + 10s, TargetBecomes{a, Becomes::down});
    world.run_until(World::start + 1min);
    return trace;
  };
  CHECK(told(7) == told(7));
}

}  // namespace
}  // namespace pointsman::sim
