// Ladders: a run from its trigger to its end, step by step.
#include "recovery_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

using Words = std::vector<std::string>;
const Words all_steps{"reconnect bud", "switch bud", "restart_unit app.service"};

}  // namespace

TEST_CASE("ladder: the trigger must hold, and the first step that heals ends the run") {
  LadderWorld w;
  w.see(State::unhealthy);
  CHECK(w.phase() == "triggered");
  CHECK(w.begins_after(15s));
  REQUIRE(w.step_words() == Words{"reconnect bud"});
  CHECK(w.phase() == "step");
  CHECK(w.view().step_text == "reconnect bud");
  CHECK(w.steps[0].incident == w.incident()->id);
  CHECK(w.steps[0].subject == "database");
  w.pass(2s);
  w.finish(ActionOutcome::ok, "4 connections reopened");
  CHECK(w.phase() == "verifying");
  w.pass(29s);
  w.see(State::healthy);
  CHECK(w.phase() == "cooldown");
  CHECK(w.view().last_end == "recovered by reconnect bud");
  REQUIRE(w.incident()->attempts.size() == 1);
  const Attempt& attempt = w.incident()->attempts[0];
  CHECK(attempt.action == "reconnect bud");
  CHECK(attempt.took == 2s);
  CHECK(attempt.outcome == ActionOutcome::ok);
  CHECK(attempt.message == "4 connections reopened");
  CHECK(w.incident()->severity == Severity::warning);
  CHECK(w.incident()->told.empty());
}

TEST_CASE("ladder: a subject that is well before the trigger has held sets it back") {
  LadderWorld w;
  w.see(State::unhealthy);
  w.pass(14s);
  w.see(State::healthy);
  CHECK(w.phase() == "idle");
  w.see(State::unhealthy);
  w.pass(14s);
  CHECK(w.steps.empty());
  w.pass(1s);
  CHECK(w.steps.size() == 1);
}

TEST_CASE("ladder: unknown and distrust stop the clock, and nothing starts on them") {
  LadderWorld w;
  w.see(State::unhealthy);
  w.pass(10s);
  SECTION("unknown") {
    w.see(State::unknown);
    w.pass(10min);
    CHECK(w.steps.empty());
    w.see(State::unhealthy);
  }
  SECTION("distrust") {
    w.trusted = false;
    w.evaluate();
    w.pass(10min);
    CHECK(w.steps.empty());
    w.trusted = true;
    w.evaluate();
  }
  CHECK(w.begins_after(5s));
}

TEST_CASE("ladder: steps that do not help follow each other, then a human is called for") {
  LadderWorld w;
  w.trigger();
  w.finish(ActionOutcome::ok);  // verified in vain for 30 s, then 30 s until the next
  w.pass(59900ms);
  CHECK(w.steps.size() == 1);
  CHECK(w.phase() == "retry_wait");
  w.pass(100ms);
  CHECK(w.steps.size() == 2);
  w.finish(ActionOutcome::failed, "none fits");  // not verified: 30 s
  CHECK(w.phase() == "retry_wait");
  CHECK(w.begins_after(30s));
  REQUIRE(w.step_words() == all_steps);
  w.finish(ActionOutcome::ok);
  w.pass(30s);
  CHECK(w.phase() == "exhausted");
  CHECK(w.incident()->needs_human);
  CHECK(w.incident()->severity == Severity::critical);
  CHECK(w.incident()->attempts.size() == 3);
  REQUIRE(w.incident()->told.size() == 1);
  CHECK(w.incident()->told[0].notifier.text == "oncall");
  w.pass(9min + 59s);
  CHECK(w.steps.size() == 3);  // nothing automatic until the cool-down ends
  w.pass(1s);
  CHECK(w.steps.size() == 4);
}

TEST_CASE("ladder: the last step heals") {
  LadderWorld w;
  w.trigger();
  w.finish(ActionOutcome::failed);
  w.pass(30s);
  w.finish(ActionOutcome::failed);
  w.pass(30s);
  w.finish(ActionOutcome::ok);
  w.see(State::degraded);  // up again, though not with all it had
  CHECK(w.phase() == "cooldown");
  CHECK(w.view().last_end == "recovered by restart_unit app.service");
  CHECK_FALSE(w.incident()->needs_human);
}

TEST_CASE("ladder: a trigger on degraded wants it healthy again") {
  LadderPolicy ladder = database_ladder();
  ladder.when.state = State::degraded;
  LadderWorld w({ladder});
  w.see(State::degraded);
  w.pass(15s);
  REQUIRE(w.steps.size() == 1);
  w.finish(ActionOutcome::ok);
  w.see(State::unhealthy);  // worse counts too
  CHECK(w.phase() == "verifying");
  w.see(State::degraded);
  CHECK(w.phase() == "verifying");
  w.see(State::healthy);
  CHECK(w.phase() == "cooldown");
}

