#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

struct Bud : World {
  Bud() {
    set_up_bud();
    load(bud_policy());
    pass_time(20s);
    switches.clear();
    records.clear();
  }
  std::vector<std::string> targets(const char* name) {
    std::vector<std::string> names;
    for (const ProbeName& t : route(name).targets) names.push_back(t.text);
    return names;
  }
};
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("what is in effect is adopted, proven and left alone") {
  Bud w;
  CHECK(w.targets("bud") == Names{"primary"});
  CHECK(w.route("bud").in_effect);
  CHECK(w.route("bud").state == State::healthy);
  CHECK(w.route("bud").diagnosis == "ok");
  CHECK(w.targets("bud_ro") == Names{"replica-1", "replica-2"});
  CHECK(w.route("bud_ro").state == State::healthy);
  CHECK(w.see()->overall == State::healthy);
  w.pass_time(10min);
  CHECK(w.switches.empty());
}

TEST_CASE("a promoted standby is followed at once after one failure of the old primary") {
  Bud w;
  w.set("primary", fail(Reason::connect_refused));
  w.set("replica-1", standby(false));
  w.set("replica-2", standby(false));
  w.give(SessionEnded{ProbeName("primary"), SessionEnd::lost});
  w.pass_time(500ms);
  CHECK(w.switches.empty());
  CHECK(w.route("bud").diagnosis == "primary_failing");
  CHECK(w.route("bud").state == State::healthy);  // not yet settled
  w.set("replica-1", primary(2));
  w.pass_time(1100ms);
  REQUIRE(w.switches.size() >= 1);
  CHECK(w.switches[0].route.text == "bud");
  CHECK(w.switches[0].cause == SwitchCause::follow);
  CHECK(w.switches[0].to[0].probe.text == "replica-1");
  CHECK(w.switches[0].old_targets == OldTargets::dead);
  w.pass_time(5s);
  CHECK(w.route("bud").in_effect);
  CHECK(w.targets("bud") == Names{"replica-1"});
  // and reads leave the one that is a primary now
  CHECK(w.targets("bud_ro") == Names{"replica-2"});
}

TEST_CASE("the old primary that comes back is reported and never routed to") {
  Bud w;
  w.set("primary", fail(Reason::connect_refused));
  w.set("replica-1", primary(2));
  w.pass_time(20s);
  REQUIRE(w.targets("bud") == Names{"replica-1"});
  w.switches.clear();
  w.set("primary", primary(1));
  w.pass_time(5min);
  CHECK(w.route("bud").diagnosis == "old_primary_back");
  CHECK(w.targets("bud") == Names{"replica-1"});
  CHECK(w.switches.empty());
  // not even when the new one fails
  w.set("replica-1", fail(Reason::connect_timeout));
  w.pass_time(5min);
  CHECK(w.targets("bud") == Names{"replica-1"});
}

TEST_CASE("two that take writes: held, alarmed, a person decides") {
  Bud w;
  w.set("replica-1", primary(2));
  w.pass_time(1min);
  CHECK(w.route("bud").diagnosis == "split_brain");
  CHECK(w.route("bud").state == State::degraded);
  CHECK(w.targets("bud") == Names{"primary"});
}

TEST_CASE("a primary that restarts in place moves nothing") {
  Bud w;
  w.give(SessionEnded{ProbeName("primary"), SessionEnd::administrator});
  w.set("primary", fail(Reason::connect_refused));
  w.set("replica-1", standby(false));
  w.set("replica-2", standby(false));
  w.pass_time(3s);
  CHECK(w.route("bud").diagnosis == "primary_stopping");
  w.set("primary", fail(Reason::starting));
  w.pass_time(30s);
  CHECK(w.route("bud").diagnosis == "primary_starting");
  w.set("primary", primary(1));
  w.set("replica-1", standby());
  w.set("replica-2", standby());
  w.pass_time(10s);
  CHECK(w.route("bud").diagnosis == "ok");
  CHECK(std::none_of(w.switches.begin(), w.switches.end(),
                     [](const SwitchRoute& s) { return s.route.text == "bud"; }));
}

TEST_CASE("a server of another cluster is never routed to") {
  Bud w;
  w.set("primary", fail(Reason::connect_refused));
  w.set("replica-1", primary(7, "OTHER"));
  w.pass_time(2min);
  CHECK(w.targets("bud") == Names{"primary"});
}

TEST_CASE("drift is repaired, without a hold-down") {
  Bud w;
  w.lead("bud", 5003);
  w.pass_time(10s);
  REQUIRE(w.switches.size() == 1);
  CHECK((w.switches[0].cause == SwitchCause::drift || w.switches[0].cause == SwitchCause::adopt));
  CHECK(w.switches[0].to[0].probe.text == "primary");
  CHECK(w.route("bud").in_effect);
}

TEST_CASE("a file that was edited by hand is put right though the pooler has not read it yet") {
  Bud w;
  w.pooler[RouteName("bud")].file = FileState::differs;
  w.pass_time(10s);
  REQUIRE(w.switches.size() == 1);
  CHECK(w.pooler[RouteName("bud")].file == FileState::as_wanted);
}

