// Stands for an engine in the tests of the checkers: its steps are written down one by one.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "policies/simulation/checkers.hpp"
#include "tests/simulation/recipe.hpp"

namespace pointsman::sim {

using namespace std::chrono_literals;

inline const ProbeName a{"db-a"}, b{"db-b"}, c{"db-c"};
inline const RouteName writes{"writes"};

inline Recipe driving() {
  Recipe recipe;
  recipe.promotes = 1;
  recipe.app_ladder = 1;
  recipe.per_hour = 1;
  recipe.max_lag = 1000;
  return recipe;
}

/// Stands for an engine: whatever the test says it was told and asked for.
class Broken {
 public:
  World world{setup_of(driving(), 1)};
  Checkers checkers{world};
  MonoTime now = World::start;

  Broken() {
    told(PolicyLoaded{policy_of(driving(), 0)});
    calm();
  }
  void told(const Event& event) { checkers.see({now, "web-1", now, event}); }
  void asks(const Effect& effect) { checkers.see({now, "web-1", now, effect}); }
  void changes(const Change& change) {
    checkers.see({now, "", now, change});
    world.apply(change);
  }
  void later(Duration by) {
    now += by;
    world.run_until(now);
  }
  void samples(const ProbeName& name, Finding finding) {
    told(SampleTaken{Sample{name, now, now, std::move(finding)}});
  }
  /// Everybody is seen to be as they are, and the route leads to the primary.
  void calm() {
    RouteMemory memory{writes, {a}, "S", 1, 1};
    asks(Record{RecordKind::route, "writes", "leads to db-a", {}, memory});
    see_all();
  }
  void see_all() {
    later(1ms);
    samples(a, server(PostgresRole::primary));
    see_standbys();
    for (const char* name : {"app", "disk", "memory"}) {
      samples(ProbeName(name), {Outcome::pass, Reason::ok, "", {}});
    }
  }
  void see_standbys(std::uint64_t position = 5000) {
    later(1ms);
    samples(a, failed ? Finding{Outcome::fail, Reason::connect_refused, "", {}}
                      : server(PostgresRole::primary));
    samples(b, server(PostgresRole::standby, 1, position));
    samples(c, server(PostgresRole::standby, 1, position));
  }
  static Finding server(PostgresRole role, std::uint32_t timeline = 1,
                        std::uint64_t position = 5000, const std::string& id = "S") {
    PostgresFacts facts;
    facts.role = role;
    facts.timeline = timeline;
    facts.lsn = position;
    facts.system_id = id;
    return {Outcome::pass, Reason::ok, "", facts};
  }
  void fail_primary() {
    failed = true;
    changes(TargetBecomes{a, Becomes::down});
    later(1ms);
    samples(a, {Outcome::fail, Reason::connect_refused, "", {}});
    see_standbys();
  }
  void decide(const ProbeName& to) {
    asks(
        Record{RecordKind::decision, "writes", "promote " + to.text + " in place of db-a", {}, {}});
  }
  void fence(const ProbeName& to) {
    asks(RunHook{ActionId{++ids}, writes, HookKind::fence, {a, {}}, {to, {}}, {}});
  }
  void promote(const ProbeName& to) {
    PromoteServer order;
    order.id = ActionId{++ids};
    order.route = writes;
    order.from.probe = a;
    order.to.probe = to;
    asks(order);
  }
  void answered(ActionOutcome outcome) {
    told(ActionFinished{ActionId{ids}, writes, outcome, "", Verified::no, false});
  }
  void demotes(const ProbeName& old_one, const ProbeName& new_one) {
    asks(DemoteServer{ActionId{++ids}, writes, {old_one, {}}, {new_one, {}}});
  }
  void leads_to(const ProbeName& to, SwitchCause cause = SwitchCause::follow) {
    SwitchRoute order;
    order.id = ActionId{++ids};
    order.route = writes;
    order.cause = cause;
    order.to = {{to, {}}};
    asks(order);
  }
  void writes_down(int step, MonoTime run, const std::string& phase = "step") {
    LadderMemory memory;
    memory.ladder = LadderName("app");
    memory.phase = phase;
    memory.step = step;
    memory.action = ActionId{ids};
    memory.runs = {run};
    asks(Record{RecordKind::ladder, "app", "step", {}, memory});
  }
  void runs(int step, int attempt = 1) {
    RunStep order;
    order.id = ActionId{ids};
    order.ladder = LadderName("app");
    order.step = step;
    order.attempt = attempt;
    asks(order);
  }
  /// The agent that the world itself runs does nothing any more.
  void stands_alone() { world.apply(AgentKilled{"web-1"}); }
  /// What the clock of the agent shows.
  MonoTime local() const { return now + world.clock_shift("web-1"); }
  bool broke(const std::string& rule) const {
    for (const Violation& violation : checkers.violations()) {
      if (violation.rule == rule) return true;
    }
    return false;
  }
  bool broke_nothing() const {
    for (const Violation& violation : checkers.violations()) UNSCOPED_INFO(violation.text);
    return checkers.violations().empty();
  }

  bool failed = false;
  std::uint64_t ids = 0;
};

}  // namespace pointsman::sim
