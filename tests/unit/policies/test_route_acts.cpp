// What a person is shown before a switch, what a restart knows of Redis masters, and when a switch
// reached what it was for.
#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;
using Catch::Contains;

namespace {

PolicySet cache_policy() {
  PolicySet set;
  std::uint16_t port = 6001;
  for (const char* name : {"redis-a", "redis-b"}) {
    set.probes[ProbeName(name)] = probe_policy(name, ProbeKind::redis, port++);
  }
  RoutePolicy cache;
  cache.name = RouteName("cache");
  cache.via = {ViaKind::haproxy};
  cache.candidates = {ProbeName("redis-a"), ProbeName("redis-b")};
  cache.require = Require::master;
  cache.promote = PromotePolicy{};
  cache.promote->when = {"master_dead", "master_frozen"};
  cache.fingerprint = "cache";
  set.routes[cache.name] = cache;
  return set;
}

struct Cache : World {
  explicit Cache(std::uint16_t leads_to) {
    answers[ProbeName("redis-a")] = master();
    answers[ProbeName("redis-b")] = replica();
    lead("cache", leads_to);
  }
  std::string target() { return route("cache").targets.at(0).text; }
  /// As the journal has it last.
  RouteMemory memory() {
    for (auto it = records.rbegin(); it != records.rend(); ++it) {
      if (const auto* found = std::get_if<RouteMemory>(&it->memory)) return *found;
    }
    return {};
  }
};

std::string all_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("a dry run that is refused shows why, the plan and every guard") {
  World w;
  w.answers[ProbeName("primary")] = primary(1);
  w.answers[ProbeName("replica-1")] = standby();
  w.answers[ProbeName("replica-2")] = standby();
  w.lead("bud", 5001);
  w.lead("bud_ro", 5002);
  w.load(bud_policy());
  w.pass_time(90s);
  SwitchRequested ask;
  ask.request = RequestId{1};
  ask.route = RouteName("bud");
  ask.to = ProbeName("replica-1");
  ask.dry_run = true;
  w.give(ask);
  const RequestView seen = w.see()->requests.at(RequestId{1});
  CHECK(seen.state == RequestState::refused);
  const std::string text = all_of(seen.lines);
  CHECK_THAT(text, Contains("dry run: nothing is done"));
  CHECK_THAT(text, Contains("refused: primary is alive"));
  CHECK_THAT(text, Contains("4. promote replica-1"));
  for (const Guard& guard : w.route("bud").guards) {
    CHECK_THAT(text, Contains("guard " + std::string(guard.name) + ": "));
  }
  w.pass_time(5s);
  CHECK(w.switchovers.empty());
}

TEST_CASE("a master that a promotion replaced is known as such before the route leads elsewhere") {
  Cache w(6001);
  w.load(cache_policy());
  w.pass_time(90s);
  w.switch_outcome = ActionOutcome::failed;  // the daemon dies before HAProxy is switched
  w.pooler_takes_switches = false;
  w.set("redis-a", fail(Reason::connect_refused));
  w.set("redis-b", replica(false));
  w.pass_time(5s);
  REQUIRE(w.promotions.size() == 1);
  const RouteMemory memory = w.memory();
  CHECK(memory.replaced == std::vector{ProbeName("redis-a")});

  Cache next(6001);
  next.set("redis-a", fail(Reason::connect_refused));
  next.set("redis-b", master());
  next.load(cache_policy());
  MemoryRestored restored;
  restored.routes = {memory};
  next.give(restored);
  next.pass_time(10s);
  CHECK(next.target() == "redis-b");
  next.set("redis-a", master());  // it returns, and takes itself for the master
  next.pass_time(10s);
  CHECK(next.promotions.empty());
  REQUIRE(next.demotions.size() == 1);
  CHECK(next.demotions[0].server.probe.text == "redis-a");
  CHECK(next.target() == "redis-b");
}

TEST_CASE("a master that follows again is no replaced one, also after a restart") {
  Cache w(6002);
  w.set("redis-a", replica());
  w.set("redis-b", master());
  w.load(cache_policy());
  MemoryRestored restored;
  RouteMemory before;
  before.route = RouteName("cache");
  before.targets = {ProbeName("redis-b")};
  before.replaced = {ProbeName("redis-a")};
  restored.routes = {before};
  w.give(restored);
  w.pass_time(5s);
  CHECK(w.memory().replaced.empty());
}

TEST_CASE(
    "an old master that returns is left alone while what is automatic is held, and that is told") {
  Cache w(6001);
  w.load(cache_policy());
  w.pass_time(90s);
  w.set("redis-a", fail(Reason::connect_refused));
  w.set("redis-b", replica(false));
  w.pass_time(10s);
  REQUIRE(w.target() == "redis-b");
  std::string guard;
  std::function<void()> release;
  SECTION("maintenance") {
    guard = "maintenance";
    w.give(FlagSet{FlagName("maintenance"), true, "patching", "uid 0", std::nullopt});
    release = [&] { w.give(FlagSet{FlagName("maintenance"), false, "", "uid 0", std::nullopt}); };
  }
  SECTION("paused") {
    guard = "paused";
    w.give(AutomationSet{true, "upgrade", "uid 0", std::nullopt});
    release = [&] { w.give(AutomationSet{}); };
  }
  SECTION("observe") {
    guard = "mode";
    PolicySet observing = cache_policy();
    observing.mode = Mode::observe;
    w.load(observing);
    release = [&] { w.load(cache_policy()); };
  }
  SECTION("a Sentinel that would do it, too") {
    guard = "sentinel";
    Finding watched = master();
    std::get<RedisFacts>(watched.facts).sentinels = 1;
    w.set("redis-b", watched);
    w.pass_time(10s);  // seen
    release = [&] { w.set("redis-b", master()); };
  }
  w.set("redis-a", master());
  w.pass_time(1min);
  CHECK(w.demotions.empty());
  CHECK(w.route("cache").diagnosis == "old_master_back");
  const auto told = std::count_if(w.records.begin(), w.records.end(), [&](const Record& record) {
    return record.kind == RecordKind::denied &&
           record.text.find("demotion of redis-a held by guard " + guard) == 0;
  });
  CHECK(told == 1);
  release();
  w.pass_time(10s);
  REQUIRE(w.demotions.size() == 1);
  CHECK(w.demotions[0].server.probe.text == "redis-a");
}

TEST_CASE("an old master that returns is looked at again after a distrust before it is demoted") {
  Cache w(6001);
  w.load(cache_policy());
  w.pass_time(90s);
  w.set("redis-a", fail(Reason::connect_refused));
  w.set("redis-b", replica(false));
  w.pass_time(10s);
  REQUIRE(w.target() == "redis-b");
  w.latency[ProbeName("redis-b")] = 1s;  // the last one to be seen again
  w.on_effect = [&](const Effect& effect) {
    if (!std::holds_alternative<DemoteServer>(effect)) return;
    const Guard& guard =
        w.route("cache").guards[static_cast<std::size_t>(GuardName::self_distrust)];
    CHECK(guard.allow);
  };
  w.set("redis-a", master());
  w.give(LoopDistrusted{2s, 0s, 0s});
  w.pass_time(20s);
  CHECK(w.demotions.size() == 1);
}

TEST_CASE("T7 to T9 are when the switch reached them, not when it had tidied up") {
  SwitchTimes one, other;
  one.in_effect = MonoTime{5s};
  one.verified = MonoTime{6s};
  other.in_effect = MonoTime{7s};
  other.old_gone = MonoTime{1s};
  CHECK(last_of(one, other).in_effect == MonoTime{7s});
  CHECK_FALSE(last_of(one, other).old_gone);
  CHECK_FALSE(last_of(one, other).verified);

  Cache w(6001);
  w.load(cache_policy());
  w.pass_time(90s);
  w.switch_takes = 900ms;
  w.tells_times = true;
  w.set("redis-a", fail(Reason::connect_refused));
  w.set("redis-b", replica(false));
  w.pass_time(10s);
  REQUIRE(w.incidents.size() == 1);
  const Incident& incident = w.incidents.begin()->second;
  REQUIRE(incident.mark(Mark::verified));
  REQUIRE(incident.attempts.size() == 2);
  const MonoTime asked = incident.attempts.back().at;
  CHECK(*incident.mark(Mark::in_effect) == asked + 10ms);
  CHECK(*incident.mark(Mark::old_gone) == asked + 20ms);
  CHECK(*incident.mark(Mark::verified) == asked + 30ms);
  CHECK(incident.attempts.back().took == 900ms);
}
