// Ladders and the humans whom they call: in which incident, under which number, and again.
#include "recovery_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

LadderPolicy with_one_step() {
  LadderPolicy ladder = database_ladder();
  ladder.steps.resize(1);
  return ladder;
}

LadderPolicy asking_ladder() {
  LadderPolicy ladder = database_ladder();
  StepPolicy ask = step_of(StepKind::approve, "Restart the application?");
  ask.hold = 20min;
  ladder.steps = {ask, step_of(StepKind::restart_unit, "app.service")};
  return ladder;
}

bool asks(const std::shared_ptr<const Incident>& incident, const std::string& part) {
  return incident && incident->asked.find(part) != std::string::npos;
}

/// As a route's incident does when the route is well, whatever else of the subject still fails.
IncidentId close_incident(LadderWorld& w) {
  const IncidentId id = w.view().incident;
  w.book.close(id, w.now);
  return id;
}

void check_called_elsewhere(LadderWorld& w, IncidentId before) {
  REQUIRE(w.phase() == "exhausted");
  REQUIRE(w.incident());
  CHECK(w.incident()->id != before);
  CHECK(w.incident()->state == IncidentState::open);
  CHECK(w.incident()->needs_human);
  CHECK(w.incident()->severity == Severity::critical);
  CHECK(w.incident()->told.size() == 1);
  CHECK(asks(w.incident(), "`pointsman ack " +
                               std::to_string(static_cast<std::uint64_t>(w.incident()->id)) + "`"));
  CHECK(w.book.find(before)->told.empty());
}

}  // namespace

TEST_CASE("ladder: exhausted after its incident has closed, the human is called in the next one") {
  SECTION("its last step failed") {
    LadderWorld w({with_one_step()});
    w.trigger();
    const IncidentId before = close_incident(w);
    w.finish(ActionOutcome::failed);
    check_called_elsewhere(w, before);
    CHECK(w.incident()->notes.front().text ==
          "ladder database goes on in this incident; what it did before is in incident 1");
  }
  SECTION("it was refused") {
    LadderWorld w({asking_ladder()});
    w.trigger();
    const IncidentId before = close_incident(w);
    CHECK(w.answer(false));
    check_called_elsewhere(w, before);
    CHECK_FALSE(w.book.find(before)->needs_human);
  }
  SECTION("nobody answered") {
    LadderWorld w({asking_ladder()});
    w.trigger();
    const IncidentId before = close_incident(w);
    w.now += 20min;
    w.evaluate();
    check_called_elsewhere(w, before);
  }
}

TEST_CASE("ladder: whose incident closes while a human is waited for calls in the next one") {
  SECTION("exhausted") {
    LadderWorld w({with_one_step()});
    w.trigger();
    w.finish(ActionOutcome::failed);
    REQUIRE(w.phase() == "exhausted");
    const IncidentId before = close_incident(w);
    w.evaluate();
    CHECK(w.incident()->id != before);
    CHECK(w.incident()->needs_human);
    CHECK(w.incident()->told.size() == 1);
    w.evaluate();
    CHECK(w.book.stories().size() == 2);  // once
    w.acknowledge();
    w.pass(15s);
    CHECK(w.steps.size() == 2);
  }
  SECTION("while it asks") {
    LadderWorld w({asking_ladder()});
    w.trigger();
    const IncidentId before = close_incident(w);
    w.evaluate();
    CHECK(w.incident()->id != before);
    CHECK(asks(w.incident(), "`pointsman approve 1`"));
    CHECK(w.answer(true));
    CHECK_FALSE(w.incident()->needs_human);
  }
  SECTION("well: nobody is called any more") {
    LadderWorld w({with_one_step()});
    w.trigger();
    w.finish(ActionOutcome::failed);
    close_incident(w);
    w.see(State::healthy);
    CHECK(w.book.open_count() == 0);
  }
}

TEST_CASE("ladder: who acknowledges the incident that covers the subject now ends the hold") {
  LadderWorld w({with_one_step()});
  w.trigger();
  w.finish(ActionOutcome::failed);
  REQUIRE(w.phase() == "exhausted");
  w.recovery.acknowledge(w.context(), w.look(), IncidentId{99});
  w.settle();
  CHECK(w.phase() == "exhausted");
  close_incident(w);
  OpenIncident other;
  other.subject = "database";
  const IncidentId covering = w.book.open(w.now, other);  // before the ladder has looked again
  w.book.acknowledge(covering, {w.now, "uid 1000", ""});
  w.recovery.acknowledge(w.context(), w.look(), covering);
  w.settle();
  CHECK(w.phase() == "triggered");
}

TEST_CASE("ladder: exhausted again, an acknowledgement of the first time counts no more") {
  LadderWorld w({with_one_step()});
  w.trigger();
  w.finish(ActionOutcome::failed);
  w.acknowledge();
  const IncidentId incident = w.view().incident;
  REQUIRE(w.incident()->acknowledged);
  w.pass(15s);
  REQUIRE(w.steps.size() == 2);
  CHECK(w.incident()->acknowledged);
  w.finish(ActionOutcome::failed);
  REQUIRE(w.phase() == "exhausted");
  CHECK(w.view().incident == incident);
  CHECK_FALSE(w.incident()->acknowledged);
  w.acknowledge();
  w.pass(15s);
  CHECK(w.steps.size() == 3);
}

TEST_CASE("ladder: a question keeps its number over a restart, and no other gets it") {
  LadderWorld w({asking_ladder()});
  w.trigger();
  const ActionId number = w.view().approval;
  const std::string asked = w.incident()->asked;
  w.pass(1min);
  w.restart();
  w.see(State::unhealthy);
  CHECK(w.view().approval == number);
  CHECK(w.incident()->asked == asked);  // what stands on a page stays right
  CHECK(w.answer(true));
  w.pass(15s);
  REQUIRE(w.steps.size() == 1);
  w.finish(ActionOutcome::ok);
  w.see(State::healthy);
  REQUIRE(w.phase() == "cooldown");
  // The number of the newest step outlives its end: a later life begins above it.
  CHECK(w.memories.at(LadderName("database")).action == w.steps.back().id);
  w.pass(10min);
  CHECK(w.memories.at(LadderName("database")).action == w.steps.back().id);
}

TEST_CASE("ladder: a question whose incident was lost is asked anew, under its number") {
  LadderWorld w({asking_ladder()});
  w.trigger();
  w.book = IncidentBook{};
  w.restart();
  w.see(State::unhealthy);
  REQUIRE(w.incident());
  CHECK(w.view().approval == ActionId{1});
  CHECK(asks(w.incident(), "`pointsman approve 1`"));
}
