// The steps of ladders that the engine takes itself: draining, telling, switching; and those that
// can not be taken. Beside them, a promotion whose limit of lag is a time.
#include <algorithm>
#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

StepPolicy step(StepKind kind, const std::string& name = "") {
  StepPolicy one;
  one.kind = kind;
  one.name = name;
  if (kind == StepKind::switch_route || kind == StepKind::promote) one.route = RouteName(name);
  return one;
}

/// A ladder on the disk, beside the usual routes.
struct Ladder : World {
  explicit Ladder(std::vector<StepPolicy> taken) {
    set_up_bud();
    PolicySet set = bud_policy();
    set.probes[ProbeName("disk")] = probe_policy("disk", ProbeKind::disk);
    LadderPolicy ladder;
    ladder.name = LadderName("disk");
    ladder.when = {ProbeName("disk"), State::unhealthy, 1s};
    ladder.steps = std::move(taken);
    ladder.verify_within = ladder.retry_after = 1s;
    ladder.fingerprint = "disk";
    set.recovery[ladder.name] = ladder;
    set.notify[NotifierName("oncall")] = {NotifierName("oncall"), false, false};
    load(std::move(set));
    pass_time(90s);
    answers[ProbeName("disk")] = fail(Reason::over_threshold);
    pass_time(60s);
  }
  bool recorded(const std::string& part) const {
    return std::any_of(records.begin(), records.end(), [&](const Record& record) {
      return record.kind == RecordKind::ladder && record.text.find(part) != std::string::npos;
    });
  }
  LadderView view() { return see()->ladders.at(LadderName("disk")); }
};

}  // namespace

TEST_CASE("steps: draining takes the host out of the balancer, until a person puts it back") {
  Ladder world({step(StepKind::drain)});
  REQUIRE(world.see()->drain);
  CHECK(world.see()->drain->by == "ladder disk");
  CHECK_FALSE(world.see()->serving.ok);
  world.answers[ProbeName("disk")] = pass();
  world.pass_time(60s);
  CHECK(world.see()->drain);
  world.give(DrainSet{false, "", "uid 1000"});
  CHECK(world.see()->serving.ok);
}

TEST_CASE("steps: whom a step tells is told of the incident, and of its end") {
  Ladder world({step(StepKind::notify, "oncall")});
  REQUIRE(!world.alerts.empty());
  CHECK(world.alerts.front().notifier.text == "oncall");
  CHECK(world.alerts.front().state == AlertState::firing);
  world.answers[ProbeName("disk")] = pass();
  world.pass_time(60s);
  CHECK(world.alerts.back().state == AlertState::resolved);
}

TEST_CASE("steps: a message that comes again in the same incident is told again") {
  Ladder world({step(StepKind::notify, "oncall"), step(StepKind::exec, "clean"),
                step(StepKind::notify, "oncall")});
  REQUIRE(world.view().phase == "exhausted");  // which calls once more, at the same moment
  CHECK(world.alerts.back().summary.ends_with(" (a human is needed) [call 3]"));
  CHECK(world.alerts.front().summary.find("[call") == std::string::npos);
}

TEST_CASE("steps: a question never has the number of one of an earlier life") {
  World world;
  world.answers[ProbeName("disk")] = pass();
  PolicySet set;
  set.probes[ProbeName("disk")] = probe_policy("disk", ProbeKind::disk);
  LadderPolicy ladder;
  ladder.name = LadderName("disk");
  ladder.when = {ProbeName("disk"), State::unhealthy, 1s};
  ladder.steps = {step(StepKind::approve, "empty it?")};
  ladder.fingerprint = "disk";
  set.recovery[ladder.name] = ladder;
  world.load(std::move(set));
  LadderMemory gone;  // no longer configured
  gone.ladder = LadderName("gone");
  gone.phase = "idle";
  gone.action = ActionId{41};
  MemoryRestored memory;
  memory.ladders = {gone};
  world.give(memory);
  world.answers[ProbeName("disk")] = fail(Reason::over_threshold);
  world.pass_time(60s);
  CHECK(world.see()->ladders.at(LadderName("disk")).approval == ActionId{42});
}

