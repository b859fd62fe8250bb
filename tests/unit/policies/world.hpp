// A small world for tests of the engine: probes answer as the test says, the pooler shows what it
// was last switched to, time is virtual. Nothing sleeps.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "policies/engine.hpp"

namespace pointsman::testing {

using namespace std::chrono_literals;

inline Finding primary(std::uint32_t timeline, std::string system_id = "S") {
  PostgresFacts facts;
  facts.role = PostgresRole::primary;
  facts.timeline = timeline;
  facts.lsn = 1000;
  facts.system_id = std::move(system_id);
  return {Outcome::pass, Reason::ok, "", facts};
}
inline Finding standby(bool receiving = true, std::string system_id = "S") {
  PostgresFacts facts;
  facts.role = PostgresRole::standby;
  facts.timeline = 1;
  facts.lsn = 1000;
  facts.receiving = receiving;
  facts.lag_seconds = Duration::zero();
  facts.system_id = std::move(system_id);
  return {Outcome::pass, Reason::ok, "", facts};
}
inline Finding master() {
  RedisFacts facts;
  facts.role = RedisRole::master;
  facts.offset = 1000;
  return {Outcome::pass, Reason::ok, "", facts};
}
inline Finding replica(bool link_up = true, std::int64_t offset = 1000) {
  RedisFacts facts;
  facts.role = RedisRole::replica;
  facts.offset = offset;
  facts.link_up = link_up;
  return {Outcome::pass, Reason::ok, "", facts};
}
inline Finding standby_at(std::uint64_t lsn, bool receiving = false) {
  Finding finding = standby(receiving);
  std::get<PostgresFacts>(finding.facts).lsn = lsn;
  return finding;
}
inline Finding primary_at(std::uint64_t lsn, std::uint32_t timeline = 1) {
  Finding finding = primary(timeline);
  std::get<PostgresFacts>(finding.facts).lsn = lsn;
  return finding;
}
inline Finding fail(Reason reason) {
  return {Outcome::fail, reason, "down", {}};
}
inline Finding pass() {
  return {Outcome::pass, Reason::ok, "", {}};
}

inline ProbePolicy probe_policy(const std::string& name, ProbeKind kind, std::uint16_t port = 0) {
  ProbePolicy p;
  p.name = ProbeName(name);
  p.kind = kind;
  p.interval = p.down_interval = 5s;
  p.fast_interval = 1s;
  p.timeout = 2s;
  p.fingerprint = name;
  if (port != 0) p.endpoint = Endpoint{"127.0.0.1", port};
  return p;
}

class World {
 public:
  std::map<ProbeName, Finding> answers;           ///< what each probe finds when it runs
  std::map<ProbeName, Duration> latency;          ///< how long a run takes; default 1 ms
  std::map<RouteName, PoolerObservation> pooler;  ///< what each route's pooler has in effect
  ActionOutcome switch_outcome = ActionOutcome::ok;
  bool pooler_takes_switches = true;
  ActionOutcome promote_outcome = ActionOutcome::ok;
  bool promote_hangs = false, promotes_though_unknown = false;
  Duration promotion_takes{100ms};
  std::uint64_t promotion_lsn = 1000;
  ActionOutcome hook_outcome = ActionOutcome::ok;
  std::function<void()> on_fence;
  std::vector<PromoteServer> promotions;
  std::vector<RunHook> hooks;
  std::vector<DemoteServer> demotions;
  std::vector<SwitchOver> switchovers;
  std::vector<RunStep> steps;
  ActionOutcome step_outcome = ActionOutcome::ok;
  std::function<void(const RunStep&)> on_step;
  std::function<void(const Event&)> on_event;
  std::function<void(const Effect&)> on_effect;
  std::map<FlagName, bool> flags;
  std::vector<Alert> alerts;
  std::map<IncidentId, Incident> incidents;  ///< as last stored
  std::vector<SwitchRoute> switches;         ///< asked for, verify apart
  Duration switch_takes{10ms};
  bool tells_times = false;  ///< of a switch, when it reached what it was for
  std::vector<Record> records;
  std::map<ProbeName, int> runs;
  Engine engine;
  MonoTime now{1h};

