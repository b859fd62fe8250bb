#include "policies/simulation/agent.hpp"

#include <algorithm>

namespace pointsman::sim {
namespace {

using namespace std::chrono_literals;

/// What a clock that runs so much too fast shows more after `passed`.
Duration drifted(Duration passed, int ppm) {
  return passed / 1s * Duration{ppm * 1000} + passed % Duration{1s} * ppm / 1'000'000;
}

/// What the monotonic clock shows when the daemon starts on a host that has just booted.
constexpr MonoTime booted{20s};

bool is_writer(Require require) {
  return require == Require::writable || require == Require::master;
}

bool changes_nothing(const Effect& effect) {
  return std::holds_alternative<RunProbe>(effect) || std::holds_alternative<ObserveRoute>(effect);
}

/// Where a pooler leads before anything has happened.
std::vector<ProbeName> first_targets(const RoutePolicy& route, const PolicySet& policy,
                                     const Servers& servers) {
  std::vector<ProbeName> fitting;
  for (const ProbeName& name : route.candidates) {
    const Server& server = servers.get(name);
    const bool any = route.require == Require::any;
    const Role wanted = is_writer(route.require) ? Role::primary : Role::standby;
    if (any || server.role == wanted) fitting.push_back(name);
  }
  if (fitting.empty() && route.fallback) {
    return first_targets(policy.routes.at(*route.fallback), policy, servers);
  }
  if (fitting.size() > 1 && route.balance == Balance::none) fitting.resize(1);
  return fitting;
}

}  // namespace

Agent::Agent(Scene& scene, const Watch& watch, AgentSetup setup)
    : scene_(scene),
      watch_(watch),
      setup_(std::move(setup)),
      clock_base_(scene.now),
      clock_read_(scene.now) {
  for (const auto& [name, route] : setup_.policy->routes) {
    poolers_[name].leads = first_targets(route, *setup_.policy, scene_.servers);
  }
}

// --- its clock ---------------------------------------------------------------------------------

MonoTime Agent::local() const {
  const Duration passed = scene_.now - clock_base_;
  return clock_read_ + passed + drifted(passed, setup_.clock_drift_ppm);
}

MonoTime Agent::wake_at() const {
  if (!engine_ || stands_until_) return MonoTime::max();
  const Duration left = wanted_ - local();
  if (left <= Duration::zero()) return scene_.now;
  // A little late rather than early; the engine asks again where it was early.
  return scene_.now + std::max(left - drifted(left, setup_.clock_drift_ppm), Duration{1us});
}

void Agent::fail_clock(const ClockFails& fails) {
  if (!engine_ || stands_until_) return;
  LoopDistrusted distrust;
  switch (fails.how) {
    case ClockFault::stalls:
      distrust.late = fails.by;
      break;
    case ClockFault::suspends:
      distrust.suspended = fails.by;
      break;
    case ClockFault::jumps:
      distrust.clock_jump = fails.by;
      give(distrust);
      return;
  }
  const MonoTime stopped = local();
  stands_until_ = scene_.now + fails.by;
  const std::uint64_t life = life_;
  scene_.at(*stands_until_, [this, distrust, stopped, life] {
    if (life != life_) return;
    if (distrust.suspended > Duration::zero()) {  // the monotonic clock stood, too
      clock_base_ = scene_.now;
      clock_read_ = stopped;
    }
    stands_until_.reset();
    give(distrust);
  });
}

/// The journal keeps wall-clock times: what was before the boot is before the clock's zero.
void Agent::begin_clock_anew() {
  const Duration by = booted - local();
  clock_base_ = scene_.now;
  clock_read_ = booted;
  clock_shift_ += by;
  journal_.shift(by);
}

// --- its life ----------------------------------------------------------------------------------

void Agent::start() {
  if (std::exchange(rebooted_, false)) begin_clock_anew();
  ++life_;
  stands_until_.reset();
  dies_after_.reset();
  engine_ = std::make_unique<Engine>();
  wanted_ = local();
  give(PolicyLoaded{setup_.policy});
  if (life_ == 1 || !engine_) return;
  const MemoryRestored memory = journal_.restored();
  journal_.forget_intents();
  give(memory);
}

void Agent::start_if_dead() {
  dies_after_.reset();
  if (!engine_) start();
}

void Agent::kill() {
  ++life_;
  engine_.reset();
  stands_until_.reset();
  dies_after_.reset();
  sessions_.clear();
  switch_overs_.clear();
}

void Agent::died() {
  const std::optional<Duration> back = back_after_;
  kill();
  rebooted_ = reboots_;
  if (!back) return;
  scene_.after(*back, [this, life = life_] {
    if (life == life_ && !engine_) start();
  });
}

void Agent::kill_after(const AgentKilled& killed) {
  if (!engine_) return;
  back_after_ = killed.back_after;
  reboots_ = killed.reboots;
  if (killed.after_effects > 0) {
    dies_after_ = killed.after_effects;
  } else {
    died();
  }
}

void Agent::reload(std::shared_ptr<const PolicySet> policy) {
  const auto take = [this, policy = std::move(policy)] {
    for (const auto& [name, route] : policy->routes) {
      if (poolers_.contains(name)) continue;
      poolers_[name].leads = first_targets(route, *policy, scene_.servers);
    }
    setup_.policy = policy;
    if (engine_) give(PolicyLoaded{policy});
  };
  if (engine_) {
    later(Duration::zero(), take);
  } else {
    take();
  }
}

void Agent::command(const Commanded& commanded) {
  if (!engine_) return;
  const auto deliver = [this, commanded] {
    std::visit(
        [&](auto event) {
          if constexpr (requires { event.until; }) {
            if (commanded.lasts) event.until = local() + *commanded.lasts;
          }
          give(event);
        },
        commanded.command);
  };
  later(Duration::zero(), deliver);
}

void Agent::later(Duration delay, std::function<void()> what) {
  scene_.after(delay, [this, life = life_, what = std::move(what)]() mutable {
    if (life != life_ || !engine_) return;
    if (stands_until_) {
      later(*stands_until_ - scene_.now, std::move(what));
    } else {
      what();
    }
  });
}

void Agent::answer(Duration delay, Event event) {
  later(delay, [this, event = std::move(event)] { give(event); });
}

void Agent::give(const Event& event) {
  if (watch_) watch_(Entry{scene_.now, name(), local(), event});
  Decision decision = engine_->step(local(), event);
  wanted_ = decision.wake_at;
  for (Effect& effect : decision.effects) {
    Entry entry{scene_.now, name(), local(), std::move(effect)};
    if (watch_) watch_(entry);
    const Effect& begun = std::get<Effect>(entry.what);
    journal_.take(local(), begun);
    std::visit([this](const auto& e) { run(e); }, begun);
    if (changes_nothing(begun) || !dies_after_ || --*dies_after_ > 0) continue;
    died();
    return;
  }
  // An outcome is kept together with what came of it.
  journal_.end(event);
}

std::shared_ptr<const Snapshot> Agent::snapshot() const {
  return engine_ ? engine_->snapshot(local()) : nullptr;
}

// --- its probes and its pooler -----------------------------------------------------------------

void Agent::run(const RunProbe& effect) {
  const ProbePolicy probe = setup_.policy->probes.at(effect.probe);
  const Answer answer = scene_.servers.ask(name(), probe);
  const MonoTime began = scene_.now, began_local = local();
  later(answer.takes, [this, probe, began, began_local] { finish_run(probe, began, began_local); });
}

/// What is found is so when the run ends; a server that fell silent meanwhile is waited for.
void Agent::finish_run(const ProbePolicy& probe, MonoTime began, MonoTime began_local) {
  const Answer answer = scene_.servers.ask(name(), probe);
  const Duration left = std::min(answer.takes, probe.timeout) - (scene_.now - began);
  if (left > Duration::zero()) {
    later(left, [this, probe, began, began_local] { finish_run(probe, began, began_local); });
    return;
  }
  const Outcome outcome = answer.finding.outcome;
  if (outcome == Outcome::pass || outcome == Outcome::warn) {
    sessions_.insert(probe.name);
  } else {
    sessions_.erase(probe.name);
  }
  give(SampleTaken{Sample{probe.name, began_local, local(), answer.finding}});
}

void Agent::session_ends(const ProbeName& server, SessionEnd how) {
  if (!engine_ || sessions_.erase(server) == 0) return;
  if (!scene_.servers.passes(server.text, name())) return;
  const bool tells = scene_.servers.get(server).kind == ProbeKind::postgres;
  answer(1ms, SessionEnded{server, tells ? how : SessionEnd::lost});
}

void Agent::change_pooler(const PoolerChanges& change) {
  const auto it = poolers_.find(change.route);
  if (it == poolers_.end()) return;
  Pooler& pooler = it->second;
  switch (change.state) {
    case PoolerBecomes::up:
      pooler.up = true;
      return;
    case PoolerBecomes::down:
      pooler.up = false;
      return;
    case PoolerBecomes::paused:
      pooler.paused = true;
      return;
    case PoolerBecomes::disabled:
      pooler.disabled = true;
      return;
    case PoolerBecomes::resumed:
      pooler.paused = pooler.disabled = false;
      return;
    case PoolerBecomes::edited:
      pooler.leads = {change.to};
      pooler.file = FileState::differs;
      return;
  }
}

}  // namespace pointsman::sim