TEST_CASE("ladder: retries are at once, of a step that failed and never of one that is unknown") {
  LadderPolicy ladder = database_ladder();
  ladder.steps[0].retries = 2;
  LadderWorld w({ladder});
  w.trigger();
  w.finish(ActionOutcome::failed);
  REQUIRE(w.steps.size() == 2);
  CHECK(w.steps[1].step == 0);
  CHECK(w.steps[1].attempt == 2);
  CHECK(w.steps[1].id != w.steps[0].id);
  SECTION("the second try fails too") {
    w.finish(ActionOutcome::failed);
    CHECK(w.steps.size() == 3);
    w.finish(ActionOutcome::failed);
    CHECK(w.steps.size() == 3);
    w.pass(30s);
    REQUIRE(w.steps.size() == 4);
    CHECK(w.steps[3].step == 1);
    CHECK(w.steps[3].attempt == 1);
  }
  SECTION("the second try is unknown: looked at, then the next step") {
    w.finish(ActionOutcome::unknown);
    CHECK(w.phase() == "verifying");
    w.pass(60s);
    REQUIRE(w.steps.size() == 3);
    CHECK(w.steps[2].step == 1);
  }
}

TEST_CASE("ladder: a step that is unknown may have healed") {
  LadderWorld w;
  w.trigger();
  w.finish(ActionOutcome::unknown, "no answer");
  w.pass(10s);
  w.see(State::healthy);
  CHECK(w.view().last_end == "recovered by reconnect bud");
  CHECK(w.steps.size() == 1);
}

TEST_CASE("ladder: recovery in the middle of a step lets it end, and no other begins") {
  LadderWorld w;
  w.trigger();
  w.see(State::healthy);
  CHECK(w.phase() == "step");
  SECTION("it ends ok") {
    w.finish(ActionOutcome::ok);
    CHECK(w.view().last_end == "recovered by reconnect bud");
  }
  SECTION("it ends failed") {
    w.finish(ActionOutcome::failed);
    CHECK(w.view().last_end == "recovered on its own after reconnect bud");
  }
  w.pass(10min);
  CHECK(w.steps.size() == 1);
  CHECK(w.phase() == "idle");
}

TEST_CASE("ladder: a second trigger during a run is recorded and skipped") {
  LadderWorld w;
  w.trigger();
  w.see(State::healthy);
  w.see(State::unhealthy);
  w.pass(15s);
  CHECK(w.steps.size() == 1);
  CHECK(w.view().skipped == 1);
  CHECK(w.recorded("triggered again while a run is under way: skipped"));
  w.pass(1s);
  CHECK(w.view().skipped == 1);  // once each trigger
}

TEST_CASE("ladder: it recovers by itself between two steps") {
  LadderWorld w;
  w.trigger();
  w.finish(ActionOutcome::failed);
  w.pass(10s);
  w.see(State::healthy);
  CHECK(w.view().last_end == "recovered on its own after reconnect bud");
  w.pass(1min);
  CHECK(w.steps.size() == 1);
}

TEST_CASE("ladder: a step that hangs past its deadline is unknown; its late end is written down") {
  LadderWorld w;
  w.trigger();
  const RunStep first = w.steps[0];
  w.pass(29900ms);
  CHECK(w.phase() == "step");
  w.pass(100ms);  // 20 s of its own and 10 s of grace
  CHECK(w.phase() == "verifying");
  CHECK(w.incident()->attempts.at(0).outcome == ActionOutcome::unknown);
  w.pass(60s);
  REQUIRE(w.steps.size() == 2);
  w.recovery.take(w.context(), w.look(),
                  StepFinished{first.id, first.ladder, ActionOutcome::ok, "at last"});
  w.settle();
  CHECK(w.phase() == "step");  // the second is not taken for ended
  CHECK(w.recorded("reconnect bud ended late: ok, at last"));
  CHECK(w.incident()->notes.back().text == "reconnect bud ended late: ok, at last");
}

TEST_CASE("ladder: without steps it goes straight to a human") {
  LadderPolicy ladder = database_ladder();
  ladder.steps.clear();
  LadderWorld w({ladder});
  w.trigger();
  CHECK(w.phase() == "exhausted");
  CHECK(w.incident()->needs_human);
  CHECK(w.incident()->told.size() == 1);
  w.see(State::healthy);
  CHECK(w.phase() == "cooldown");
  w.pass(10min);
  CHECK(w.phase() == "idle");
}

