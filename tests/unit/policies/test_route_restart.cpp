// What a route's keeper still knows after a restart: how far the lost primary had written, and when
// the route was last switched.
#include <catch2/catch.hpp>

#include "policies/simulation/replay_memory.hpp"
#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;
using Catch::Contains;

namespace {

constexpr std::uint64_t last_written = 90'000'000;

PolicySet driving(Lag max_lag = std::uint64_t{1} << 20) {
  PolicySet set = bud_policy();
  PromotePolicy promote;
  promote.when = {"primary_dead", "primary_frozen"};
  promote.max_lag = max_lag;
  promote.sole_promoter = true;
  set.routes[RouteName("bud")].promote = promote;
  return set;
}

/// One life of a daemon; what it would have written down is in `journal`.
struct Life : World {
  ReplayMemory journal;

  Life() {
    on_effect = [this](const Effect& effect) { journal.take(effect); };
    set_up_bud();
    set("primary", primary_at(last_written));
    set("replica-1", standby_at(last_written, true));
    set("replica-2", standby_at(last_written, true));
  }
  void all_fail() {
    for (const char* name : {"primary", "replica-1", "replica-2"}) {
      set(name, fail(Reason::connect_refused));
    }
  }
  /// The primary is dead, and this is what the standbys have received.
  void wake_up(const PolicySet& policy, const MemoryRestored& memory, std::uint64_t received) {
    set("primary", fail(Reason::connect_refused));
    set("replica-1", standby_at(received));
    set("replica-2", standby_at(received));
    load(policy);
    give(memory);
    pass_time(20s);
  }
  std::string lag() {
    const auto guards = route("bud").guards;
    return guards[static_cast<std::size_t>(GuardName::lag)].value;
  }
  std::ptrdiff_t written_down(const std::string& route) const {
    return std::count_if(records.begin(), records.end(), [&](const Record& record) {
      const auto* memory = std::get_if<RouteMemory>(&record.memory);
      return memory != nullptr && memory->route.text == route;
    });
  }
  bool has_denied(const std::string& guard) const {
    return std::any_of(records.begin(), records.end(), [&](const Record& record) {
      return record.kind == RecordKind::denied &&
             record.text.find("guard " + guard) != std::string::npos;
    });
  }
};

/// Killed after its primary and both standbys were lost at once, and the incident was opened.
MemoryRestored memory_of_a_loss(const PolicySet& policy) {
  Life life;
  life.load(policy);
  life.pass_time(90s);
  life.all_fail();
  life.pass_time(10s);
  return life.journal.restored();
}

const RouteMemory& memory_of(const MemoryRestored& memory, const std::string& route) {
  const auto found = std::find_if(memory.routes.begin(), memory.routes.end(),
                                  [&](const RouteMemory& one) { return one.route.text == route; });
  REQUIRE(found != memory.routes.end());
  return *found;
}

}  // namespace

TEST_CASE("the last position of a primary that fails is written down, once") {
  Life life;
  life.load(driving());
  life.pass_time(90s);
  const auto before = life.written_down("bud");
  life.pass_time(10min);
  CHECK(life.written_down("bud") == before);  // all is well: nothing to write
  life.all_fail();
  life.pass_time(10min);
  CHECK(life.written_down("bud") == before + 1);
  const MemoryRestored memory = life.journal.restored();
  const RouteMemory& bud = memory_of(memory, "bud");
  REQUIRE(bud.last_seen);
  CHECK(bud.last_seen->position == last_written);
  CHECK(bud.last_seen->at < life.now - 10min);
  CHECK_FALSE(bud.last_switch);
  CHECK_FALSE(memory_of(memory, "bud_ro").last_seen);  // two targets have no one position
}

TEST_CASE("restarted while the primary is dead: a standby that lags is not promoted") {
  const MemoryRestored memory = memory_of_a_loss(driving());
  Life next;
  next.wake_up(driving(), memory, last_written - 30'000'000);
  CHECK(next.promotions.empty());
  CHECK(next.route("bud").diagnosis == "no_candidate");
  CHECK_THAT(next.route("bud").why, Contains("30000000 bytes"));
  CHECK(next.lag() == "30000000 bytes missing");
  CHECK(next.incidents.begin()->second.needs_human);
}

TEST_CASE("restarted while the primary is dead: one that has nearly all is, and the loss is told") {
  const MemoryRestored memory = memory_of_a_loss(driving());
  Life next;
  next.promotion_lsn = last_written - 100;
  next.wake_up(driving(), memory, last_written - 100);
  REQUIRE(next.promotions.size() == 1);
  const Incident& incident = next.incidents.begin()->second;
  REQUIRE(incident.rpo);
  CHECK(incident.rpo->lower_bytes == 100);
  CHECK_FALSE(incident.rpo->upper_bytes);  // nobody knows how fast it went on writing
  CHECK(incident.rpo->old_last_lsn == last_written);
}