  void load(PolicySet policy) {
    for (const auto& [name, p] : policy.probes) {
      if (!answers.contains(name)) answers[name] = pass();
    }
    give(PolicyLoaded{std::make_shared<const PolicySet>(std::move(policy))});
  }
  void set(const char* probe, Finding finding) { answers[ProbeName(probe)] = std::move(finding); }
  /// Of bud_policy(): everybody is well, and the poolers lead where they should.
  void set_up_bud() {
    set("primary", primary(1));
    set("replica-1", standby());
    set("replica-2", standby());
    lead("bud", 5001);
    lead("bud_ro", 5002);
    pooler[RouteName("bud_ro")].addresses.push_back({"127.0.0.1", 5003});
  }
  /// Refused, and no standby receives from it.
  void kill_primary() {
    set("primary", fail(Reason::connect_refused));
    set("replica-1", standby(false));
    set("replica-2", standby(false));
    give(SessionEnded{ProbeName("primary"), SessionEnd::lost});
  }
  void lead(const std::string& route, std::uint16_t port) {
    PoolerObservation o;
    o.reachable = o.listed = true;
    o.file = FileState::as_wanted;
    o.addresses = {{"127.0.0.1", port}};
    pooler[RouteName(route)] = o;
  }
  void give(const Event& event) {
    if (on_event) on_event(event);
    Decision decision = engine.step(now, event);
    wake_at_ = decision.wake_at;
    if (on_effect) {
      for (const Effect& effect : decision.effects) on_effect(effect);
    }
    for (Effect& effect : decision.effects) std::visit([this](auto& e) { run(e); }, effect);
  }
  /// Lets time pass, delivering what falls due, in order.
  void pass_time(Duration duration) {
    const MonoTime end = now + duration;
    for (;;) {
      const MonoTime next =
          pending_.empty() ? wake_at_ : std::min(wake_at_, pending_.begin()->first);
      if (next > end) break;
      now = std::max(now, next);
      if (!pending_.empty() && pending_.begin()->first <= now) {
        const auto make = pending_.begin()->second;
        pending_.erase(pending_.begin());
        give(make());
      } else {
        give(Wake{});
      }
    }
    now = end;
  }
  std::shared_ptr<const Snapshot> see() { return engine.snapshot(now); }
  const RouteView& route(const std::string& name) {
    seen_ = see();
    return seen_->routes.at(RouteName(name));
  }
  State state_of(const std::string& probe) { return see()->probes.at(ProbeName(probe)).state; }
  State service(const std::string& name) { return see()->services.at(ServiceName(name)).state; }