TEST_CASE("ladder: a wait and a message are passed on, and are not verified") {
  LadderPolicy ladder = database_ladder();
  StepPolicy wait = step_of(StepKind::wait, "");
  wait.hold = 45s;
  ladder.steps = {step_of(StepKind::notify, "oncall"), wait, step_of(StepKind::exec, "clean")};
  LadderWorld w({ladder});
  w.trigger();
  CHECK(w.steps.size() == 1);
  w.finish(ActionOutcome::ok);
  CHECK(w.phase() == "waiting");
  CHECK(w.view().step_text == "wait 45s");
  SECTION("it is still failing") {
    CHECK(w.begins_after(45s));
    CHECK(w.step_words() == Words{"notify oncall", "exec clean"});
  }
  SECTION("it recovers while waiting") {
    w.pass(10s);
    w.see(State::healthy);
    CHECK(w.view().last_end == "recovered on its own after notify oncall");
  }
  SECTION("the daemon ends while waiting") {
    w.pass(40s);
    w.restart();
    w.see(State::unhealthy);
    w.pass(4900ms);
    CHECK(w.phase() == "waiting");
    w.pass(10100ms);  // the trigger must hold anew
    CHECK(w.steps.size() == 2);
  }
}

TEST_CASE("ladder: a question is answered by a person") {
  LadderPolicy ladder = database_ladder();
  StepPolicy ask = step_of(StepKind::approve, "Restart the application?");
  ask.hold = 20min;
  ladder.steps = {ask, step_of(StepKind::restart_unit, "app.service")};
  LadderWorld w({ladder});
  w.trigger();
  CHECK(w.phase() == "approval");
  CHECK(w.view().approval != ActionId{});
  CHECK(w.incident()->needs_human);
  CHECK(w.incident()->asked ==
        "Restart the application? (`pointsman approve 1` or `pointsman refuse 1` within 20m)");
  CHECK(w.incident()->severity == Severity::warning);
  SECTION("approved") {
    CHECK(w.answer(true));
    CHECK(w.step_words() == Words{"restart_unit app.service"});
    CHECK_FALSE(w.incident()->needs_human);
    CHECK(w.incident()->attempts.at(0).message == "approved by uid 1000");
    CHECK_FALSE(w.answer(true));  // nothing waits any more
  }
  SECTION("refused: what was asked about is not done") {
    CHECK(w.answer(false));
    CHECK(w.phase() == "exhausted");
    CHECK(w.view().last_end == "exhausted: \"Restart the application?\" was refused by uid 1000");
    w.pass(9min);
    CHECK(w.steps.empty());
  }
  SECTION("nobody answers") {
    w.pass(20min);
    CHECK(w.phase() == "exhausted");
    CHECK(w.steps.empty());
  }
  SECTION("it recovers meanwhile: nothing is asked any more") {
    w.see(State::healthy);
    CHECK(w.phase() == "cooldown");
    CHECK_FALSE(w.incident()->needs_human);
  }
  SECTION("after a restart it is still asked, until the same instant") {
    w.pass(15min);
    w.restart();
    w.see(State::unhealthy);
    CHECK(w.phase() == "approval");
    CHECK(w.view().approval == ActionId{1});
    w.pass(4min);
    CHECK(w.phase() == "approval");
    w.pass(1min);
    CHECK(w.phase() == "exhausted");
  }
}

TEST_CASE("ladder: each step has its own verify_within") {
  LadderPolicy ladder = database_ladder();
  ladder.steps[0].verify_within = 5s;
  LadderWorld w({ladder});
  w.trigger();
  w.finish(ActionOutcome::ok);
  w.pass(4900ms);
  CHECK(w.phase() == "verifying");
  w.pass(100ms);
  CHECK(w.phase() == "retry_wait");
}

TEST_CASE("ladder: while the subject is not known the verdict of a verification waits") {
  LadderWorld w;
  w.trigger();
  w.finish(ActionOutcome::ok);
  w.see(State::unknown);
  w.pass(1h);
  CHECK(w.phase() == "verifying");
  SECTION("well") {
    w.see(State::healthy);
    CHECK(w.phase() == "cooldown");
  }
  SECTION("failing") {
    w.see(State::unhealthy);
    CHECK(w.phase() == "retry_wait");
  }
}

TEST_CASE("ladder: no human is called while the subject is not known") {
  LadderPolicy ladder = database_ladder();
  ladder.steps.resize(1);
  LadderWorld w({ladder});
  w.trigger();
  w.see(State::unknown);
  w.finish(ActionOutcome::failed);
  w.pass(1h);
  CHECK(w.phase() == "retry_wait");
  CHECK_FALSE(w.incident()->needs_human);
  w.see(State::unhealthy);
  CHECK(w.phase() == "exhausted");
}