TEST_CASE("restarted, with a limit in time: whoever lacks anything of what was seen lags") {
  const PolicySet policy = driving(Duration{10s});
  const MemoryRestored memory = memory_of_a_loss(policy);
  Life behind;
  behind.wake_up(policy, memory, last_written - 1);
  CHECK(behind.promotions.empty());
  CHECK(behind.route("bud").diagnosis == "no_candidate");
  Life current;
  current.wake_up(policy, memory, last_written);
  CHECK(current.promotions.size() == 1);
}

TEST_CASE("a primary that nobody ever saw: nothing to measure against, which the guard says") {
  MemoryRestored memory;
  memory.routes = {{RouteName("bud"), {ProbeName("primary")}, "S", 1, 1}};
  Life next;
  next.promotion_takes = 1min;
  next.wake_up(driving(), memory, 5);
  CHECK(next.lag() == "last position not known");
  CHECK(next.promotions.size() == 1);
  CHECK(next.incidents.begin()->second.rpo == std::nullopt);
}

TEST_CASE("what was last seen counts only of the one target that the route still leads to") {
  MemoryRestored memory = memory_of_a_loss(driving());
  SECTION("it is no candidate any more") {
    memory.routes[0].targets = {ProbeName("primary-2")};
  }
  SECTION("there were two") {
    memory.routes[0].targets = {ProbeName("primary"), ProbeName("replica-1")};
  }
  REQUIRE(memory.routes[0].route.text == "bud");
  Life next;
  next.promotion_takes = 1min;
  next.wake_up(driving(), memory, 5);
  CHECK(next.lag() == "last position not known");
}

TEST_CASE("the hold-down of a switch that had no incident outlives a restart") {
  const Duration later_by = GENERATE(Duration{0s}, Duration{24h});  // the clock was set back a day
  PolicySet policy = driving();
  policy.routes[RouteName("bud")].hold_down = 60s;
  Life life;
  life.load(policy);
  life.pass_time(90s);
  SwitchRequested ask;
  ask.request = RequestId{1};
  ask.route = RouteName("bud");
  ask.to = ProbeName("replica-1");
  ask.unfenced = true;
  life.give(ask);
  life.pass_time(5s);
  REQUIRE(life.switchovers.size() == 1);
  MemoryRestored memory = life.journal.restored();
  for (const auto& incident : memory.incidents) {
    UNSCOPED_INFO(incident->subject << " " << incident->cause << ": " << incident->why);
    CHECK(incident->subject != "route:bud");  // a planned switch is no failure
  }
  REQUIRE(memory.routes[0].last_switch);
  *memory.routes[0].last_switch += later_by;

  Life next;
  next.now = life.now;
  next.lead("bud", 5002);
  Finding follower = standby_at(last_written);
  std::get<PostgresFacts>(follower.facts).timeline = 2;
  next.set("primary", fail(Reason::connect_refused));
  next.set("replica-1", fail(Reason::connect_refused));
  next.set("replica-2", follower);
  next.load(policy);
  next.give(memory);
  next.pass_time(40s);
  CHECK(next.promotions.empty());
  CHECK(next.has_denied("hold_down"));
  next.pass_time(40s);
  CHECK(next.promotions.size() == 1);
}

TEST_CASE("a Redis offset of a failure that is over is not believed: it may have begun anew") {
  PolicySet policy;
  std::uint16_t port = 6001;
  for (const char* name : {"redis-a", "redis-b"}) {
    policy.probes[ProbeName(name)] = probe_policy(name, ProbeKind::redis, port++);
  }
  RoutePolicy cache;
  cache.name = RouteName("cache");
  cache.via = {ViaKind::haproxy};
  cache.candidates = {ProbeName("redis-a"), ProbeName("redis-b")};
  cache.require = Require::master;
  cache.promote = PromotePolicy{};
  cache.promote->when = {"master_dead"};
  cache.fingerprint = "cache";
  policy.routes[cache.name] = cache;

  MemoryRestored memory;
  RouteMemory before;
  before.route = cache.name;
  before.targets = {ProbeName("redis-a")};
  before.last_seen = SeenPosition{last_written, MonoTime{1s}};
  memory.routes = {before};
  Incident failure;
  failure.id = IncidentId{1};
  failure.subject = "route:cache";
  failure.old_target = "redis-a";
  const bool goes_on = GENERATE(true, false);
  if (!goes_on) {
    failure.state = IncidentState::closed;
    failure.closed_at = MonoTime{2s};
  }
  memory.incidents = {std::make_shared<const Incident>(failure)};
  memory.last_incident = 1;

  World w;
  w.answers[ProbeName("redis-a")] = fail(Reason::connect_refused);
  w.answers[ProbeName("redis-b")] = replica(false, 1000);
  w.lead("cache", 6001);
  w.load(policy);
  w.give(memory);
  w.pass_time(20s);
  CHECK(w.promotions.size() == (goes_on ? 0U : 1U));
}
