// Ladders: what holds a run or its next step, and what ends the hold.
#include "recovery_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

TEST_CASE("ladder: paused, nothing starts, and the end of the pause triggers nothing by itself") {
  LadderWorld w;
  SECTION("before a run") {
    w.paused = true;
    w.trigger();
    w.pass(1h);
    CHECK(w.steps.empty());
    CHECK(w.count(RecordKind::denied) == 1);
    w.paused = false;
    w.evaluate();
    CHECK(w.begins_after(15s));
  }
  SECTION("in a run: the step is let end, the next waits") {
    w.trigger();
    w.paused = true;
    w.finish(ActionOutcome::ok);
    w.pass(1h);
    CHECK(w.steps.size() == 1);
    CHECK(w.phase() == "retry_wait");
    w.paused = false;
    w.evaluate();
    CHECK(w.begins_after(15s));
  }
  SECTION("planned maintenance holds alike") {
    w.maintenance = true;
    w.trigger();
    w.pass(1h);
    CHECK(w.steps.empty());
    w.maintenance = false;
    w.evaluate();
    CHECK(w.steps.empty());
    w.pass(15s);
    CHECK(w.steps.size() == 1);
  }
  CHECK(w.view().guards.size() == ladder_guard_count);
}

TEST_CASE("ladder: a retry does not slip through a pause") {
  LadderPolicy ladder = database_ladder();
  ladder.steps[0].retries = 1;
  LadderWorld w({ladder});
  w.trigger();
  w.paused = true;
  w.finish(ActionOutcome::failed);
  CHECK(w.steps.size() == 1);
  w.paused = false;
  w.evaluate();
  w.pass(15s);
  REQUIRE(w.steps.size() == 2);
  CHECK(w.steps[1].attempt == 2);
}

TEST_CASE("ladder: an automatic switch under the subject goes first") {
  LadderWorld w;
  w.switching = true;
  w.trigger();
  w.pass(1min);
  CHECK(w.steps.empty());
  CHECK(w.denied().name == "route_switch");
  w.switching = false;
  w.evaluate();
  CHECK(w.steps.size() == 1);
}

TEST_CASE("ladder: who only observes writes down once what would be done") {
  LadderWorld w;
  w.mode = Mode::observe;
  w.trigger();
  w.pass(1h);
  CHECK(w.steps.empty());
  int said = 0;
  for (const Record& record : w.records) {
    if (record.text.starts_with("would run reconnect bud, then switch bud")) ++said;
  }
  CHECK(said == 1);
  CHECK(w.book.open_count() == 0);
  w.see(State::healthy);
  w.trigger();
  CHECK(w.records.size() == 2);  // once each trigger
}

TEST_CASE("ladder: a run stops where the mode becomes observe") {
  LadderWorld w;
  w.trigger();
  w.mode = Mode::observe;
  w.evaluate();
  CHECK(w.phase() == "step");
  w.finish(ActionOutcome::failed);
  CHECK(w.view().last_end == "stopped: the mode is observe");
  w.pass(1h);
  CHECK(w.steps.size() == 1);
}

TEST_CASE("ladder: an acknowledgement ends the hold, and the trigger must hold anew") {
  LadderPolicy ladder = database_ladder();
  ladder.steps.resize(1);
  LadderWorld w({ladder});
  w.trigger();
  w.finish(ActionOutcome::failed);
  REQUIRE(w.phase() == "exhausted");
  w.pass(1min);
  w.acknowledge();
  CHECK(w.begins_after(15s));
}

TEST_CASE("ladder: failing again within the cool-down is told to a human, who may lift it") {
  LadderWorld w;
  w.trigger();
  w.finish(ActionOutcome::ok);
  w.see(State::healthy);
  w.book.close(w.view().incident, w.now);
  const IncidentId first = w.view().incident;
  w.pass(1min);
  w.trigger();
  CHECK(w.steps.size() == 1);
  CHECK(w.phase() == "cooldown");
  CHECK(w.view().incident != first);
  CHECK(w.incident()->needs_human);
  CHECK(w.incident()->told.size() == 1);
  SECTION("lifted") {
    w.acknowledge();
    w.pass(15s);
    CHECK(w.steps.size() == 2);
  }
  SECTION("it ends") {
    w.pass(10min);
    CHECK(w.steps.size() == 2);
  }
}

TEST_CASE("ladder: limits each hour and day, over restarts, are told to a human once") {
  LadderPolicy ladder = database_ladder();
  ladder.steps.resize(1);
  ladder.cooldown = 1min;
  ladder.max_per_hour = 2;
  ladder.max_per_day = 3;
  LadderWorld w({ladder});
  const auto run = [&w] {
    w.trigger();
    w.finish(ActionOutcome::ok);
    w.see(State::healthy);
    w.book.close(w.view().incident, w.now);
    w.pass(1min);
  };
  run();
  run();
  w.restart();
  w.see(State::healthy);
  w.trigger();
  CHECK(w.steps.size() == 2);
  CHECK(w.incident()->needs_human);
  CHECK(w.denied().name == "limits");
  CHECK(w.denied().value == "2 in the last hour, 2 in the last day");
  CHECK(w.denied().limit == "2 each hour, 3 each day");
  w.pass(1h);
  CHECK(w.steps.size() == 3);  // the third of the day
  w.finish(ActionOutcome::ok);
  w.see(State::healthy);
  w.pass(2h);
  w.trigger();
  CHECK(w.steps.size() == 3);
  w.pass(24h);
  CHECK(w.steps.size() >= 4);
}

TEST_CASE("ladder: two on one subject take turns, and a ladder that only calls is never held") {
  LadderPolicy first = database_ladder();
  first.steps.resize(1);
  LadderPolicy second = first;
  second.name = LadderName("database-late");
  LadderPolicy call = first;
  call.name = LadderName("manager");
  call.steps.clear();
  call.escalate = {NotifierName("manager")};
  LadderWorld w({first, second, call});
  w.trigger();
  CHECK(w.steps.size() == 1);
  CHECK(w.phase("database-late") == "triggered");
  CHECK(w.phase("manager") == "exhausted");
  w.finish(ActionOutcome::failed);
  CHECK(w.phase() == "exhausted");
  w.pass(9min);
  CHECK(w.steps.size() == 1);  // exhausted: nothing automatic happens to that subject
  CHECK(w.incident()->told.size() == 2);
}

TEST_CASE("ladder: on different subjects they do not hold each other") {
  LadderPolicy other = database_ladder();
  other.name = LadderName("cache");
  other.when.subject = ServiceName("cache");
  LadderWorld w({database_ladder(), other});
  w.trigger();
  CHECK(w.steps.size() == 2);
  CHECK(w.phase() == "step");
  CHECK(w.phase("cache") == "step");
}
