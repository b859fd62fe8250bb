// What an agent does to the world: how long each act takes, what it needs, and what it changes.
#include <algorithm>

#include "policies/simulation/agent.hpp"

namespace pointsman::sim {
namespace {

using namespace std::chrono_literals;

// Measured (FACTS sections 2, 6, 7, 8) where not said otherwise.
constexpr Duration observing = 3ms, switching = 20ms, proving = 5ms;
constexpr Duration promoting_postgres = 110ms, promoting_redis = 1ms;
/// The startup process sleeps out wal_retrieve_retry_interval before it notices.
constexpr Duration promoting_slowly = 5100ms;
constexpr int slow_promotions_percent = 10;
constexpr Duration switching_over = 170ms, demoting = 10ms, reconnecting = 20ms;
constexpr Duration hooking = 200ms, stepping = 200ms;  // assumed

// The shell's own deadlines.
constexpr Duration observe_deadline = 2s, switch_deadline = 10s, proof_deadline = 5s;
constexpr Duration connect_deadline = 2s, hook_deadline = 30s, demote_deadline = 10s;
constexpr Duration latest = 4s;  ///< how long after its deadline a late act may still be done

bool is_reads(Require require) {
  return require == Require::standby || require == Require::replica;
}

ActionFinished finished(ActionId id, const RouteName& route, ActionOutcome outcome,
                        std::string message) {
  return ActionFinished{id, route, outcome, std::move(message), Verified::no, false};
}

}  // namespace

/// An act under way. `perform` changes the world and says how it ended; nothing: it could not be
/// done, and nobody will say so. `plain` is an answer for an act that was not seen to happen.
struct Agent::Act {
  ActKind kind = ActKind::step;
  std::string of;
  Duration takes{}, deadline{};
  std::function<std::optional<Event>()> perform;
  std::function<Event(ActionOutcome, std::string)> plain;
};

void Agent::carry_out(const Act& act) {
  const ActsEnd rule = scene_.how_ends(act.kind, act.of);
  const Duration takes = rule.takes.value_or(act.takes);
  // Of a daemon that died in the middle of it, it may be done or not.
  const auto perform = [this, act, life = life_]() -> std::optional<Event> {
    if (life != life_ && scene_.random.chance(50)) return std::nullopt;
    return act.perform();
  };
  const Event unknown = act.plain(ActionOutcome::unknown, "no answer before the deadline");
  switch (rule.how) {
    case ActEnds::well:
      scene_.after(takes, [this, act, perform, unknown, takes, life = life_] {
        const std::optional<Event> event = perform();
        if (life != life_) return;
        answer(event ? Duration::zero() : std::max(act.deadline - takes, Duration::zero()),
               event.value_or(unknown));
      });
      return;
    case ActEnds::failing:
      answer(takes, act.plain(ActionOutcome::failed, "made to fail"));
      return;
    case ActEnds::hanging:
      answer(act.deadline, unknown);
      return;
    case ActEnds::answer_lost:
      scene_.after(takes, [perform] { perform(); });
      answer(act.deadline, unknown);
      return;
    case ActEnds::late:
      scene_.after(act.deadline + scene_.random.between(Duration::zero(), latest),
                   [perform] { perform(); });
      answer(act.deadline, unknown);
      return;
  }
}

void Agent::note(ActKind kind, ActionId id, const std::string& of, const ProbeName& server) {
  if (watch_) watch_(Entry{scene_.now, name(), local(), Done{kind, id, of, server}});
}

/// Would a query through the pooler find there what the route asks for?
bool Agent::serves(const ProbeName& target, Require require) const {
  const Server& server = scene_.servers.get(target);
  if (!scene_.servers.connects(name(), target.text)) return false;
  if (server.liveness != Liveness::up) return false;
  if (require == Require::any || !server.is_database()) return true;
  return is_reads(require) ? server.role == Role::standby : server.writable();
}

// --- the pooler --------------------------------------------------------------------------------

std::vector<Endpoint> Agent::addresses(const Pooler& pooler) const {
  std::vector<Endpoint> found;
  for (const ProbeName& target : pooler.leads) {
    const auto probe = setup_.policy->probes.find(target);
    if (probe == setup_.policy->probes.end() || !probe->second.endpoint) continue;
    found.push_back(*probe->second.endpoint);
  }
  return found;
}

RouteObserved Agent::look_at_pooler(const RouteName& route, bool reachable) const {
  const Pooler& pooler = poolers_.at(route);
  PoolerObservation seen;
  seen.reachable = reachable && pooler.up;
  if (seen.reachable) {
    seen.listed = true;
    seen.paused = pooler.paused;
    seen.disabled = pooler.disabled;
    seen.addresses = addresses(pooler);
    seen.file = pooler.file;
  } else {
    seen.error = "its console does not answer";
  }
  const auto policy = setup_.policy->routes.find(route);
  const std::size_t poolers = policy == setup_.policy->routes.end() ? 1 : policy->second.via.size();
  return RouteObserved{route,
                       std::vector<PoolerObservation>(std::max<std::size_t>(poolers, 1), seen)};
}

void Agent::run(const ObserveRoute& effect) {
  Act act;
  act.kind = ActKind::observe;
  act.of = effect.route.text;
  act.takes = observing;
  act.deadline = observe_deadline;
  act.perform = [this, effect] { return Event{look_at_pooler(effect.route, true)}; };
  act.plain = [this, effect](ActionOutcome, std::string) {
    return Event{look_at_pooler(effect.route, false)};
  };
  carry_out(act);
}

/// Why it can not be led there; empty: it is.
std::string Agent::lead(const SwitchRoute& order) {
  Pooler& pooler = poolers_.at(order.route);
  if (!pooler.up) return "the console does not answer";
  if (order.cause == SwitchCause::verify) return {};
  if (order.epoch < pooler.epoch) return "a newer epoch is in effect";
  pooler.epoch = order.epoch;
  pooler.leads.clear();
  for (const SwitchTarget& target : order.to) pooler.leads.push_back(target.probe);
  pooler.file = FileState::as_wanted;
  return {};
}

bool Agent::prove(const RouteName& route, Require require) const {
  const Pooler& pooler = poolers_.at(route);
  if (!pooler.up || pooler.paused || pooler.disabled) return false;
  return std::any_of(pooler.leads.begin(), pooler.leads.end(),
                     [&](const ProbeName& target) { return serves(target, require); });
}

void Agent::run(const SwitchRoute& order) {
  const bool verifies = order.cause == SwitchCause::verify;
  const bool is_served =
      std::any_of(order.to.begin(), order.to.end(),
                  [&](const SwitchTarget& target) { return serves(target.probe, order.require); });
  Act act;
  act.kind = ActKind::switch_route;
  act.of = order.route.text;
  act.takes = !is_served ? proof_deadline : verifies ? proving : switching;
  act.deadline = switch_deadline;
  act.perform = [this, order, verifies] {
    const Pooler before = poolers_.at(order.route);
    ActionFinished done = finished(order.id, order.route, ActionOutcome::failed, lead(order));
    if (done.message.empty() && prove(order.route, order.require)) {
      done.outcome = ActionOutcome::ok;
      done.verified = Verified::query;
      if (!verifies) note(ActKind::switch_route, order.id, order.route.text, order.to[0].probe);
    } else if (done.message.empty()) {
      done.message = "a query through the pooler does not reach what was wanted";
      done.rolled_back = !verifies;
      poolers_.at(order.route) = before;
    }
    return Event{done};
  };
  act.plain = [order](ActionOutcome outcome, std::string message) {
    return Event{finished(order.id, order.route, outcome, std::move(message))};
  };
  carry_out(act);
}

void Agent::run(const ReconnectRoute& effect) {
  Act act;
  act.kind = ActKind::reconnect;
  act.of = effect.route.text;
  act.takes = reconnecting;
  act.deadline = switch_deadline;
  act.plain = [effect](ActionOutcome outcome, std::string message) {
    return Event{finished(effect.id, effect.route, outcome, std::move(message))};
  };
  act.perform = [this, effect] {
    const bool up = poolers_.at(effect.route).up;
    return Event{finished(effect.id, effect.route, up ? ActionOutcome::ok : ActionOutcome::failed,
                          "reconnected")};
  };
  carry_out(act);
}

// --- servers -----------------------------------------------------------------------------------

/// The shell looks once more before it asks.
std::string Agent::promotion_refusal(const PromoteServer& order) const {
  const Server& server = scene_.servers.get(order.to.probe);
  if (!scene_.servers.connects(name(), order.to.probe.text)) return "it does not answer";
  if (server.liveness != Liveness::up) return "it does not answer";
  if (server.role != Role::standby) return "it is no standby";
  if (order.kind == ServerKind::redis) return {};
  if (!order.system_id.empty() && server.system_id != order.system_id) {
    return "it belongs to another cluster";
  }
  if (order.timeline != 0 && server.timeline != order.timeline) return "it is on another timeline";
  return {};
}

void Agent::run(const PromoteServer& order) {
  const bool is_redis = order.kind == ServerKind::redis;
  Act act;
  act.kind = ActKind::promote;
  act.of = order.route.text;
  act.takes = is_redis ? promoting_redis : promoting_postgres;
  if (!is_redis && scene_.random.chance(slow_promotions_percent)) act.takes = promoting_slowly;
  act.deadline = order.timeout;
  act.plain = [order](ActionOutcome outcome, std::string message) {
    return Event{finished(order.id, order.route, outcome, std::move(message))};
  };
  if (const std::string why = promotion_refusal(order); !why.empty()) {
    answer(scene_.servers.connects(name(), order.to.probe.text) ? proving : connect_deadline,
           act.plain(ActionOutcome::failed, why));
    return;
  }
  act.perform = [this, order, is_redis]() -> std::optional<Event> {
    const Server& server = scene_.servers.get(order.to.probe);
    if (server.liveness != Liveness::up || server.role != Role::standby) return std::nullopt;
    scene_.servers.promote(order.to.probe);
    if (is_redis) scene_.servers.follow(order.to.probe);
    note(ActKind::promote, order.id, order.route.text, order.to.probe);
    if (!scene_.servers.passes(order.to.probe.text, name())) return std::nullopt;
    ActionFinished done = finished(order.id, order.route, ActionOutcome::ok, "promoted");
    if (!is_redis) done.timeline = server.timeline;
    done.promotion_lsn = server.forked_at;
    return Event{done};
  };
  carry_out(act);
}

void Agent::run(const RunHook& effect) {
  const bool fences = effect.hook == HookKind::fence;
  Act act;
  act.kind = fences ? ActKind::fence : ActKind::after_promote;
  act.of = effect.route.text;
  act.takes = hooking;
  act.deadline = hook_deadline;
  act.plain = [effect](ActionOutcome outcome, std::string message) {
    return Event{finished(effect.id, effect.route, outcome, std::move(message))};
  };
  act.perform = [this, effect, fences, act] {
    if (fences && !effect.old_target.probe.empty()) {
      scene_.servers.fence(effect.old_target.probe);
    } else if (!fences) {
      scene_.servers.follow(effect.new_target.probe);
    }
    note(act.kind, effect.id, effect.route.text, effect.old_target.probe);
    return std::optional<Event>(act.plain(ActionOutcome::ok, "done"));
  };
  carry_out(act);
}

void Agent::run(const DemoteServer& effect) {
  Act act;
  act.kind = ActKind::demote;
  act.of = effect.route.text;
  act.takes = demoting;
  act.deadline = demote_deadline;
  act.plain = [effect](ActionOutcome outcome, std::string message) {
    return Event{finished(effect.id, effect.route, outcome, std::move(message))};
  };
  act.perform = [this, effect, act]() -> std::optional<Event> {
    if (!serves(effect.server.probe, Require::any)) {
      return act.plain(ActionOutcome::failed, "it does not answer");
    }
    scene_.servers.rebuild(effect.server.probe, effect.new_master.probe);
    note(ActKind::demote, effect.id, effect.route.text, effect.server.probe);
    return act.plain(ActionOutcome::ok, "it follows");
  };
  carry_out(act);
}

void Agent::run(const SwitchOver& order) {
  switch_overs_[order.id] = false;
  Act act;
  act.kind = ActKind::switch_over;
  act.of = order.route.text;
  act.takes = switching_over;
  act.deadline = order.promote_timeout + switch_deadline;
  act.plain = [order](ActionOutcome outcome, std::string message) {
    return Event{finished(order.id, order.route, outcome, std::move(message))};
  };
  act.perform = [this, order, act]() -> std::optional<Event> {
    if (std::exchange(switch_overs_[order.id], false)) {
      return act.plain(ActionOutcome::failed, "cancelled, and undone");
    }
    const Server& to = scene_.servers.get(order.to.probe);
    const Server& from = scene_.servers.get(order.from.probe);
    const bool ready = serves(order.from.probe, Require::any) &&
                       serves(order.to.probe, Require::any) && to.role == Role::standby &&
                       !to.lagging && to.system_id == from.system_id && poolers_.at(order.route).up;
    if (!ready) return act.plain(ActionOutcome::failed, "it could not, and was undone");
    if (order.kind == ServerKind::postgres && order.fenced) {
      scene_.servers.fence(order.from.probe);
    }
    scene_.servers.promote(order.to.probe);
    scene_.servers.follow(order.to.probe);
    if (order.kind == ServerKind::redis) {
      scene_.servers.rebuild(order.from.probe, order.to.probe);
    }
    note(ActKind::switch_over, order.id, order.route.text, order.to.probe);
    Pooler& pooler = poolers_.at(order.route);
    pooler.leads = {order.to.probe};
    pooler.epoch = order.epoch;
    pooler.file = FileState::as_wanted;
    ActionFinished done = finished(order.id, order.route, ActionOutcome::ok, "switched over");
    done.verified = Verified::query;
    if (order.kind == ServerKind::postgres) done.timeline = to.timeline;
    done.promotion_lsn = to.forked_at;
    return Event{done};
  };
  carry_out(act);
}

void Agent::run(const CancelSwitchOver& effect) {
  const auto it = switch_overs_.find(effect.id);
  if (it != switch_overs_.end()) it->second = true;
}

void Agent::run(const RunStep& effect) {
  Act act;
  act.kind = ActKind::step;
  act.of = effect.ladder.text;
  act.takes = std::min(stepping, effect.policy.timeout);
  act.deadline = effect.policy.timeout;
  act.plain = [effect](ActionOutcome outcome, std::string message) {
    return Event{StepFinished{effect.id, effect.ladder, outcome, std::move(message)}};
  };
  act.perform = [this, effect, act] {
    note(ActKind::step, effect.id, effect.ladder.text, ProbeName());
    return std::optional<Event>(act.plain(ActionOutcome::ok, "done"));
  };
  carry_out(act);
}

}  // namespace pointsman::sim