 private:
  void run(const RunProbe& effect) {
    ++runs[effect.probe];
    const MonoTime started = now;
    const Duration takes = latency.contains(effect.probe) ? latency[effect.probe] : Duration{1ms};
    const ProbeName name = effect.probe;
    pending_.emplace(now + takes, [this, name, started, takes] {
      return Event{SampleTaken{Sample{name, started, started + takes, answers[name]}}};
    });
  }
  void run(const ObserveRoute& effect) {
    const RouteName route = effect.route;
    pending_.emplace(now + 1ms, [this, route] {
      return Event{RouteObserved{route, {pooler[route]}}};
    });
  }
  void run(const SwitchRoute& effect) {
    if (effect.cause != SwitchCause::verify) switches.push_back(effect);
    const SwitchRoute order = effect;
    const MonoTime asked = now;
    pending_.emplace(now + switch_takes, [this, order, asked] {
      if (pooler_takes_switches && order.cause != SwitchCause::verify) {
        PoolerObservation& o = pooler[order.route];
        o.addresses.clear();
        for (const SwitchTarget& target : order.to) o.addresses.push_back(target.endpoint);
        o.file = FileState::as_wanted;
      }
      ActionFinished done{order.id, order.route, switch_outcome, "done", Verified::query, false};
      if (switch_outcome != ActionOutcome::ok) done.verified = Verified::no;
      if (tells_times) done.times = {asked + 10ms, asked + 20ms, asked + 30ms};
      return Event{done};
    });
  }
  void run(const PromoteServer& effect) {
    promotions.push_back(effect);
    const PromoteServer order = effect;
    if (promote_hangs) return;
    pending_.emplace(now + promotion_takes, [this, order] {
      if (promote_outcome == ActionOutcome::ok || promotes_though_unknown) {
        answers[order.to.probe] =
            order.kind == ServerKind::redis ? master() : primary(order.timeline + 1);
      }
      ActionFinished done{order.id, order.route, promote_outcome, "promoted", Verified::no, false};
      if (promote_outcome == ActionOutcome::ok) {
        done.timeline = order.timeline + 1;
        done.promotion_lsn = promotion_lsn;
      }
      return Event{done};
    });
  }
  void run(const RunHook& effect) {
    hooks.push_back(effect);
    const RunHook order = effect;
    pending_.emplace(now + 100ms, [this, order] {
      if (on_fence) on_fence();
      return Event{
          ActionFinished{order.id, order.route, hook_outcome, "hook", Verified::no, false}};
    });
  }
  void run(const DemoteServer& effect) {
    demotions.push_back(effect);
    const DemoteServer order = effect;
    pending_.emplace(now + 5ms, [this, order] {
      answers[order.server.probe] = replica();
      return Event{
          ActionFinished{order.id, order.route, ActionOutcome::ok, "", Verified::no, false}};
    });
  }
  void run(const SwitchOver& effect) {
    switchovers.push_back(effect);
    const SwitchOver order = effect;
    pending_.emplace(now + 200ms, [this, order] {
      ActionFinished done{order.id,        order.route,  switch_outcome,
                          "switched over", Verified::no, false};
      if (switch_outcome == ActionOutcome::ok) {
        answers[order.from.probe] = fail(Reason::connect_refused);
        answers[order.to.probe] = primary(order.timeline + 1);
        pooler[order.route].addresses = {order.to.endpoint};
        done.verified = Verified::query;
        done.timeline = order.timeline + 1;
      }
      return Event{done};
    });
  }
  void run(const RunStep& effect) {
    steps.push_back(effect);
    const RunStep order = effect;
    pending_.emplace(now + 50ms, [this, order] {
      if (on_step) on_step(order);
      return Event{StepFinished{order.id, order.ladder, step_outcome, "step"}};
    });
  }
  void run(const WriteFlag& effect) { flags[effect.flag] = effect.set; }
  void run(const StoreIncident& effect) { incidents[effect.incident.id] = effect.incident; }
  void run(const SendAlert& effect) { alerts.push_back(effect.alert); }
  void run(const Record& effect) { records.push_back(effect); }
  template <class Other>
  void run(const Other&) {}

  MonoTime wake_at_{};
  std::multimap<MonoTime, std::function<Event()>> pending_;
  std::shared_ptr<const Snapshot> seen_;
};

/// primary (5001), replica-1 (5002), replica-2 (5003); route bud for writes, bud_ro for reads.
inline PolicySet bud_policy() {
  PolicySet set;
  std::uint16_t port = 5001;
  for (const char* name : {"primary", "replica-1", "replica-2"}) {
    set.probes[ProbeName(name)] = probe_policy(name, ProbeKind::postgres, port++);
  }
  RoutePolicy bud;
  bud.name = RouteName("bud");
  bud.via = {ViaKind::pgbouncer};
  bud.candidates = {ProbeName("primary"), ProbeName("replica-1"), ProbeName("replica-2")};
  bud.require = Require::writable;
  bud.fingerprint = "bud";
  set.routes[bud.name] = bud;
  RoutePolicy reads = bud;
  reads.name = RouteName("bud_ro");
  reads.candidates = {ProbeName("replica-1"), ProbeName("replica-2")};
  reads.require = Require::standby;
  reads.balance = Balance::round_robin;
  reads.fallback = RouteName("bud");
  reads.failback = Duration{30s};
  reads.fingerprint = "bud_ro";
  set.routes[reads.name] = reads;
  ServicePolicy database;
  database.name = ServiceName("database");
  database.members = {RouteName("bud"), RouteName("bud_ro")};
  database.need = 2;
  set.services[database.name] = database;
  return set;
}

}  // namespace pointsman::testing
