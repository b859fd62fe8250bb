// Driving: what must not be promoted, and what must not be left, though something has failed.
#include <catch2/catch.hpp>

#include "drive_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

SwitchRequested ask_for(std::uint64_t request, const char* to = "") {
  SwitchRequested ask;
  ask.request = RequestId{request};
  ask.route = RouteName("bud");
  if (*to != '\0') ask.to = ProbeName(to);
  return ask;
}

RequestView answer_of(Drive& w, std::uint64_t request) {
  return w.see()->requests.at(RequestId{request});
}

Finding replaying(std::int64_t backlog) {
  Finding finding = standby(false);
  std::get<PostgresFacts>(finding.facts).lag_bytes = backlog;
  return finding;
}

Finding delayed(std::uint64_t lsn) {
  Finding finding = standby_at(lsn);
  std::get<PostgresFacts>(finding.facts).apply_delay = Duration{1h};
  return finding;
}

Finding history(Finding finding, const std::string& id, const std::string& before = "") {
  auto& facts = std::get<RedisFacts>(finding.facts);
  facts.replid = id;
  facts.replid2 = before;
  return finding;
}

std::size_t writes_switched(const Drive& w) {
  return static_cast<std::size_t>(
      std::count_if(w.switches.begin(), w.switches.end(),
                    [](const auto& one) { return one.route.text == "bud"; }));
}

/// A primary that restarts: its session ends by its administrator, then it refuses.
void restart_in_place(Drive& w) {
  w.give(SessionEnded{ProbeName("primary"), SessionEnd::administrator});
  w.set("primary", fail(Reason::connect_refused));
  w.set("replica-1", standby(false));
  w.set("replica-2", standby(false));
}

}  // namespace

TEST_CASE("a promotion in doubt that shows where the route has been led on leaves it there") {
  Drive w;
  w.promote_outcome = ActionOutcome::unknown;
  w.kill_primary();
  w.pass_time(6s);
  REQUIRE(w.promotions.size() == 1);
  REQUIRE(w.promotions[0].to.probe.text == "replica-1");
  w.set("replica-2", primary(2));  // by a person; the route follows
  w.pass_time(2s);
  REQUIRE(w.target() == "replica-2");
  w.set("replica-1", primary(2));
  w.pass_time(30s);
  CHECK(w.diagnosis() == "split_brain");
  CHECK(w.target() == "replica-2");
  CHECK(writes_switched(w) == 1);
}

TEST_CASE("a promoted server that does not show does not take the route from one that serves") {
  Drive w;
  w.on_event = [&](const Event& event) {
    const auto* finished = std::get_if<ActionFinished>(&event);
    if (!finished || w.promotions.empty() || finished->id != w.promotions[0].id) return;
    w.set("replica-1", fail(Reason::connect_refused));  // died as it was promoted
    w.set("primary", primary(1));                       // nobody wrote anywhere else
  };
  w.kill_primary();
  w.pass_time(60s);
  CHECK(w.target() == "primary");
  CHECK(w.promotions.size() == 1);
}

TEST_CASE("a follow that maintenance holds is not made a repair by time") {
  Drive w;
  w.kill_primary();
  while (w.promotions.empty()) w.pass_time(50ms);
  w.give(FlagSet{FlagName("maintenance"), true, "patching", "uid 0", std::nullopt});
  w.pass_time(40s);
  CHECK(w.switches.empty());
  CHECK(w.target() == "primary");
  w.give(FlagSet{FlagName("maintenance"), false, "", "uid 0", std::nullopt});
  w.pass_time(5s);
  CHECK(w.target() == "replica-1");
}

TEST_CASE("one act at a time: nothing is switched beside a promotion under way") {
  Drive w;
  w.promotion_takes = 5s;
  w.kill_primary();
  while (w.promotions.empty()) w.pass_time(50ms);
  w.set("replica-2", primary(2));
  w.pass_time(3s);
  CHECK(writes_switched(w) == 0);
  CHECK(w.has_denied("one_act"));
}

