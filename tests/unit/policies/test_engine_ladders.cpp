// Ladders in the engine: its own steps, the shell's steps, the end of both.
#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

struct Ladder : World {
  Ladder() {
    PolicySet set;
    set.probes[ProbeName("redis")] = probe_policy("redis", ProbeKind::http);
    ServicePolicy cache;
    cache.name = ServiceName("cache");
    cache.members = {ProbeName("redis")};
    set.services[cache.name] = cache;
    LadderPolicy ladder;
    ladder.name = LadderName("cache");
    ladder.when = {ServiceName("cache"), State::unhealthy, 5s};
    StepPolicy flag;
    flag.kind = StepKind::set_flag;
    flag.name = "caching_off";
    flag.until_recovered = true;
    StepPolicy restart;
    restart.kind = StepKind::restart_unit;
    restart.name = "redis.service";
    ladder.steps = {flag, restart};
    ladder.verify_within = 20s;
    ladder.retry_after = 10s;
    ladder.escalate = {NotifierName("oncall")};
    ladder.fingerprint = "cache";
    set.recovery[ladder.name] = ladder;
    NotifierPolicy oncall;
    oncall.name = NotifierName("oncall");
    set.notify[oncall.name] = oncall;
    load(set);
    pass_time(30s);
  }
  std::string phase() { return see()->ladders.at(LadderName("cache")).phase; }
};

}  // namespace

TEST_CASE("a ladder sets its flag, restarts the unit, sees it well, and clears the flag") {
  Ladder w;
  CHECK(w.phase() == "idle");
  w.answers[ProbeName("redis")] = fail(Reason::connect_refused);
  w.on_step = [&](const RunStep&) { w.answers[ProbeName("redis")] = pass(); };
  w.pass_time(20s);
  CHECK(w.flags[FlagName("caching_off")]);
  CHECK(w.steps.empty());  // the flag did not help, and is verified first
  w.pass_time(60s);
  REQUIRE(w.steps.size() == 1);
  CHECK(w.steps[0].policy.name == "redis.service");
  CHECK_FALSE(w.flags[FlagName("caching_off")]);
  CHECK(w.alerts.empty());
  REQUIRE(w.incidents.size() == 1);
  CHECK(w.incidents.begin()->second.state == IncidentState::closed);
  CHECK(w.incidents.begin()->second.attempts.size() == 2);
}

TEST_CASE("a ladder whose steps do not help calls a human once, and the alert ends by itself") {
  Ladder w;
  w.answers[ProbeName("redis")] = fail(Reason::connect_refused);
  w.pass_time(3min);
  CHECK(w.phase() == "exhausted");
  REQUIRE(w.incidents.size() == 1);
  CHECK(w.incidents.begin()->second.needs_human);
  CHECK(w.incidents.begin()->second.severity == Severity::critical);
  REQUIRE_FALSE(w.alerts.empty());
  CHECK(w.alerts.back().state == AlertState::firing);
  const std::size_t steps = w.steps.size();
  w.pass_time(5min);
  CHECK(w.steps.size() == steps);  // nothing automatic before the cool-down ends
  w.answers[ProbeName("redis")] = pass();
  w.pass_time(1min);
  CHECK(w.alerts.back().state == AlertState::resolved);
  CHECK_FALSE(w.flags[FlagName("caching_off")]);
}

TEST_CASE("a ladder starts nothing while a person has paused, or in observe mode") {
  Ladder w;
  w.give(AutomationSet{true, "", "uid 0", std::nullopt});
  w.answers[ProbeName("redis")] = fail(Reason::connect_refused);
  w.pass_time(5min);
  CHECK(w.steps.empty());
  CHECK_FALSE(w.flags[FlagName("caching_off")]);
}
