// Driving: when a route promotes, whom, and above all when not.
#include <catch2/catch.hpp>

#include "drive_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

TEST_CASE("a dead primary: the best standby is promoted, followed and proven") {
  Drive w;
  w.kill_primary();
  w.set("replica-2", standby_at(2000));
  w.pass_time(10s);
  REQUIRE(w.promotions.size() == 1);
  CHECK(w.promotions[0].to.probe.text == "replica-2");  // received more than replica-1
  CHECK(w.promotions[0].from.probe.text == "primary");
  CHECK(w.promotions[0].timeline == 1);
  CHECK(w.target() == "replica-2");
  CHECK(w.route("bud").in_effect);
  for (const auto& [id, one] : w.incidents) {
    UNSCOPED_INFO(one.subject << " " << one.cause << " " << to_text(one.state) << ": " << one.why);
  }
  for (const Record& r : w.records)
    UNSCOPED_INFO(to_text(r.kind) << " " << r.subject << " " << r.text);
  REQUIRE(w.incidents.size() == 1);
  const Incident& incident = w.incidents.begin()->second;
  CHECK(incident.subject == "route:bud");
  CHECK(incident.state == IncidentState::closed);
  CHECK(incident.cause == "primary_dead");
  for (std::size_t i = 0; i < mark_count; ++i) {
    INFO(to_text(static_cast<Mark>(i)));
    CHECK(incident.marks[i].has_value());
    if (i > 0 && incident.marks[i] && incident.marks[i - 1]) {
      CHECK(*incident.marks[i] >= *incident.marks[i - 1]);
    }
  }
  REQUIRE(incident.rto());
  CHECK(*incident.rto() < 15s);
  REQUIRE(incident.rpo);
  CHECK(incident.rpo->lower_bytes == 0);
  CHECK(!incident.to_rebuild.empty());
}

TEST_CASE("not before `fall` failures, and not while a standby still receives") {
  Drive w;
  w.kill_primary();
  w.pass_time(1500ms);
  for (const Record& r : w.records)
    UNSCOPED_INFO(to_text(r.kind) << " " << r.subject << " " << r.text);
  UNSCOPED_INFO(w.runs[ProbeName("primary")]);
  CHECK(w.promotions.empty());
  CHECK(w.diagnosis() == "primary_failing");
  Drive other;
  other.set("primary", fail(Reason::connect_timeout));
  for (int i = 0; i < 100; ++i) {
    other.set("replica-1", standby_at(3000 + static_cast<std::uint64_t>(i), true));
    other.pass_time(1s);
  }
  CHECK(other.promotions.empty());
  CHECK(other.diagnosis() == "primary_unreachable_from_here");
}

TEST_CASE("a frozen primary is promoted away from; a starting, full or stopping one is not") {
  Drive w;
  w.set("primary", fail(Reason::timeout));
  w.pass_time(20s);
  CHECK(w.promotions.size() == 1);
  for (const Reason reason : {Reason::starting, Reason::saturated, Reason::auth_failed,
                              Reason::tls_failed, Reason::dns_failed}) {
    Drive alive;
    alive.kill_primary();
    alive.set("primary", fail(reason));
    alive.pass_time(60s);
    INFO(to_text(reason));
    CHECK(alive.promotions.empty());
  }
}

TEST_CASE("a lost host: half the standbys' wal_receiver_timeout and a second") {
  const auto lose = [](std::optional<Duration> timeout, bool sees_silence = true) {
    Drive w;
    w.set("primary", fail(Reason::connect_timeout));
    for (const char* name : {"replica-1", "replica-2"}) {
      Finding silent = standby(true);
      auto& facts = std::get<PostgresFacts>(silent.facts);
      facts.wal_receiver_timeout = timeout;
      if (sees_silence) facts.receiver_silent = 10min;
      w.set(name, silent);
    }
    const MonoTime begun = w.now;
    while (w.promotions.empty() && w.now - begun < 2min) w.pass_time(100ms);
    return w.now - begun;
  };
  const Duration usual = lose(60s);
  CHECK(usual > 30s);  // of 31 s since its last answer
  CHECK(usual < 40s);
  const Duration short_one = lose(5s);
  CHECK(short_one > 2500ms);
  CHECK(short_one < 12s);
  CHECK(lose(Duration::zero()) >= 2min);  // a receiver that never gives up proves nothing
  // Nor does, without pg_monitor, a position that stands still: the primary may be idle.
  CHECK(lose(5s, false) >= 2min);
}

TEST_CASE("a clean stop is waited for, then it is a death like any other") {
  Drive w;
  w.kill_primary();
  w.give(SessionEnded{ProbeName("primary"), SessionEnd::administrator});
  w.pass_time(14s);
  CHECK(w.promotions.empty());
  CHECK(w.diagnosis() == "primary_stopping");
  w.pass_time(5s);
  CHECK(w.promotions.size() == 1);
}

