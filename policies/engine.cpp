#include "policies/engine.hpp"

#include <algorithm>

#include "policies/explain.hpp"
#include "policies/model/invariant.hpp"
#include "policies/schedule.hpp"

namespace pointsman {
namespace {

/// Services in an order in which members come before those that name them. The configuration has no
/// cycles; were there one, the walk would end all the same.
void visit_service(const PolicySet& policy, const ServiceName& name, std::set<ServiceName>& seen,
                   std::vector<ServiceName>& order) {
  const auto it = policy.services.find(name);
  if (it == policy.services.end() || !seen.insert(name).second) return;
  for (const Member& member : it->second.members) {
    if (const auto* service = std::get_if<ServiceName>(&member)) {
      visit_service(policy, *service, seen, order);
    }
  }
  order.push_back(name);
}

void count_sample(ProbeCounters& counters, const Sample& sample) {
  ++counters.samples[{sample.finding.outcome, sample.finding.reason}];
  const double seconds = std::chrono::duration<double>(sample.latency()).count();
  counters.duration_sum_seconds += seconds;
  const auto* bound = std::lower_bound(std::begin(duration_bounds_seconds),
                                       std::end(duration_bounds_seconds), seconds);
  ++counters.duration_buckets[bound - std::begin(duration_bounds_seconds)];
}

/// A pass that came late is a warning.
void judge_latency(const ProbePolicy& policy, Sample& sample) {
  if (!policy.warn_latency || sample.finding.outcome != Outcome::pass) return;
  if (sample.latency() <= *policy.warn_latency) return;
  sample.finding.outcome = Outcome::warn;
  sample.finding.reason = Reason::slow;
  sample.finding.message = "took " + print_duration(sample.latency()) + ", warns over " +
                           print_duration(*policy.warn_latency);
}

}  // namespace

Decision Engine::step(MonoTime now, const Event& event) {
  POINTSMAN_INVARIANT(policy_ || std::holds_alternative<PolicyLoaded>(event),
                      "the engine was asked something before it had a policy");
  now_ = std::max(now, now_);
  effects_.clear();
  std::visit([this](const auto& e) { on(e); }, event);
  if (now_ >= housekeeping_at_) keep_house();
  run_due();
  if (services_dirty_) update_services();
  take_ended_steps();
  run_ladders();
  close_service_incidents();
  if (services_dirty_) update_services();  // a ladder may have set a flag, or drained
  store_incidents();
  ++generation_;
  return Decision{std::move(effects_), next_wake()};
}

// --- events ------------------------------------------------------------------------------------

void Engine::on(const Wake&) {
  for (auto& [name, keeper] : routes_) {
    if (now_ >= keeper.wake_at()) evaluate_route(keeper);
  }
}

void Engine::on(const SampleTaken& event) {
  const auto it = probes_.find(event.sample.probe);
  if (it == probes_.end() || !it->second.in_flight) return;  // of a probe that a reload took away
  ProbeEntry& entry = it->second;
  Sample sample = event.sample;
  if (distrust_since_ && sample.started < *distrust_since_) {
    sample.finding.outcome = Outcome::inconclusive;
    sample.finding.reason = Reason::unreliable;
    sample.finding.message = "taken while our own loop was late or suspended";
  }
  judge_latency(entry.policy, sample);
  count_sample(entry.counters, sample);
  entry.in_flight = false;
  entry.ran_since = sample.started;
  const bool conclusive = sample.finding.outcome != Outcome::inconclusive;
  if (conclusive) entry.conclusive = sample;
  entry.last = sample;
  const State before = entry.check.state();
  if (entry.check.take(entry.policy, sample, now_)) probe_changed(entry, before);

  if (const auto routes = routes_of_.find(entry.policy.name); routes != routes_of_.end()) {
    for (const RouteName& name : routes->second) {
      RouteKeeper& keeper = routes_.at(name);
      keeper.take_sample(context_for(keeper), entry.policy.name);
    }
  }
  schedule_after(entry, sample.started);
  end_distrust_when_all_ran();
  evaluate_routes_of(entry.policy.name);
}

void Engine::on(const SessionEnded& event) {
  const auto it = probes_.find(event.probe);
  if (it == probes_.end()) return;
  run_at_once(it->second);
  if (const auto routes = routes_of_.find(event.probe); routes != routes_of_.end()) {
    for (const RouteName& name : routes->second) {
      RouteKeeper& keeper = routes_.at(name);
      keeper.take_session_end(context_for(keeper), event.probe, event.how);
    }
  }
  evaluate_routes_of(event.probe);
}

void Engine::on(const LoopDistrusted& event) {
  const Duration jump = event.clock_jump < Duration::zero() ? -event.clock_jump : event.clock_jump;
  if (std::max({event.late, event.suspended, jump}) <= distrust_limit) return;
  distrust_since_ = now_;
  effects_.push_back(Record{RecordKind::distrust,
                            "self",
                            "samples are not trusted until every probe has run again",
                            {{"late", print_duration(event.late)},
                             {"suspended", print_duration(event.suspended)},
                             {"clock_jump", print_duration(event.clock_jump)}},
                            {}});
  // Those that routes wait for run first; the others keep their phase.
  for (auto& [name, entry] : probes_) {
    if (entry.policy.enabled && routes_of_.contains(name)) run_at_once(entry);
  }
  for (auto& [name, keeper] : routes_) evaluate_route(keeper);
}

void Engine::on(const RouteObserved& event) {
  const auto it = routes_.find(event.route);
  if (it == routes_.end()) return;
  it->second.take_observation(context_for(it->second), event);
  evaluate_route(it->second);
}

void Engine::on(const ActionFinished& event) {
  const auto it = routes_.find(event.route);
  if (it == routes_.end()) return;
  it->second.take_outcome(context_for(it->second), event);
  evaluate_route(it->second);
}

void Engine::on(const PolicyLoaded& event) {
  POINTSMAN_INVARIANT(event.policy != nullptr, "a policy was loaded that is none");
  const bool first = policy_ == nullptr;
  policy_ = event.policy;
  due_.clear();
  std::map<ProbeName, ProbeEntry> kept = std::move(probes_);
  probes_.clear();
  for (const auto& [name, policy] : policy_->probes) {
    const auto old = kept.find(name);
    if (old != kept.end() && old->second.policy.fingerprint == policy.fingerprint) {
      ProbeEntry& entry = probes_.emplace(name, std::move(old->second)).first->second;
      entry.policy = policy;
      entry.troubled_routes = 0;
      if (policy.enabled && !entry.in_flight) schedule(entry, entry.next_run);
      continue;
    }
    ProbeEntry entry;
    entry.policy = policy;
    ProbeEntry& placed = probes_.emplace(name, std::move(entry)).first->second;
    if (policy.enabled) schedule(placed, first_run(policy, now_));
  }

  std::map<RouteName, RouteKeeper> old_routes = std::move(routes_);  // an act under way goes on
  routes_.clear();
  routes_of_.clear();
  for (const auto& [name, policy] : policy_->routes) {
    const auto old = old_routes.find(name);
    if (old == old_routes.end()) {
      routes_.emplace(name, RouteKeeper(policy));
    } else {
      routes_.emplace(name, std::move(old->second)).first->second.reload(policy);
    }
    for (const ProbeName& candidate : policy.candidates) routes_of_[candidate].push_back(name);
  }
  troubled_.clear();
  for (auto& [name, keeper] : routes_) follow_trouble(keeper);

  std::set<ServiceName> seen;
  service_order_.clear();
  for (const auto& [name, service] : policy_->services) {
    visit_service(*policy_, name, seen, service_order_);
  }
  std::erase_if(services_, [this](const auto& s) { return !policy_->services.contains(s.first); });
  std::erase_if(verdicts_, [this](const auto& v) { return !policy_->services.contains(v.first); });
  recovery_.load(ladder_context(), *policy_);
  operations_.forget_ladders(
      [this](const LadderName& name) { return recovery_.is_configured(name); }, effects_);
  services_dirty_ = true;
  effects_.push_back(Record{RecordKind::policy,
                            "policy",
                            first ? "the first policy is in force" : "a new policy is in force",
                            {{"mode", std::string(to_text(policy_->mode))},
                             {"probes", std::to_string(policy_->probes.size())},
                             {"services", std::to_string(policy_->services.size())},
                             {"routes", std::to_string(policy_->routes.size())}},
                            {}});
  housekeeping_at_ = now_;
}

// --- probes ------------------------------------------------------------------------------------

void Engine::schedule(ProbeEntry& entry, MonoTime at) {
  due_.erase({entry.next_run, entry.policy.name});
  entry.next_run = on_grid(at);
  due_.emplace(entry.next_run, entry.policy.name);
}

void Engine::schedule_after(ProbeEntry& entry, MonoTime start) {
  if (entry.run_again) {
    entry.run_again = false;
    schedule(entry, now_);
    return;
  }
  Pace pace = entry.check.state() == State::unhealthy ? Pace::down : Pace::settled;
  if (entry.troubled_routes > 0 || entry.check.pending(entry.policy)) pace = Pace::fast;
  schedule(entry, std::max(start + next_interval(entry.policy, pace, entry.runs), now_));
}

void Engine::run_at_once(ProbeEntry& entry) {
  if (!entry.policy.enabled) return;
  if (entry.in_flight) {
    entry.run_again = true;
  } else {
    schedule(entry, now_ - wake_grain);  // the grid must not hold it back
  }
}

void Engine::run_due() {
  while (!due_.empty() && due_.begin()->first <= now_) {
    ProbeEntry& entry = probes_.at(due_.begin()->second);
    due_.erase(due_.begin());
    entry.in_flight = true;
    entry.last_start = now_;
    ++entry.runs;
    effects_.push_back(RunProbe{entry.policy.name});
  }
}

void Engine::probe_changed(const ProbeEntry& entry, State before) {
  services_dirty_ = true;
  const State after = entry.check.state();
  std::string text = std::string(to_text(before)) + " to " + std::string(to_text(after));
  if (entry.check.flapping()) text += ", held because it flaps";
  if (entry.check.stale()) text += ", its last sample is too old";
  effects_.push_back(Record{RecordKind::probe_state,
                            entry.policy.name.text,
                            std::move(text),
                            {{"sample", describe_sample(entry.last ? &*entry.last : nullptr, now_)},
                             {"streak", std::to_string(entry.check.streak())}},
                            {}});
}

void Engine::end_distrust_when_all_ran() {
  if (!distrust_since_) return;
  for (const auto& [name, entry] : probes_) {
    if (entry.policy.enabled && (!entry.ran_since || *entry.ran_since < *distrust_since_)) return;
  }
  distrust_since_.reset();
  for (auto& [name, keeper] : routes_) evaluate_route(keeper);
}

// --- routes ------------------------------------------------------------------------------------

RouteContext Engine::context_for(const RouteKeeper& keeper) {
  const RouteKeeper* fallback = nullptr;
  if (keeper.policy().fallback) {
    const auto it = routes_.find(*keeper.policy().fallback);
    if (it != routes_.end()) fallback = &it->second;
  }
  return RouteContext{.now = now_,
                      .mode = policy_->mode,
                      .probes = probes_,
                      .fallback = fallback,
                      .distrust_since = distrust_since_,
                      .paused = operations_.paused(),
                      .maintenance = planned_maintenance(),
                      .machine = machine_trouble(),
                      .effects = effects_,
                      .last_action_id = last_action_id_,
                      .incidents = incidents_,
                      .actions = actions_};
}

void Engine::evaluate_route(RouteKeeper& keeper) {
  const State before = keeper.state();
  const std::vector<ProbeName> targets_before = keeper.targets();
  keeper.evaluate(context_for(keeper));
  follow_trouble(keeper);
  serve_wishes(keeper);
  if (keeper.state() != before) services_dirty_ = true;
  if (keeper.targets() == targets_before && keeper.state() == before) return;
  for (auto& [name, other] : routes_) {  // fallbacks have no cycles, so this ends
    if (other.policy().fallback == keeper.policy().name) evaluate_route(other);
  }
}

/// While a route is in trouble all its candidates run at their fast interval, the first run at
/// once.
void Engine::follow_trouble(const RouteKeeper& keeper) {
  const RouteName& name = keeper.policy().name;
  if (keeper.in_trouble() == troubled_.contains(name)) return;
  const int change = keeper.in_trouble() ? +1 : -1;
  if (change > 0) {
    troubled_.insert(name);
  } else {
    troubled_.erase(name);
  }
  for (const ProbeName& candidate : keeper.policy().candidates) {
    const auto it = probes_.find(candidate);
    if (it == probes_.end()) continue;
    it->second.troubled_routes += change;
    if (change > 0) run_at_once(it->second);
  }
}

/// A second look, a run of the server that an act has changed, the end of a request.
void Engine::serve_wishes(RouteKeeper& keeper) {
  if (keeper.take_look_wanted()) {
    for (const ProbeName& candidate : keeper.policy().candidates) {
      const auto it = probes_.find(candidate);
      if (it != probes_.end()) run_at_once(it->second);
    }
  }
  if (const auto probe = keeper.take_run_wanted()) {
    const auto it = probes_.find(*probe);
    if (it != probes_.end()) run_at_once(it->second);
  }
  if (auto ended = keeper.take_ended()) {
    end_request(ended->request, ended->ok, std::move(ended->text));
  }
}

/// A promotion wants a host that is well itself. Its disk does not count: a full disk never stops a
/// failover.
std::string Engine::machine_trouble() const {
  for (const auto& [name, entry] : probes_) {
    const bool own = entry.policy.kind == ProbeKind::memory || entry.policy.kind == ProbeKind::cpu;
    if (own && entry.check.state() == State::unhealthy) return name.text + " is unhealthy";
  }
  return {};
}

void Engine::evaluate_routes_of(const ProbeName& probe) {
  const auto routes = routes_of_.find(probe);
  if (routes == routes_of_.end()) return;
  for (const RouteName& name : routes->second) evaluate_route(routes_.at(name));
}

// --- services ----------------------------------------------------------------------------------

State Engine::member_state(const Member& member) const {
  if (const auto* probe = std::get_if<ProbeName>(&member)) {
    const auto it = probes_.find(*probe);
    return it == probes_.end() ? State::unknown : it->second.check.state();
  }
  if (const auto* service = std::get_if<ServiceName>(&member)) {
    const auto it = services_.find(*service);
    return it == services_.end() ? State::unknown : it->second;
  }
  const auto it = routes_.find(std::get<RouteName>(member));
  return it == routes_.end() ? State::unknown : it->second.state();
}

std::string Engine::unhealthy_why(const ServiceName& name) const {
  const auto service = policy_->services.find(name);
  std::string text = "service " + name.text + " is unhealthy";
  if (service == policy_->services.end()) return text;
  std::string who;
  for (const Member& member : service->second.members) {
    if (member_state(member) != State::unhealthy) continue;
    if (!who.empty()) who += ", ";
    who += to_text(member);
    const auto* probe = std::get_if<ProbeName>(&member);
    const auto it = probe ? probes_.find(*probe) : probes_.end();
    if (it != probes_.end() && it->second.conclusive) {
      who += " (" + std::string(to_text(it->second.conclusive->finding.reason)) + ")";
    }
  }
  return who.empty() ? text : text + ": " + who;
}

void Engine::update_services() {
  services_dirty_ = false;
  for (const ServiceName& name : service_order_) {
    const ServicePolicy& service = policy_->services.at(name);
    const State next = roll_up(service, [this](const Member& member) -> std::optional<State> {
      if (const auto* probe = std::get_if<ProbeName>(&member)) {
        const auto it = probes_.find(*probe);
        if (it != probes_.end() && !it->second.policy.enabled) return std::nullopt;
      }
      return member_state(member);
    });
    const auto [it, fresh] = services_.try_emplace(name, State::unknown);
    if (fresh) services_since_[name] = now_;
    if (it->second == next) continue;
    effects_.push_back(
        Record{RecordKind::service_state,
               name.text,
               std::string(to_text(it->second)) + " to " + std::string(to_text(next)),
               {},
               {}});
    it->second = next;
    services_since_[name] = now_;
  }
  open_service_incidents();
  const auto worse = [](State state) {
    return state == State::degraded || state == State::unhealthy;
  };
  const bool anything_worse =
      std::any_of(probes_.begin(), probes_.end(),
                  [&](const auto& p) { return worse(p.second.check.state()); }) ||
      std::any_of(routes_.begin(), routes_.end(),
                  [&](const auto& r) { return worse(r.second.state()); });
  const State overall = roll_up_overall(*policy_, services_, anything_worse);
  if (overall != overall_) {
    effects_.push_back(
        Record{RecordKind::overall_state,
               "overall",
               std::string(to_text(overall_)) + " to " + std::string(to_text(overall)),
               {},
               {}});
    overall_ = overall;
    overall_since_ = now_;
  }
  Serving serving = judge_serving(*policy_, services_, verdicts_,
                                  [this](const ServiceName& n) { return unhealthy_why(n); });
  if (operations_.drained()) {
    serving = {false, "drained"};
  } else if (operations_.is_set(maintenance_flag)) {
    serving = {false, "flag maintenance is set"};
  }
  if (serving != serving_) {
    if (serving.ok != serving_.ok) {
      effects_.push_back(
          Record{RecordKind::serving,
                 "serving",
                 serving.ok ? "this host gets traffic" : "no traffic: " + serving.reason,
                 {},
                 {}});
    }
    serving_ = serving;
  }
}

CauseView Engine::cause_view() const {
  return CauseView{
      *policy_,
      [this](const Member& member) { return member_state(member); },
      [this](const Member& member) {
        const auto* service = std::get_if<ServiceName>(&member);
        return service ? unhealthy_why(*service) : to_text(member) + " is not well";
      },
  };
}

/// A service that is unhealthy is covered by one incident: its own, or that of the part that
/// failed.
void Engine::open_service_incidents() {
  cover_services(now_, cause_view(), service_order_, incidents_);
}

/// After the ladders have looked: one that still has business with an incident holds it open.
void Engine::close_service_incidents() {
  if (incidents_.open_count() == 0) return;
  const auto held = [this](IncidentId id) { return recovery_.holds(id); };
  close_recovered(now_, cause_view(), held, incidents_);
}

void Engine::keep_house() {
  housekeeping_at_ = now_ + housekeeping_interval;
  if (operations_.pass_time(now_, effects_)) services_dirty_ = true;
  for (auto& [name, entry] : probes_) {
    const State before = entry.check.state();
    if (entry.check.pass_time(entry.policy, now_)) probe_changed(entry, before);
  }
  for (auto& [name, keeper] : routes_) evaluate_route(keeper);
}

MonoTime Engine::next_wake() const {
  MonoTime at = housekeeping_at_;
  if (!due_.empty()) at = std::min(at, due_.begin()->first);
  for (const auto& [name, keeper] : routes_) at = std::min(at, keeper.wake_at());
  at = std::min(at, recovery_.wake_at());
  return std::max(at, now_);
}

std::shared_ptr<const Snapshot> Engine::snapshot(MonoTime now) const {
  auto shot = std::make_shared<Snapshot>();
  shot->at = now;
  shot->generation = generation_;
  shot->policy = policy_;
  shot->overall = overall_;
  shot->overall_since = overall_since_;
  shot->serving = serving_;
  shot->distrusted = distrust_since_.has_value();
  shot->flags = operations_.flags();
  shot->automation = operations_.automation();
  shot->drain = operations_.drain();
  shot->requests = requests_;
  shot->incidents = incidents_.stories();
  shot->incidents_open = incidents_.open_count();
  shot->actions = actions_;
  shot->ladders = recovery_.views();
  for (const auto& [name, entry] : probes_) {
    ProbeView view;
    view.kind = entry.policy.kind;
    view.state = entry.check.state();
    view.since = entry.check.since();
    view.sample = entry.last;
    view.streak = entry.check.streak();
    view.flapping = entry.check.flapping();
    view.stale = entry.check.stale();
    view.next_run = entry.next_run;
    view.counters = entry.counters;
    shot->probes.emplace_hint(shot->probes.end(), name, std::move(view));
  }
  if (policy_) {
    for (const auto& [name, service] : policy_->services) {
      ServiceView view;
      const auto state = services_.find(name);
      view.state = state == services_.end() ? State::unknown : state->second;
      const auto since = services_since_.find(name);
      view.since = since == services_since_.end() ? now : since->second;
      view.critical = service.critical;
      view.scope = service.scope;
      for (const Member& member : service.members) {
        view.members.emplace(to_text(member), member_state(member));
      }
      shot->services.emplace(name, std::move(view));
    }
  }
  for (const auto& [name, keeper] : routes_) shot->routes.emplace(name, keeper.view(now));
  return shot;
}

}  // namespace pointsman