TEST_CASE("after a fence whoever has most by then is promoted, or nobody who lacks too much") {
  Drive w({HookKind::fence});
  w.set("primary", primary_at(1'000'000));
  w.set("replica-1", standby_at(1'000'000, true));
  w.set("replica-2", standby_at(1'000'000, true));
  w.pass_time(6s);
  // Restarted by its host while the fence ran: only replica-2 heard of what was written then.
  w.on_fence = [&] { w.set("replica-2", standby_at(9'000'000)); };
  w.kill_primary();
  w.set("replica-1", standby_at(1'000'000));
  w.set("replica-2", standby_at(1'000'000));
  w.pass_time(15s);
  REQUIRE(w.promotions.size() == 1);
  CHECK(w.promotions[0].to.probe.text == "replica-2");

  Drive late({HookKind::fence});
  late.on_fence = [&] {
    late.set("primary", primary_at(9'000'000));
    late.pass_time(6s);
    late.set("primary", fail(Reason::connect_refused));
  };
  late.kill_primary();
  late.pass_time(30s);
  CHECK(late.promotions.empty());
  CHECK(late.diagnosis() == "no_candidate");
}

TEST_CASE("a delayed standby is no obstacle to one that is ready") {
  Drive w;
  w.kill_primary();
  w.set("replica-1", delayed(2000));
  w.set("replica-2", standby_at(1500));
  w.pass_time(10s);
  REQUIRE(w.promotions.size() == 1);
  CHECK(w.promotions[0].to.probe.text == "replica-2");

  Drive alone;
  alone.kill_primary();
  alone.set("replica-1", delayed(2000));
  alone.set("replica-2", fail(Reason::connect_refused));
  alone.pass_time(30s);
  CHECK(alone.promotions.empty());
  CHECK(alone.has_denied("may_promote"));
}

TEST_CASE("a promotion that still replays is in doubt until it has replayed") {
  Drive w;
  w.promote_outcome = ActionOutcome::unknown;
  w.kill_primary();
  w.set("replica-1", replaying(4096));
  w.pass_time(60s);
  CHECK(w.promotions.size() == 1);
  w.set("replica-1", replaying(0));
  w.pass_time(8s);
  CHECK(w.promotions.size() == 2);
}

TEST_CASE("a shutdown that takes longer than the grace, and a restart of ours in it") {
  Drive w;
  restart_in_place(w);
  w.set("primary", fail(Reason::stopping));  // its checkpoint
  w.pass_time(25s);
  CHECK(w.promotions.empty());
  w.set("primary", fail(Reason::connect_refused));
  w.pass_time(10s);
  CHECK(w.promotions.empty());
  w.pass_time(15s);
  CHECK(w.promotions.size() == 1);

  Drive before;
  restart_in_place(before);
  std::optional<RouteMemory> memory;
  for (const Record& record : before.records) {
    const auto* route = std::get_if<RouteMemory>(&record.memory);
    if (route && route->route.text == "bud") memory = *route;
  }
  REQUIRE(memory);
  REQUIRE(memory->told_to_stop);
  World next;
  next.now = before.now + 1s;
  next.answers = before.answers;
  next.lead("bud", 5001);
  next.lead("bud_ro", 5002);
  next.load(before.set_);
  MemoryRestored restored;
  restored.routes = {*memory};
  next.give(restored);
  next.pass_time(12s);
  CHECK(next.promotions.empty());
  next.pass_time(10s);
  CHECK(next.promotions.size() == 1);
}

TEST_CASE("a target that is another cluster now is failing, and a person is told") {
  Drive w;
  w.set("primary", primary(1, "other"));
  w.pass_time(30s);
  CHECK(w.promotions.empty());
  CHECK(w.diagnosis() == "wrong_cluster");
  CHECK(w.route("bud").state == State::unhealthy);
  REQUIRE(w.incidents.size() == 1);
  CHECK(w.incidents.begin()->second.needs_human);
}

TEST_CASE("never seen leading anywhere, candidates of two clusters: nobody is promoted") {
  World w;
  w.answers[ProbeName("primary")] = fail(Reason::connect_refused);
  w.answers[ProbeName("replica-1")] = standby(false, "S");
  w.answers[ProbeName("replica-2")] = standby(false, "foreign");
  w.lead("bud", 5001);
  w.lead("bud_ro", 5002);
  PolicySet set = bud_policy();
  set.routes[RouteName("bud")].promote = Drive::policy();
  w.load(set);
  w.pass_time(60s);
  CHECK(w.promotions.empty());
}

TEST_CASE("a console that does not answer: nothing is promoted that could not be led to") {
  Drive w;
  w.pooler[RouteName("bud")].reachable = false;
  w.pass_time(60s);
  w.kill_primary();
  w.pass_time(30s);
  CHECK(w.promotions.empty());
  CHECK(w.has_denied("may_promote"));
  w.lead("bud", 5001);
  w.pass_time(30s);
  CHECK(w.promotions.size() == 1);
}