TEST_CASE(
    "too far behind: no_candidate with the bytes, a person is told at once, and may override") {
  Drive w;
  w.set("primary", primary_at(50'000'000));
  w.set("replica-1", standby_at(50'000'000, true));
  w.set("replica-2", standby_at(50'000'000, true));
  w.pass_time(6s);
  w.set("primary", primary_at(90'000'000));
  w.pass_time(6s);
  w.kill_primary();
  w.set("replica-1", standby_at(60'000'000));
  w.set("replica-2", standby_at(50'000'000));
  w.pass_time(20s);
  CHECK(w.promotions.empty());
  CHECK(w.diagnosis() == "no_candidate");
  CHECK(w.route("bud").why.find("30000000 bytes") != std::string::npos);
  for (const auto& [id, one] : w.incidents) {
    UNSCOPED_INFO(one.subject << " " << one.cause << " " << to_text(one.state) << ": " << one.why);
    for (const IncidentNote& note : one.notes)
      UNSCOPED_INFO((note.at - MonoTime{}).count() << note.text);
  }
  REQUIRE(w.incidents.size() == 1);
  CHECK(w.incidents.begin()->second.needs_human);
  CHECK(w.incidents.begin()->second.severity == Severity::critical);

  SwitchRequested ask;
  ask.request = RequestId{7};
  ask.route = RouteName("bud");
  ask.to = ProbeName("replica-1");
  w.give(ask);
  CHECK(w.see()->requests.at(RequestId{7}).state == RequestState::refused);
  ask.request = RequestId{8};
  ask.allow_data_loss = true;
  w.give(ask);
  w.pass_time(10s);
  CHECK(w.promotions.size() == 1);
  CHECK(w.target() == "replica-1");
  CHECK(w.see()->requests.at(RequestId{8}).state == RequestState::done);
}

TEST_CASE("the primary's frozen last position does not forbid those who received more") {
  Drive w;
  w.set("primary", primary_at(1'000'000));
  w.pass_time(6s);
  w.kill_primary();
  w.set("replica-1", standby_at(80'000'000));
  w.pass_time(10s);
  CHECK(w.promotions.size() == 1);
}

TEST_CASE("guards hold a promotion and are said: observe, pause, maintenance, rights, Sentinel") {
  {
    Drive w;
    w.set_.mode = Mode::observe;
    w.load(w.set_);
    w.kill_primary();
    w.pass_time(30s);
    CHECK(w.promotions.empty());
    CHECK(w.has_denied("mode"));
  }
  {
    Drive w;
    w.give(AutomationSet{true, "upgrade", "uid 1000", std::nullopt});
    w.kill_primary();
    w.pass_time(30s);
    CHECK(w.promotions.empty());
    CHECK(w.has_denied("paused"));
    w.give(AutomationSet{});
    w.pass_time(10s);
    CHECK(w.promotions.size() == 1);
  }
  {
    Drive w;
    w.give(FlagSet{FlagName("maintenance"), true, "patching", "uid 0", std::nullopt});
    w.kill_primary();
    w.pass_time(30s);
    CHECK(w.promotions.empty());
    CHECK(w.has_denied("maintenance"));
  }
  {
    Drive w;
    w.kill_primary();
    for (const char* name : {"replica-1", "replica-2"}) {
      Finding found = standby(false);
      std::get<PostgresFacts>(found.facts).may_promote = false;
      w.set(name, found);
    }
    w.pass_time(30s);
    CHECK(w.promotions.empty());
    CHECK(w.has_denied("may_promote"));
  }
}

TEST_CASE("the fence runs first, and its failure blocks the promotion") {
  Drive w({HookKind::fence, HookKind::after_promote});
  w.kill_primary();
  w.pass_time(10s);
  for (const Record& r : w.records)
    UNSCOPED_INFO(to_text(r.kind) << " " << r.subject << " " << r.text);
  REQUIRE(w.hooks.size() == 2);
  CHECK(w.hooks[0].hook == HookKind::fence);
  CHECK(w.hooks[0].old_target.probe.text == "primary");
  CHECK(w.hooks[1].hook == HookKind::after_promote);
  CHECK(w.promotions.size() == 1);

  for (const ActionOutcome outcome : {ActionOutcome::failed, ActionOutcome::unknown}) {
    Drive blocked({HookKind::fence});
    blocked.hook_outcome = outcome;
    blocked.kill_primary();
    blocked.pass_time(60s);
    CHECK(blocked.promotions.empty());
    CHECK(blocked.hooks.size() >= 2);
    CHECK(blocked.hooks.size() < 10);
    CHECK(blocked.incidents.begin()->second.needs_human);
  }
}