TEST_CASE("steps: what can not be done fails with its reason, and the next is tried") {
  Ladder world({step(StepKind::backup, "bud"), step(StepKind::switch_route, "nowhere"),
                step(StepKind::switch_route, "bud"), step(StepKind::promote, "bud")});
  CHECK(world.recorded("no backups"));
  CHECK(world.recorded("there is no such route"));
  CHECK(world.recorded("alive and no other candidate fits"));
  CHECK(world.promotions.empty());
  CHECK(world.switchovers.empty());
  CHECK(world.view().phase == "exhausted");
}

TEST_CASE("promotion: a limit of lag in time is judged by when the position was seen") {
  for (const bool lags : {false, true}) {
    World world;
    world.answers[ProbeName("primary")] = primary_at(1000);
    world.answers[ProbeName("replica-1")] = standby();
    world.answers[ProbeName("replica-2")] = standby();
    world.lead("bud", 5001);
    PolicySet set = bud_policy();
    set.routes.erase(RouteName("bud_ro"));
    set.services[ServiceName("database")].members = {RouteName("bud")};
    set.services[ServiceName("database")].need = 1;
    PromotePolicy promote;
    promote.when = {"primary_dead"};
    promote.max_lag = Lag{Duration{10s}};
    promote.sole_promoter = true;
    set.routes[RouteName("bud")].promote = promote;
    world.load(std::move(set));
    world.pass_time(90s);
    std::uint64_t lsn = 1000;
    for (int i = 0; i < 12; ++i) {  // a minute of writes
      world.answers[ProbeName("primary")] = primary_at(lsn += 100);
      world.pass_time(5s);
    }
    const std::uint64_t received = lags ? 1000 : lsn - 100;
    world.answers[ProbeName("replica-1")] = standby_at(received);
    world.answers[ProbeName("replica-2")] = standby_at(received);
    world.answers[ProbeName("primary")] = fail(Reason::connect_refused);
    world.give(SessionEnded{ProbeName("primary"), SessionEnd::lost});
    world.pass_time(30s);
    INFO("lags " << lags << ", " << world.route("bud").diagnosis << ": " << world.route("bud").why);
    CHECK(world.promotions.size() == (lags ? 0u : 1u));
  }
}

TEST_CASE("probes: what passes later than warn_latency is a warning") {
  World world;
  PolicySet set;
  ProbePolicy slow = probe_policy("slow", ProbeKind::http);
  slow.warn_latency = 500ms;
  set.probes[slow.name] = slow;
  const MonoTime begun = world.now;
  world.load(std::move(set));
  CHECK(world.see()->probes.at(slow.name).since == begun);  // not since the machine was started
  CHECK(world.see()->overall_since == begun);
  world.pass_time(30s);
  CHECK(world.state_of("slow") == State::healthy);
  world.latency[ProbeName("slow")] = 700ms;
  world.pass_time(30s);
  CHECK(world.state_of("slow") == State::degraded);
  const auto seen = world.see();
  const auto& sample = seen->probes.at(ProbeName("slow")).sample;
  REQUIRE(sample);
  CHECK(sample->finding.reason == Reason::slow);
  CHECK(sample->finding.message.find("warns over") != std::string::npos);
  world.answers[ProbeName("slow")] = fail(Reason::timeout);
  world.pass_time(30s);
  CHECK(world.state_of("slow") == State::unhealthy);  // a failure stays one
}

TEST_CASE("probes: a late loop is told; a jump backwards counts as one forwards") {
  World world;
  world.answers[ProbeName("primary")] = primary(1);
  world.answers[ProbeName("replica-1")] = standby();
  world.answers[ProbeName("replica-2")] = standby();
  world.lead("bud", 5001);
  world.load(bud_policy());
  world.pass_time(60s);
  world.give(LoopDistrusted{distrust_limit, 0s, 0s});
  CHECK_FALSE(world.see()->distrusted);
  for (const LoopDistrusted& late : {LoopDistrusted{1s, 0s, 0s}, LoopDistrusted{0s, 1min, 0s},
                                     LoopDistrusted{0s, 0s, 1h}, LoopDistrusted{0s, 0s, -1h}}) {
    world.give(late);
    CHECK(world.see()->distrusted);
    world.pass_time(10s);
    CHECK_FALSE(world.see()->distrusted);
  }
}
