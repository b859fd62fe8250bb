// Ladders over reloads of the policy and restarts of the daemon.
#include "recovery_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

TEST_CASE("ladder: a reload that changes nothing goes on, one that does lets the step end") {
  LadderWorld w;
  w.trigger();
  SECTION("the same") {
    w.load();
    w.finish(ActionOutcome::ok);
    CHECK(w.phase() == "verifying");
  }
  SECTION("changed during a step") {
    w.policy.recovery.at(LadderName("database")).fingerprint = "database 2";
    w.policy.recovery.at(LadderName("database"))
        .steps.erase(w.policy.recovery.at(LadderName("database")).steps.begin());
    w.load();
    CHECK(w.phase() == "step");
    w.finish(ActionOutcome::ok);
    CHECK(w.view().last_end == "stopped: its policy was changed");
    CHECK(w.incident()->attempts.size() == 1);
    CHECK(w.steps.size() == 2);  // the trigger holds, by the new policy
    CHECK(w.steps[1].policy.kind == StepKind::switch_route);
  }
  SECTION("changed while verifying") {
    w.finish(ActionOutcome::ok);
    w.policy.recovery.at(LadderName("database")).fingerprint = "database 2";
    w.state = State::unknown;
    w.load();
    CHECK(w.phase() == "idle");
  }
  SECTION("no longer configured: the step is let end, then it is gone") {
    const LadderPolicy ladder = w.policy.recovery.at(LadderName("database"));
    const IncidentId incident = w.view().incident;
    w.policy.recovery.clear();
    w.load();
    CHECK(w.recovery.is_configured(ladder.name));
    w.finish(ActionOutcome::ok);
    CHECK_FALSE(w.recovery.is_configured(ladder.name));
    CHECK(w.book.find(incident)->attempts.size() == 1);
  }
}

TEST_CASE("ladder: killed in a step, it is looked whether it helped, and it is not done again") {
  LadderWorld w;
  w.trigger();
  w.pass(5s);
  w.restart();
  CHECK(w.phase() == "verifying");
  CHECK(w.incident()->attempts.at(0).outcome == ActionOutcome::unknown);
  SECTION("it helped") {
    w.see(State::healthy);
    CHECK(w.view().last_end == "recovered by reconnect bud");
    CHECK(w.steps.size() == 1);
  }
  SECTION("it did not") {
    w.see(State::unhealthy);
    w.pass(60s);
    REQUIRE(w.steps.size() == 2);
    CHECK(w.steps[1].step == 1);
  }
  SECTION("killed again at once: nothing is written twice") {
    w.restart();
    CHECK(w.incident()->attempts.size() == 1);
    CHECK(w.phase() == "verifying");
  }
  SECTION("the policy was edited meanwhile: its steps are others") {
    w.policy.recovery.at(LadderName("database")).fingerprint = "database 2";
    w.restart();
    CHECK(w.phase() == "idle");
    w.see(State::unhealthy);
    w.pass(14900ms);
    CHECK(w.steps.size() == 1);
  }
}

TEST_CASE("ladder: killed while it sets its flag, it sets it again: twice is the same") {
  LadderPolicy ladder = database_ladder();
  ladder.steps = {step_of(StepKind::set_flag, "maintenance_page")};
  LadderWorld w({ladder});
  w.trigger();
  REQUIRE(w.steps.size() == 1);
  w.restart();
  w.see(State::unhealthy);
  w.pass(20s);
  REQUIRE(w.steps.size() == 2);
  CHECK(w.steps[1].step == 0);
  CHECK(w.incident()->attempts.empty());
}

TEST_CASE("ladder: killed while it waits for the next step, and when it is exhausted") {
  LadderWorld w;
  w.trigger();
  w.finish(ActionOutcome::failed);
  w.pass(10s);
  w.restart();
  w.see(State::unhealthy);
  CHECK(w.phase() == "retry_wait");
  w.pass(20s);
  REQUIRE(w.steps.size() == 2);
  w.finish(ActionOutcome::failed);
  w.pass(30s);
  w.finish(ActionOutcome::failed);
  REQUIRE(w.phase() == "exhausted");
  w.pass(1min);
  w.restart();
  CHECK(w.phase() == "exhausted");
  w.see(State::unhealthy);
  w.pass(8min + 59s);
  CHECK(w.steps.size() == 3);
  w.pass(1s);
  CHECK(w.steps.size() == 4);
  CHECK(w.incident()->told.size() == 1);
}

TEST_CASE("ladder: a clock set back an hour while the daemon was down holds nothing for longer") {
  LadderWorld w;
  w.trigger();
  w.finish(ActionOutcome::failed);
  auto set_back = [&w] {
    LadderMemory& memory = w.memories.at(LadderName("database"));
    memory.phase_since += 1h;
    if (memory.cooldown_until) *memory.cooldown_until += 1h;
    for (MonoTime& run : memory.runs) run += 1h;
    w.restart();
    w.see(State::unhealthy);
  };
  set_back();
  CHECK(w.phase() == "retry_wait");
  w.pass(30s);
  REQUIRE(w.steps.size() == 2);
  w.finish(ActionOutcome::failed);
  w.pass(30s);
  w.finish(ActionOutcome::failed);
  REQUIRE(w.phase() == "exhausted");
  set_back();
  CHECK(w.phase() == "exhausted");
  w.pass(10min);
  CHECK(w.steps.size() == 4);
}

TEST_CASE("ladder: its incident was lost: it gets another, and the human is still called") {
  LadderWorld w;
  w.trigger();
  w.book = IncidentBook{};
  w.restart();
  w.see(State::unhealthy);
  CHECK(w.steps.size() == 1);
  w.pass(30s);
  for (int i = 0; i < 2; ++i) {
    w.pass(30s);
    w.finish(ActionOutcome::failed);
  }
  w.pass(30s);
  REQUIRE(w.phase() == "exhausted");
  REQUIRE(w.incident());
  CHECK(w.incident()->subject == "database");
  CHECK(w.incident()->told.size() == 1);
}