TEST_CASE("a fence that takes the host away does not make the promotion doubt itself") {
  Drive w({HookKind::fence});
  w.on_fence = [&] { w.set("primary", fail(Reason::connect_timeout)); };
  w.kill_primary();
  w.pass_time(15s);
  CHECK(w.promotions.size() == 1);
}

TEST_CASE("what an operator says while the fence runs stops the promotion") {
  Drive paused({HookKind::fence});
  paused.on_fence = [&] { paused.give(AutomationSet{true, "a rack is moved", "uid 0", {}}); };
  paused.kill_primary();
  paused.pass_time(15s);
  CHECK(paused.promotions.empty());
  CHECK(paused.has_denied("paused"));

  Drive patched({HookKind::fence});
  patched.on_fence = [&] {
    patched.give(FlagSet{FlagName("maintenance"), true, "patching", "uid 0", std::nullopt});
  };
  patched.kill_primary();
  patched.pass_time(15s);
  CHECK(patched.promotions.empty());
  CHECK(patched.has_denied("maintenance"));
}

TEST_CASE("the second look follows one that became writable, and lets a primary that is back be") {
  Drive w({HookKind::fence});
  w.on_fence = [&] { w.set("replica-1", primary(2)); };
  w.kill_primary();
  w.pass_time(15s);
  CHECK(w.promotions.empty());
  CHECK(w.target() == "replica-1");

  Drive back({HookKind::fence});
  back.on_fence = [&] { back.set("primary", primary(1)); };
  back.kill_primary();
  back.pass_time(30s);
  CHECK(back.promotions.empty());
  CHECK(back.target() == "primary");
}

TEST_CASE("a promotion that failed is tried elsewhere; one that is unknown is looked at first") {
  Drive w;
  w.promote_outcome = ActionOutcome::failed;
  w.kill_primary();
  w.pass_time(6s);
  REQUIRE(w.promotions.size() >= 2);
  CHECK(w.promotions[0].to.probe.text == "replica-1");
  CHECK(w.promotions[1].to.probe.text == "replica-2");

  Drive unknown;
  unknown.promote_outcome = ActionOutcome::unknown;
  unknown.kill_primary();
  unknown.pass_time(8s);
  CHECK(unknown.promotions.size() == 1);
  CHECK(unknown.has_denied("unsettled"));
  unknown.pass_time(10s);
  CHECK(unknown.promotions.size() == 2);  // proven: it answered as a standby long after

  Drive late;
  late.promote_outcome = ActionOutcome::unknown;
  late.promotes_though_unknown = true;
  late.kill_primary();
  late.pass_time(10s);
  CHECK(late.promotions.size() == 1);
  CHECK(late.target() == "replica-1");
}

TEST_CASE("a restart in the middle of a promotion looks before it does anything twice") {
  Drive w;
  World next;
  next.answers = w.answers;
  next.answers[ProbeName("primary")] = fail(Reason::connect_refused);
  next.answers[ProbeName("replica-1")] = standby(false);
  next.answers[ProbeName("replica-2")] = standby(false);
  next.lead("bud", 5001);
  next.lead("bud_ro", 5002);
  next.load(w.set_);
  MemoryRestored memory;
  memory.routes = {{RouteName("bud"), {ProbeName("primary")}, "S", 1, 4}};
  memory.promotions = {
      {RouteName("bud"), ProbeName("primary"), ProbeName("replica-2"), 1, next.now}};
  next.give(memory);
  next.pass_time(9s);
  CHECK(next.promotions.empty());
  next.answers[ProbeName("replica-2")] = primary(2);  // what was asked for has happened
  next.pass_time(10s);
  CHECK(next.promotions.empty());
  CHECK(next.route("bud").targets == std::vector{ProbeName("replica-2")});
}

TEST_CASE("the old primary that comes back writable: what only it has is known exactly") {
  Drive w;
  w.set("primary", primary_at(5000));
  w.pass_time(6s);
  w.kill_primary();
  w.promotion_lsn = 4000;
  w.pass_time(10s);
  REQUIRE(w.target() == "replica-1");
  w.set("primary", primary_at(7000));
  w.pass_time(20s);
  CHECK(w.diagnosis() == "old_primary_back");
  CHECK(w.target() == "replica-1");
  const Incident& incident = w.incidents.begin()->second;
  for (const Record& r : w.records)
    UNSCOPED_INFO(to_text(r.kind) << " " << r.subject << " " << r.text);
  REQUIRE(incident.rpo);
  CHECK(incident.rpo->exact);
  CHECK(incident.rpo->lower_bytes == 3000);
}