TEST_CASE("a person's promotion of a standby whose primary may be at work is refused") {
  for (const Reason reason : {Reason::starting, Reason::saturated, Reason::auth_failed}) {
    Drive w;
    w.kill_primary();
    w.set("primary", fail(reason));
    w.pass_time(10s);
    INFO(to_text(reason));
    w.give(ask_for(1, "replica-1"));
    CHECK(answer_of(w, 1).state == RequestState::refused);
    SwitchRequested unfenced = ask_for(2, "replica-1");
    unfenced.unfenced = true;
    w.give(unfenced);
    w.pass_time(10s);
    CHECK(w.promotions.size() == 1);
  }
  Drive stopped;
  restart_in_place(stopped);
  stopped.pass_time(5s);
  stopped.give(ask_for(1, "replica-1"));
  stopped.pass_time(5s);
  CHECK(stopped.promotions.size() == 1);
}

TEST_CASE("a limit in time holds a person's promotion of a standby that is behind") {
  PromotePolicy promote = Drive::policy();
  promote.max_lag = Duration{10s};
  Drive w({}, promote);
  for (std::uint64_t i = 0; i < 10; ++i) {
    w.set("primary", primary_at(1'000'000 + i * 1'000'000));
    w.pass_time(5s);
  }
  w.kill_primary();
  w.set("replica-1", standby_at(10'000'000));
  w.set("replica-2", standby_at(1'500'000));
  w.give(AutomationSet{true, "by hand", "uid 0", std::nullopt});
  w.pass_time(10s);
  w.give(ask_for(1, "replica-2"));
  CHECK(answer_of(w, 1).state == RequestState::refused);
  w.give(ask_for(2, "replica-1"));
  w.pass_time(5s);
  CHECK(w.promotions.size() == 1);
}

TEST_CASE("after_promote runs for a promotion that showed late, and after a planned switch") {
  Drive w({HookKind::after_promote});
  w.promote_outcome = ActionOutcome::unknown;
  w.promotes_though_unknown = true;
  w.kill_primary();
  w.pass_time(15s);
  REQUIRE(w.hooks.size() == 1);
  CHECK(w.hooks[0].hook == HookKind::after_promote);
  CHECK(w.hooks[0].old_target.probe.text == "primary");
  CHECK(w.hooks[0].new_target.probe.text == "replica-1");

  Drive planned({HookKind::demote, HookKind::after_promote});
  planned.give(ask_for(1, "replica-1"));
  planned.pass_time(10s);
  REQUIRE(planned.hooks.size() == 1);
  CHECK(planned.hooks[0].hook == HookKind::after_promote);
}

TEST_CASE("since when rows may be lost is not known where no position that was kept is") {
  Drive w;
  w.set("primary", primary_at(5000));
  w.pass_time(6s);
  w.promotion_lsn = 10;
  w.kill_primary();
  w.pass_time(10s);
  REQUIRE(w.incidents.size() == 1);
  REQUIRE(w.incidents.begin()->second.rpo);
  CHECK_FALSE(w.incidents.begin()->second.rpo->from);
}

TEST_CASE("Redis: a replica of another history is no candidate, whatever its offset") {
  World w;
  w.answers[ProbeName("primary")] = history(master(), "new", "old");
  w.answers[ProbeName("replica-1")] = history(replica(false, 90'000), "older");
  w.answers[ProbeName("replica-2")] = history(replica(true, 1000), "new");
  w.lead("bud", 5001);
  PolicySet set = bud_policy();
  set.routes.erase(RouteName("bud_ro"));
  set.services.clear();
  for (auto& [name, probe] : set.probes) probe.kind = ProbeKind::redis;
  RoutePolicy& bud = set.routes[RouteName("bud")];
  bud.require = Require::master;
  bud.promote = Drive::policy();
  bud.promote->when = {"master_dead", "master_frozen"};
  w.load(set);
  w.pass_time(120s);
  w.answers[ProbeName("primary")] = fail(Reason::connect_refused);
  w.answers[ProbeName("replica-2")] = history(replica(false, 1000), "new");
  w.pass_time(20s);
  REQUIRE(w.promotions.size() == 1);
  CHECK(w.promotions[0].to.probe.text == "replica-2");
}
