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

/// `site` rests on the route bud and on a program of its own; its ladder has one step and a human.
struct Site : World {
  const LadderName name{"site"};

  Site() {
    serve();
    PolicySet set = bud_policy();
    set.routes.erase(RouteName("bud_ro"));
    set.services.clear();
    set.probes[ProbeName("app")] = probe_policy("app", ProbeKind::http);
    ServicePolicy site;
    site.name = ServiceName("site");
    site.members = {RouteName("bud"), ProbeName("app")};
    site.need = 2;
    set.services[site.name] = site;
    LadderPolicy ladder;
    ladder.name = name;
    ladder.when = {ServiceName("site"), State::unhealthy, 5s};
    StepPolicy restart;
    restart.kind = StepKind::restart_unit;
    restart.name = "app.service";
    ladder.steps = {restart};
    ladder.verify_within = 30s;
    ladder.escalate = {NotifierName("oncall")};
    ladder.fingerprint = "site";
    set.recovery[ladder.name] = ladder;
    set.notify[NotifierName("oncall")] = {NotifierName("oncall"), false, false};
    lead("bud", 5001);
    load(std::move(set));
    pass_time(90s);
  }
  void serve() {
    answers[ProbeName("primary")] = primary(1);
    answers[ProbeName("replica-1")] = answers[ProbeName("replica-2")] = standby();
  }
  void fail_all() {
    for (auto& [probe, answer] : answers) answer = fail(Reason::connect_refused);
  }
  LadderView ladder() { return see()->ladders.at(name); }
  const Incident& incident_of(const std::string& subject) {
    for (const auto& [id, incident] : incidents) {
      if (incident.subject == subject) return incident;
    }
    FAIL("there is no incident of " << subject);
    return incidents.begin()->second;
  }
  /// The route's incident is over, and what is left to say is said in the service's.
  void check_called() {
    REQUIRE(ladder().phase == "exhausted");
    CHECK(incident_of("route:bud").state == IncidentState::closed);
    const Incident& open = incident_of("site");
    CHECK(open.state == IncidentState::open);
    CHECK(open.needs_human);
    CHECK(open.severity == Severity::critical);
    REQUIRE_FALSE(alerts.empty());
    CHECK(alerts.back().incident == open.id);
    CHECK(alerts.back().state == AlertState::firing);
    const std::size_t taken = steps.size();
    give(IncidentAcknowledged{open.id, "uid 1000", ""});
    CHECK(ladder().phase == "triggered");
    pass_time(10s);
    CHECK(steps.size() == taken + 1);
  }
};

}  // namespace

TEST_CASE("a human is called though the incident of the run closed during its last step") {
  Site w;
  w.fail_all();
  w.on_step = [&](const RunStep&) { w.serve(); };  // all but app
  w.pass_time(90s);
  w.check_called();
}

TEST_CASE("a human who was called in an incident that closes is called in the next one") {
  Site w;
  w.fail_all();
  w.pass_time(90s);
  REQUIRE(w.ladder().phase == "exhausted");
  REQUIRE(w.incidents.size() == 1);
  CHECK(w.incident_of("route:bud").needs_human);
  w.serve();
  w.pass_time(30s);
  w.check_called();
}

TEST_CASE("a ladder waits for the probes of its subject after a distrust, not for others") {
  Ladder w;
  PolicySet set = *w.see()->policy;
  ProbePolicy slow = probe_policy("slow", ProbeKind::http);
  slow.interval = slow.down_interval = slow.fast_interval = 1h;
  set.probes[slow.name] = slow;
  w.load(std::move(set));
  w.pass_time(10s);
  w.answers[ProbeName("redis")] = fail(Reason::connect_refused);
  w.give(LoopDistrusted{2s, 0s, 0s});
  w.pass_time(1min);
  CHECK(w.see()->distrusted);  // `slow` has not run since
  CHECK(w.steps.size() == 1);
  CHECK(w.flags[FlagName("caching_off")]);
}

TEST_CASE("a ladder starts nothing after a distrust before its subject's probes have run") {
  Ladder w;
  w.answers[ProbeName("redis")] = fail(Reason::connect_refused);
  while (w.see()->services.at(ServiceName("cache")).state != State::unhealthy) w.pass_time(100ms);
  w.latency[ProbeName("redis")] = 1h;
  w.pass_time(4s);
  w.give(LoopDistrusted{2s, 0s, 0s});
  w.pass_time(10s);
  CHECK(w.phase() == "triggered");
  CHECK_FALSE(w.flags[FlagName("caching_off")]);
}

TEST_CASE("every step that has ended is counted by its kind, whoever ended it") {
  Ladder w;
  w.answers[ProbeName("redis")] = fail(Reason::connect_refused);
  w.step_outcome = ActionOutcome::failed;
  w.pass_time(2min);
  REQUIRE(w.phase() == "exhausted");
  using Key = std::pair<std::string, ActionOutcome>;
  const std::map<Key, std::uint64_t> counted{{{"set_flag", ActionOutcome::ok}, 1},
                                             {{"restart_unit", ActionOutcome::failed}, 1}};
  CHECK(w.see()->actions == counted);
  w.give(StepFinished{ActionId{999}, LadderName("cache"), ActionOutcome::ok, ""});
  CHECK(w.see()->actions == counted);  // nobody asked for that
}

TEST_CASE("a notifier that a reload takes away and another puts back hears of what is open") {
  Ladder w;
  w.answers[ProbeName("redis")] = fail(Reason::connect_refused);
  w.pass_time(2min);
  REQUIRE_FALSE(w.alerts.empty());
  w.alerts.clear();
  const PolicySet with = *w.see()->policy;
  PolicySet without = with;
  without.notify.clear();
  w.load(without);
  w.pass_time(5s);
  CHECK(w.alerts.empty());
  w.load(with);
  REQUIRE(w.alerts.size() == 1);
  CHECK(w.alerts[0].state == AlertState::firing);
  w.load(with);
  w.pass_time(5s);
  CHECK(w.alerts.size() == 1);
}

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