TEST_CASE("no more than three automatic promotions in an hour") {
  Drive w;
  w.set_.routes[RouteName("bud")].hold_down = 0s;
  w.load(w.set_);
  w.promote_outcome = ActionOutcome::failed;
  w.kill_primary();
  w.pass_time(30min);
  CHECK(w.promotions.size() == 3);
  CHECK(w.has_denied("promotion_limit"));
}

TEST_CASE("a planned switch needs the demote hook, or says so") {
  Drive w;
  SwitchRequested ask;
  ask.request = RequestId{1};
  ask.route = RouteName("bud");
  ask.to = ProbeName("replica-1");
  w.give(ask);
  const RequestView refused = w.see()->requests.at(RequestId{1});
  CHECK(refused.state == RequestState::refused);
  CHECK(refused.lines.at(0).find("demote") != std::string::npos);
  ask.request = RequestId{2};
  ask.unfenced = true;
  w.give(ask);
  w.pass_time(5s);
  REQUIRE(w.switchovers.size() == 1);
  CHECK_FALSE(w.switchovers[0].fenced);
  CHECK(w.target() == "replica-1");
  CHECK(w.see()->requests.at(RequestId{2}).state == RequestState::done);

  Drive hooked({HookKind::demote});
  ask.request = RequestId{3};
  ask.unfenced = false;
  ask.dry_run = true;
  hooked.give(ask);
  CHECK(hooked.see()->requests.at(RequestId{3}).lines.size() > 5);
  hooked.pass_time(5s);
  CHECK(hooked.switchovers.empty());
  ask.request = RequestId{4};
  ask.dry_run = false;
  hooked.give(ask);
  hooked.pass_time(5s);
  CHECK(hooked.switchovers.size() == 1);
  CHECK(hooked.route("bud").in_effect);
}

TEST_CASE("Redis: promoted, led there, and the old master that returns is made to follow") {
  World w;
  PolicySet set;
  for (const auto& [name, port] : {std::pair{"redis-a", 6001}, std::pair{"redis-b", 6002}}) {
    set.probes[ProbeName(name)] =
        probe_policy(name, ProbeKind::redis, static_cast<std::uint16_t>(port));
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
  w.answers[ProbeName("redis-a")] = master();
  w.answers[ProbeName("redis-b")] = replica();
  w.lead("cache", 6001);
  w.load(set);
  w.pass_time(90s);
  w.answers[ProbeName("redis-a")] = fail(Reason::connect_refused);
  w.answers[ProbeName("redis-b")] = replica(false);
  w.pass_time(10s);
  REQUIRE(w.promotions.size() == 1);
  CHECK(w.promotions[0].kind == ServerKind::redis);
  CHECK(w.route("cache").targets == std::vector{ProbeName("redis-b")});
  CHECK(w.route("cache").in_effect);
  w.answers[ProbeName("redis-a")] = master();
  w.pass_time(10s);
  REQUIRE(w.demotions.size() == 1);
  CHECK(w.demotions[0].server.probe.text == "redis-a");
  CHECK(w.route("cache").diagnosis == "ok");
  CHECK(w.route("cache").targets == std::vector{ProbeName("redis-b")});
}

TEST_CASE("a clock that is set back an hour promotes nothing") {
  Drive w;
  w.give(LoopDistrusted{0s, 0s, -1h});
  w.pass_time(1min);
  CHECK(w.promotions.empty());
  CHECK(w.diagnosis() == "ok");
  CHECK(w.target() == "primary");
}

TEST_CASE("notifiers hear of an incident once, of what changes, and of its end") {
  Drive w;
  NotifierPolicy oncall;
  oncall.name = NotifierName("oncall");
  oncall.on_critical = true;
  w.set_.notify[oncall.name] = oncall;
  NotifierPolicy silent;
  silent.name = NotifierName("silent");
  w.set_.notify[silent.name] = silent;
  w.load(w.set_);
  w.promote_outcome = ActionOutcome::failed;
  w.kill_primary();
  w.pass_time(5s);
  REQUIRE_FALSE(w.alerts.empty());
  CHECK(w.alerts.front().notifier.text == "oncall");
  CHECK(w.alerts.front().state == AlertState::firing);
  CHECK(w.alerts.front().subject == "route:bud");
  const std::size_t told = w.alerts.size();
  CHECK(told < 8);
  w.promote_outcome = ActionOutcome::ok;
  w.pass_time(2min);
  CHECK(w.alerts.back().state == AlertState::resolved);
  int resolved = 0;
  for (const Alert& alert : w.alerts) resolved += alert.state == AlertState::resolved ? 1 : 0;
  CHECK(resolved == 1);
  for (const Alert& alert : w.alerts) CHECK(alert.notifier.text == "oncall");
}
