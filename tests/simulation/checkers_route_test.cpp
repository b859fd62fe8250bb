// The rules of fences, of what is led away from, and over a reboot, broken as in checkers_test.cpp.
#include "tests/simulation/broken.hpp"

namespace pointsman::sim {
namespace {

using namespace std::chrono_literals;

Recipe fencing() {
  Recipe recipe = driving();
  recipe.fence = 1;
  return recipe;
}

TEST_CASE("a fence is part of a promotion: what must not be of that must not be of it") {
  Broken engine;
  engine.told(PolicyLoaded{policy_of(fencing(), 0)});
  engine.fail_primary();
  SECTION("as it should be") {
    engine.decide(b);
    engine.fence(b);
    engine.later(3s);
    engine.answered(ActionOutcome::ok);
    engine.see_standbys();
    engine.promote(b);
    CHECK(engine.broke_nothing());
  }
  SECTION("and another standby may be the best behind it, once that is decided") {
    engine.decide(b);
    engine.fence(b);
    engine.later(3s);
    engine.answered(ActionOutcome::ok);
    engine.see_standbys();
    const bool is_decided = GENERATE(false, true);
    if (is_decided) engine.decide(c);
    engine.promote(c);
    CHECK(engine.broke("intent_first") == !is_decided);
    CHECK_FALSE(engine.broke("unfenced"));
  }
  SECTION("while automation is paused, in maintenance, or in mode observe") {
    const int how = GENERATE(0, 1, 2);
    if (how == 0) engine.told(AutomationSet{true, "", "", std::nullopt});
    if (how == 1) engine.told(FlagSet{FlagName("maintenance"), true, "", "uid 0", std::nullopt});
    if (how == 2) engine.told(PolicyLoaded{policy_of(fencing(), 0, Mode::observe)});
    engine.decide(b);
    CHECK(engine.broke_nothing());
    engine.fence(b);
    CHECK(engine.broke("hands_off"));
  }
  SECTION("before every candidate has run again since the loop was late") {
    engine.later(1ms);
    engine.told(LoopDistrusted{2s});
    engine.decide(b);
    engine.fence(b);
    CHECK(engine.broke("distrust"));
  }
  SECTION("without a decision, or on one for another server") {
    const bool for_another = GENERATE(false, true);
    if (for_another) engine.decide(c);
    engine.fence(b);
    CHECK(engine.broke("intent_first"));
  }
  SECTION("while a switch is under way, or the other way round") {
    const bool switch_first = GENERATE(false, true);
    if (switch_first) engine.leads_to(a, SwitchCause::verify);
    engine.decide(b);
    engine.fence(b);
    CHECK(engine.broke("one_act") == switch_first);
    if (!switch_first) engine.leads_to(a, SwitchCause::verify);
    CHECK(engine.broke("one_act"));
  }
  SECTION("no promotion follows where there was none, or one that failed") {
    const int how = GENERATE(0, 1, 2);
    engine.decide(b);
    if (how > 0) {
      engine.fence(b);
      engine.answered(how == 1 ? ActionOutcome::failed : ActionOutcome::unknown);
      engine.decide(b);
    }
    engine.see_standbys();
    CHECK(engine.broke_nothing());
    engine.promote(b);
    CHECK(engine.broke("unfenced"));
  }
  SECTION("after a promotion nothing is touched in mode observe either") {
    engine.told(PolicyLoaded{policy_of(fencing(), 0, Mode::observe)});
    engine.asks(
        RunHook{ActionId{++engine.ids}, writes, HookKind::after_promote, {a, {}}, {b, {}}, {}});
    CHECK(engine.broke("hands_off"));
  }
}

TEST_CASE("a fence while the primary takes writes again, by the truth") {
  Broken engine;
  engine.stands_alone();
  engine.told(PolicyLoaded{policy_of(fencing(), 0)});
  engine.fail_primary();
  engine.changes(TargetBecomes{a, Becomes::up});
  engine.later(30s);
  engine.see_standbys();
  engine.decide(b);
  engine.fence(b);
  CHECK(engine.broke("promoted_twice"));
}

TEST_CASE("a promotion in doubt at a kill is that of the act that promoted") {
  Broken engine;
  engine.fail_primary();
  engine.decide(b);
  engine.see_standbys();
  engine.promote(b);
  engine.leads_to(c, SwitchCause::verify);  // which breaks one_act
  engine.told(MemoryRestored{{}, {}});
  engine.samples(b, Broken::server(PostgresRole::primary, 2));  // it has shown
  engine.decide(c);
  engine.see_standbys();
  engine.promote(c);
  CHECK_FALSE(engine.broke("promoted_twice"));
}

TEST_CASE("writes are not led away from who serves, by the truth") {
  Broken engine;
  engine.stands_alone();
  engine.later(1min);
  engine.see_all();
  SECTION("to another, whatever the cause that is told") {
    engine.samples(b, Broken::server(PostgresRole::primary, 2));
    engine.leads_to(b, GENERATE(SwitchCause::follow, SwitchCause::target_lost,
                                SwitchCause::wrong_role, SwitchCause::drift, SwitchCause::adopt));
    CHECK(engine.broke("left_serving"));
  }
  SECTION("but where somebody asked for it") {
    engine.samples(b, Broken::server(PostgresRole::primary, 2));
    engine.leads_to(b, GENERATE(SwitchCause::request, SwitchCause::recovery));
    CHECK_FALSE(engine.broke("left_serving"));
  }
  SECTION("and back to it from where somebody led the pooler by hand") {
    engine.changes(PoolerChanges{"web-1", writes, PoolerBecomes::edited, b});
    engine.later(30s);
    engine.see_all();
    engine.leads_to(a, SwitchCause::drift);
    CHECK_FALSE(engine.broke("left_serving"));
  }
  SECTION("and to a newer primary") {
    engine.changes(TargetBecomes{b, Becomes::primary});
    engine.later(30s);
    engine.samples(b, Broken::server(PostgresRole::primary, 2));
    engine.leads_to(b);
    CHECK(engine.broke_nothing());
  }
  SECTION("nor is it made to follow another; an old one may be") {
    engine.demotes(a, b);
    CHECK(engine.broke("left_serving"));
    Broken other;
    other.stands_alone();
    other.changes(TargetBecomes{b, Becomes::primary});
    other.later(30s);
    other.samples(b, Broken::server(PostgresRole::primary, 2));
    other.leads_to(b);
    other.answered(ActionOutcome::ok);
    other.demotes(a, b);
    CHECK(other.broke_nothing());
  }
}

TEST_CASE("a reboot moves the agent's clock, and what is counted goes on") {
  Broken engine;
  engine.told(PolicyLoaded{policy_of(driving(), 0)});
  engine.samples(c, Broken::server(PostgresRole::primary, 2));
  engine.changes(TargetBecomes{c, Becomes::primary});
  engine.leads_to(c);
  engine.answered(ActionOutcome::ok);
  engine.later(1s);
  engine.changes(AgentKilled{"web-1", 100ms, 0, true});
  const bool is_over = GENERATE(false, true);
  engine.later(is_over ? 30s : 1s);
  REQUIRE(engine.world.clock_shift("web-1") < -30min);
  const auto told = [&](const Event& event) {
    engine.checkers.see({engine.now, "web-1", engine.local(), event});
  };
  told(PolicyLoaded{policy_of(driving(), 0)});
  told(MemoryRestored{{}, {}});
  engine.checkers.see({engine.now, "web-1", engine.local(),
                       Effect{Record{RecordKind::decision, "writes", "promote db-b", {}, {}}}});
  CHECK(engine.broke("hold_down") == !is_over);
}

}  // namespace
}  // namespace pointsman::sim