TEST_CASE("observe touches nothing and says what it would do") {
  World w;
  w.answers[ProbeName("primary")] = fail(Reason::connect_refused);
  w.answers[ProbeName("replica-1")] = primary(2);
  w.answers[ProbeName("replica-2")] = standby();
  w.lead("bud", 5001);
  w.lead("bud_ro", 5002);
  PolicySet set = bud_policy();
  set.mode = Mode::observe;
  w.load(set);
  w.pass_time(1min);
  CHECK(w.switches.empty());
  CHECK(std::any_of(w.records.begin(), w.records.end(), [](const Record& r) {
    return r.kind == RecordKind::denied && r.subject == "bud" &&
           r.text.find("guard mode") != std::string::npos;
  }));
}

TEST_CASE("after a stall of our own nothing moves until every candidate has run again") {
  Bud w;
  w.set("primary", fail(Reason::connect_timeout));
  w.set("replica-1", primary(2));
  w.latency[ProbeName("replica-2")] = 1500ms;
  w.now += 60s;
  w.give(LoopDistrusted{60s, {}, {}});
  w.pass_time(1s);
  CHECK(w.switches.empty());
  CHECK(w.route("bud").diagnosis == "self_suspect");
  w.pass_time(10s);
  CHECK(w.targets("bud") == Names{"replica-1"});
}

TEST_CASE(
    "reads leave a dead replica after fall, go to the writes' target when none is left, return") {
  Bud w;
  w.set("replica-1", fail(Reason::connect_refused));
  w.pass_time(6500ms);
  w.pass_time(3s);
  CHECK(w.targets("bud_ro") == Names{"replica-2"});
  CHECK(w.route("bud_ro").state == State::degraded);
  w.set("replica-2", fail(Reason::connect_refused));
  w.pass_time(12s);
  CHECK(w.targets("bud_ro") == Names{"primary"});
  CHECK(w.route("bud_ro").diagnosis == "no_replica");
  CHECK(w.route("bud_ro").state == State::degraded);
  w.set("replica-1", standby());
  w.pass_time(20s);
  CHECK(w.targets("bud_ro") == Names{"primary"});  // failback after 30 s
  w.pass_time(25s);
  CHECK(w.targets("bud_ro") == Names{"replica-1"});
}

TEST_CASE("one probe in three failing moves nothing") {
  Bud w;
  for (int i = 0; i < 60; ++i) {
    w.set("primary", i % 3 == 0 ? fail(Reason::timeout) : primary(1));
    w.pass_time(1s);
  }
  CHECK(std::none_of(w.switches.begin(), w.switches.end(),
                     [](const SwitchRoute& s) { return s.route.text == "bud"; }));
}

TEST_CASE("a switch that fails is tried again, later and later, and is said") {
  Bud w;
  w.switch_outcome = ActionOutcome::failed;
  w.pooler_takes_switches = false;
  w.set("primary", fail(Reason::connect_refused));
  w.set("replica-1", primary(2));
  w.pass_time(2min);
  int tries = 0;
  for (const SwitchRoute& s : w.switches) tries += s.route.text == "bud" ? 1 : 0;
  CHECK(tries >= 5);
  CHECK(tries <= 10);
  CHECK(w.route("bud").state == State::unhealthy);
  w.switch_outcome = ActionOutcome::ok;
  w.pooler_takes_switches = true;
  w.pass_time(35s);
  CHECK(w.route("bud").in_effect);
}

TEST_CASE("a pooler whose console is down is said, and followed anyway when the target dies") {
  Bud w;
  w.pooler[RouteName("bud")].reachable = false;
  w.pooler[RouteName("bud")].error = "console down";
  w.pass_time(20s);
  CHECK(w.route("bud").diagnosis == "pooler_dead");
  CHECK(w.route("bud").state == State::unhealthy);
  CHECK(w.switches.empty());
  w.lead("bud", 5001);
  w.pass_time(10s);
  CHECK(w.route("bud").state == State::healthy);
}

TEST_CASE("after a restart the journal's memory keeps the old primary out") {
  World w;
  w.answers[ProbeName("primary")] = primary(1);
  w.answers[ProbeName("replica-1")] = primary(2);
  w.answers[ProbeName("replica-2")] = standby();
  w.lead("bud", 5001);
  w.lead("bud_ro", 5003);
  w.load(bud_policy());
  w.give(MemoryRestored{{{RouteName("bud"), {ProbeName("replica-1")}, "S", 2, 4}}});
  w.pass_time(20s);
  CHECK(w.route("bud").targets == std::vector{ProbeName("replica-1")});
  CHECK(w.route("bud").in_effect);
  CHECK(w.pooler[RouteName("bud")].addresses == std::vector<Endpoint>{{"127.0.0.1", 5002}});
}

TEST_CASE("a reload keeps the state of unchanged probes and starts changed ones anew") {
  Bud w;
  PolicySet set = bud_policy();
  set.probes[ProbeName("replica-2")].fingerprint = "changed";
  w.load(set);
  CHECK(w.state_of("primary") == State::healthy);
  CHECK(w.state_of("replica-2") == State::unknown);
  CHECK(w.route("bud").targets == std::vector{ProbeName("primary")});
  w.pass_time(10s);
  CHECK(w.state_of("replica-2") == State::healthy);
  CHECK(w.switches.empty());
}
