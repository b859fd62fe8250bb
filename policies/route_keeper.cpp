#include "policies/route_keeper.hpp"

#include <algorithm>

#include "policies/explain.hpp"
#include "policies/route_words.hpp"

namespace pointsman {
namespace {

/// Positions of the primary that are remembered: at a fast interval of 200 ms, two minutes.
constexpr std::size_t positions_limit = 600;

/// To put right what is in effect is not a switch (SPEC section 6).
bool is_repair(SwitchCause cause) {
  return cause == SwitchCause::drift || cause == SwitchCause::adopt || cause == SwitchCause::verify;
}

Duration settled_age_limit(const ProbePolicy& policy) {
  return 3 * std::max(policy.interval, policy.down_interval) + policy.timeout;
}

}  // namespace

RouteKeeper::RouteKeeper(RoutePolicy policy) : policy_(std::move(policy)) {}

void RouteKeeper::reload(RoutePolicy policy) {
  if (policy.fingerprint != policy_.fingerprint) {
    verified_ = Verified::no;
    observation_.clear();
    observe_at_ = MonoTime{};
    observe_failures_ = 0;
    failures_ = 0;
    retry_at_.reset();
  }
  policy_ = std::move(policy);
  std::erase_if(tracks_, [this](const auto& item) { return !is_candidate(item.first); });
}

void RouteKeeper::restore(const PromotionMemory& memory, MonoTime now) {
  // A kill between two steps of one promotion leaves an intent of each.
  const bool is_same = unsettled_ && unsettled_->to == memory.to;
  if (!is_same) promotions_.push_back(std::min(memory.at, now));
  unsettled_ = memory;
  unsettled_->at = now;  // what was asked of the server may be carried out until then
}

bool RouteKeeper::is_candidate(const ProbeName& name) const {
  return std::count(policy_.candidates.begin(), policy_.candidates.end(), name) > 0;
}

bool RouteKeeper::is_target(const ProbeName& name) const {
  return std::count(targets_.begin(), targets_.end(), name) > 0;
}

bool RouteKeeper::is_switching() const {
  return promotion_.has_value() || switchover_.has_value() ||
         (acting_ && !is_repair(acting_->cause));
}

// --- taking in ---------------------------------------------------------------------------------

void RouteKeeper::take_sample(const RouteContext& context, const ProbeName& probe) {
  const ProbeEntry* e = entry(context, probe);
  if (!e || !e->last || e->last->finding.outcome == Outcome::inconclusive) return;
  const Finding& finding = e->last->finding;
  Track& track = tracks_[probe];
  if (const auto timeline = timeline_of(finding)) {
    track.timeline = *timeline;
  } else if (is_standby(finding) && has_receiver(finding)) {
    track.timeline = 0;  // rebuilt, perhaps; where we may not see it, what it was says nothing
  }
  // What came in between its last run and the first failure says nothing of afterwards.
  if (trouble_since_ && e->last->started >= *trouble_since_ && !track.position_at_trouble) {
    track.position_at_trouble = position_of(finding);
  }
  const TargetFact fact = judge_target(policy_.require, max_lag(*e), finding);
  if (fact != TargetFact::silent) track.last_answer = e->last->started;
  const bool is_foreign = wants_the_writer(policy_.require) && foreign(*e->last);
  if (fits(policy_.require, max_lag(*e), finding) && !is_foreign) {
    track.unfit_streak = 0;
    if (++track.fit_streak == 1) track.fit_since = context.now;
    track.fit_streak = std::min(track.fit_streak, 1'000'000);
    if (is_target(probe)) {
      last_good_ = e->last->started;
      if (const auto lsn = position_of(finding); lsn && !balanced()) {
        positions_.push_back({e->last->started, *lsn});
        if (positions_.size() > positions_limit) positions_.pop_front();
      }
      learn_history(context, finding);
    }
  } else {
    track.fit_streak = 0;
    track.fit_since.reset();
    track.unfit_streak = std::min(track.unfit_streak + 1, 1'000'000);
    if (is_target(probe)) begin_trouble(context);
  }
  // A shutdown may take longer than the grace: it counts from when it was last seen under way.
  if (finding.reason == Reason::stopping) note_stopping(context, probe);
  if (answered(finding)) told_to_stop_.erase(probe);
  // Whoever follows a master again may be promoted again.
  if (is_standby(finding) && replaced_.erase(probe) > 0) remember(context);
}

void RouteKeeper::take_session_end(const RouteContext& context, const ProbeName& probe,
                                   SessionEnd how) {
  if (how == SessionEnd::administrator) note_stopping(context, probe);
  if (is_target(probe)) begin_trouble(context);
}

/// Whoever restarts it may have us restarted too: the grace is kept over that.
void RouteKeeper::note_stopping(const RouteContext& context, const ProbeName& probe) {
  const bool is_new = told_to_stop_.insert_or_assign(probe, context.now).second;
  if (is_new && is_target(probe) && targets_ == remembered_targets_) remember(context);
}

void RouteKeeper::begin_trouble(const RouteContext& context) {
  if (trouble_since_) return;
  trouble_since_ = context.now;
  quiet_since_.reset();
  for (const ProbeName& name : policy_.candidates) tracks_[name].position_at_trouble.reset();
}

void RouteKeeper::take_observation(const RouteContext& context, const RouteObserved& observed) {
  observing_ = false;
  const bool reached = !observed.poolers.empty() &&
                       std::all_of(observed.poolers.begin(), observed.poolers.end(),
                                   [](const PoolerObservation& o) { return o.reachable; });
  if (reached) {
    // A pooler that was away may be another process now: what was proven of the old one is void.
    if (observe_failures_ >= observe_failures_limit) verified_ = Verified::no;
    observe_failures_ = 0;
  } else {
    observe_failures_ = std::min(observe_failures_ + 1, 1'000'000);
  }
  if (reached || observation_.empty() || observe_failures_ >= observe_failures_limit) {
    observation_ = observed.poolers;
  }
  look_first_ = false;
  if (targets_.empty()) adopt_observed_targets(context);
  const bool calm = reached && !trouble_since_ && in_effect_now(context);
  observe_at_ = context.now + (calm ? policy_.observe_interval : policy_.observe_fast_interval);
}

/// The first look: where the pooler leads is where we start from, if it is one of the candidates.
void RouteKeeper::adopt_observed_targets(const RouteContext& context) {
  for (const PoolerObservation& pooler : observation_) {
    std::vector<ProbeName> found;
    for (const Endpoint& address : pooler.addresses) {
      for (const ProbeName& name : policy_.candidates) {
        const ProbeEntry* e = entry(context, name);
        if (e && e->policy.endpoint == address) found.push_back(name);
      }
    }
    if (found.empty() || found.size() != pooler.addresses.size()) continue;
    if (!balanced() && found.size() != 1) continue;
    targets_ = std::move(found);
    return;
  }
}

void RouteKeeper::take_outcome(const RouteContext& context, const ActionFinished& finished) {
  if (acting_ && acting_->id == finished.id) return take_switch_outcome(context, finished);
  if (switchover_ && switchover_->id == finished.id) {
    return take_switchover_outcome(context, finished);
  }
  if (promotion_ && promotion_->action == finished.id) {
    if (promotion_->phase == Promotion::Phase::fencing) return take_hook_outcome(context, finished);
    return take_promotion_outcome(context, finished);
  }
  const bool demoted = demoting_ && demoting_->id == finished.id;
  const std::string what = demoted ? "demote" : "hook";
  ++context.actions[{what, finished.outcome}];
  context.effects.push_back(
      Record{RecordKind::outcome,
             policy_.name.text,
             what + " " + std::string(to_text(finished.outcome)) + ": " + finished.message,
             {{"action", std::to_string(static_cast<std::uint64_t>(finished.id))}},
             {}});
  if (const IncidentId id = incident_ != IncidentId{} ? incident_ : watched_; id != IncidentId{}) {
    context.incidents.attempt(
        id, Attempt{context.now, what, Duration{}, finished.outcome, finished.message});
  }
  if (demoted) {
    run_wanted_ = demoting_->server.probe;  // is it done? before it is asked for again
    demoting_.reset();
    demote_again_at_ = context.now + retry_delay(finished.outcome == ActionOutcome::ok ? 1 : 4);
  }
}

void RouteKeeper::count_switch(const SwitchRoute& order, const ActionFinished& finished,
                               Duration took) {
  if (!is_repair(order.cause)) {
    last_switch_ = SwitchView{now_seen_, order.from,      {}, order.cause, finished.outcome,
                              took,      finished.message};
    for (const SwitchTarget& target : order.to) last_switch_->to.push_back(target.probe);
  }
  ++counters_.switches[{order.cause, finished.outcome}];
  const double seconds = std::chrono::duration<double>(took).count();
  counters_.duration_sum_seconds += seconds;
  const auto* bound = std::lower_bound(std::begin(duration_bounds_seconds),
                                       std::end(duration_bounds_seconds), seconds);
  ++counters_.duration_buckets[bound - std::begin(duration_bounds_seconds)];
}

void RouteKeeper::take_switch_outcome(const RouteContext& context, const ActionFinished& finished) {
  const SwitchRoute order = *acting_;
  const Duration took = context.now - acting_since_;
  now_seen_ = context.now;
  acting_.reset();
  look_first_ = true;
  observe_at_ = context.now;
  if (order.cause != SwitchCause::verify) count_switch(order, finished, took);
  const bool ok = finished.outcome == ActionOutcome::ok;
  const std::string text = std::string(to_text(order.cause)) + " " +
                           std::string(to_text(finished.outcome)) + ": " + finished.message;
  if (order.cause != SwitchCause::verify || !ok) {
    context.effects.push_back(
        Record{RecordKind::outcome,
               policy_.name.text,
               text,
               {{"action", std::to_string(static_cast<std::uint64_t>(order.id))},
                {"took", print_duration(took)},
                {"verified", std::string(to_text(finished.verified))},
                {"rolled_back", finished.rolled_back ? "true" : "false"}},
               {}});
    if (incident_ != IncidentId{}) {
      context.incidents.attempt(
          incident_,
          Attempt{acting_since_, "switch " + policy_.name.text + " to " + join_names(targets_),
                  took, finished.outcome, finished.message});
    }
  }
  if (ok) {
    failures_ = 0;
    retry_at_.reset();
    verified_ = finished.verified;
    pending_cause_.reset();
    if (!is_repair(order.cause)) last_switch_at_ = context.now;
    learn_from_target(context);
    remember(context);
    if (order.cause != SwitchCause::verify) {
      mark_arrival(context, finished);
      extend_rpo(context);
    }
    promoted_.reset();
  } else {
    verified_ = Verified::no;
    ++failures_;
    retry_at_ = context.now + retry_delay(failures_);
  }
  if (request_ && request_->action == order.id) end_request(ok, text);
}

/// The cluster and the newest timeline that the route has led to, for as long as its target serves.
void RouteKeeper::learn_from_target(const RouteContext& context) {
  if (!wants_the_writer(policy_.require) || targets_.size() != 1) return;
  const Sample* sample = evidence(context, targets_.front());
  if (!sample || foreign(*sample)) return;
  if (!fits(policy_.require, std::nullopt, sample->finding)) return;
  if (system_id_.empty()) system_id_ = system_id_of(sample->finding);
  timeline_ = std::max(timeline_, timeline_of(sample->finding).value_or(0));
}

// --- acting ------------------------------------------------------------------------------------

void RouteKeeper::settle_guards(const RouteContext& context, const std::optional<Choice>& choice) {
  GuardInputs in;
  in.mode = context.mode;
  in.paused = context.paused;
  in.maintenance = context.maintenance;
  in.machine = context.machine;
  in.switch_mode = policy_.switch_mode;
  for (const ProbeName& name : policy_.candidates) {
    const ProbeEntry* e = entry(context, name);
    if (!e || !e->policy.enabled) continue;
    ++in.candidates;
    if (e->conclusive) ++in.candidates_seen;
    if (!context.distrust_since || (e->ran_since && *e->ran_since >= *context.distrust_since)) {
      ++in.candidates_trusted;
    }
    const auto* rd =
        e->conclusive ? std::get_if<RedisFacts>(&e->conclusive->finding.facts) : nullptr;
    if (rd) in.sentinels = std::max(in.sentinels, rd->sentinels.value_or(0));
  }
  const bool promotes = candidate_ && diagnosis_ && diagnosis_->plan == Plan::promote;
  std::vector<ProbeName> wanted = choice ? choice->targets : targets_;
  if (promotes && !choice) wanted = {candidate_->name};
  for (const ProbeName& name : wanted) {
    const ProbeEntry* e = entry(context, name);
    if (!e || !e->conclusive) continue;
    in.evidence_age =
        std::max(in.evidence_age.value_or(Duration::zero()), context.now - e->conclusive->started);
    in.evidence_limit = settled_age_limit(e->policy);
  }
  in.last_switch = last_switch_at_;
  in.hold_down = policy_.hold_down;
  in.failures = failures_;
  in.retry_at = retry_at_;
  const bool promotes_now = promotion_ && promotion_->phase != Promotion::Phase::looking;
  in.acting = acting_.has_value() || switchover_.has_value() || promotes_now;
  in.now = context.now;
  if (!policy_.candidates.empty() && !targets_.empty()) {
    const auto told = told_to_stop_.find(targets_.front());
    if (told != told_to_stop_.end()) in.told_to_stop = told->second;
  }
  in.restart_grace = policy_.restart_grace;
  in.drives = policy_.promote.has_value();
  std::erase_if(promotions_, [&](MonoTime at) { return context.now - at > std::chrono::hours{1}; });
  in.promotions = static_cast<int>(promotions_.size());
  in.promotions_limit = promotions_per_hour;
  if (!promotions_.empty()) in.promotions_until = promotions_.front() + std::chrono::hours{1};
  if (candidate_) {
    in.candidate_missing = candidate_->missing;
    in.position_known = !positions_.empty();
    if (policy_.promote) in.max_lag = policy_.promote->max_lag;
    const Sample* sample = evidence(context, candidate_->name);
    const auto* pg = sample ? std::get_if<PostgresFacts>(&sample->finding.facts) : nullptr;
    if (pg) in.may_promote = pg->may_promote;
    if (pg) in.apply_delay = pg->apply_delay;
    in.console_down = observe_failures_ >= observe_failures_limit;
  }
  if (unsettled_) {
    in.unsettled = unsettled_->to.text;
    in.unsettled_until = unsettled_->at + promotion_settles;
  }
  guards_ = evaluate_guards(in);
}

void RouteKeeper::act(const RouteContext& context, const Choice& choice) {
  SwitchRoute order;
  order.id = ActionId{++context.last_action_id};
  order.route = policy_.name;
  order.cause = choice.cause;
  order.from = targets_;
  order.old_targets = choice.old_targets;
  order.incident = incident_;
  order.require = choice.cause == SwitchCause::fallback || policy_.candidates.empty()
                      ? Require::any
                      : policy_.require;
  for (const ProbeName& name : choice.targets) {
    const ProbeEntry* e = entry(context, name);
    if (!e || !e->policy.endpoint) return;  // a reload took it away; the next step chooses anew
    order.to.push_back({name, *e->policy.endpoint});
    const bool own = std::count(policy_.candidates.begin(), policy_.candidates.end(), name) > 0;
    if (!own) order.require = Require::any;
  }
  if (choice.cause != SwitchCause::verify) {
    if (choice.targets != targets_ || epoch_ == 0) {
      ++epoch_;
      verified_ = Verified::no;
      failures_ = 0;
    }
    pending_cause_ = choice.cause;
    pending_old_ = choice.old_targets;
    if (choice.targets != targets_ && incident_ != IncidentId{}) {
      mark(context, Mark::claimed, context.now);
      mark(context, Mark::chosen, context.now);
      mark(context, Mark::promoted, context.now);
      if (old_target_.empty()) old_target_ = join_names(targets_);
      context.incidents.set_targets(incident_, old_target_, join_names(choice.targets));
      settle_rpo(context, promotion_point(context, choice.targets.front()));
    }
    if (choice.targets != targets_) {
      positions_.clear();
      replid_.clear();
      last_good_.reset();
    }
    auto details = evidence_details(context);
    details.emplace_back("diagnosis", std::string(diagnosis()));
    details.emplace_back("old_targets", std::string(to_text(choice.old_targets)));
    for (const Guard& guard : guards_) {
      details.emplace_back("guard " + std::string(guard.name),
                           std::string(guard.allow ? "allow" : "deny") + ", " + guard.value);
    }
    context.effects.push_back(Record{RecordKind::decision,
                                     policy_.name.text,
                                     std::string(to_text(choice.cause)) + ": from " +
                                         join_names(targets_) + " to " +
                                         join_names(choice.targets) + " (" + why_ + ")",
                                     std::move(details),
                                     {}});
    targets_ = choice.targets;
  }
  order.epoch = epoch_;
  acting_ = order;
  acting_since_ = context.now;
  denied_.clear();
  context.effects.push_back(std::move(order));
}

void RouteKeeper::record_denial(const RouteContext& context, const Guard& denied,
                                const std::string& act) {
  const std::string key = std::string(denied.name) + " " + act;
  if (key == denied_) return;
  denied_ = key;
  ++counters_.denied[std::string(denied.name)];
  const std::string text = act + " held by guard " + std::string(denied.name) + ": " +
                           denied.value + " (limit: " + denied.limit + ")";
  context.effects.push_back(
      Record{RecordKind::denied, policy_.name.text, text, evidence_details(context), {}});
  if (incident_ != IncidentId{}) context.incidents.note(incident_, context.now, text, {});
}

void RouteKeeper::consider_acting(const RouteContext& context,
                                  const std::optional<Choice>& choice) {
  if (!choice) {
    const bool may_be_held =
        diagnosis_ && (diagnosis_->plan == Plan::promote || diagnosis_->plan == Plan::demote);
    if (!may_be_held) denied_.clear();
    return;
  }
  if (acting_ || look_first_ || switchover_) return;
  if (promotion_ && choice->cause == SwitchCause::verify) return;  // it may be over in a moment
  const Guard* denied = first_denied(guards_, choice->cause);
  if (!denied) {
    act(context, *choice);
    settle_guards(context, choice);
  } else if (choice->cause != SwitchCause::verify) {
    record_denial(context, *denied,
                  std::string(to_text(choice->cause)) + " to " + join_names(choice->targets));
  }
}

void RouteKeeper::evaluate(const RouteContext& context) {
  now_seen_ = context.now;
  const std::optional<Choice> choice =
      balanced() ? choose_balanced(context) : choose_single(context);
  settle_guards(context, choice);
  if (!start_request(context)) consider_acting(context, choice);
  observe_when_due(context);
  effect_shown_ = in_effect_now(context);
  show_observed(context);
  const State next = judge_state(context);
  if (next != state_) {
    state_ = next;
    since_ = context.now;
    follow_incident(context, nullptr);
  }
}

void RouteKeeper::show_observed(const RouteContext& context) {
  observed_view_.clear();
  for (const PoolerObservation& pooler : observation_) {
    for (const Endpoint& address : pooler.addresses) {
      ObservedTarget seen{std::nullopt, address, 1};
      for (const auto& [name, probe] : context.probes) {
        const bool relevant = is_candidate(name) || is_target(name);
        if (relevant && probe.policy.endpoint == address) seen.target = name;
      }
      const auto same = std::find_if(observed_view_.begin(), observed_view_.end(),
                                     [&](const ObservedTarget& o) { return o.address == address; });
      if (same == observed_view_.end()) {
        observed_view_.push_back(std::move(seen));
      } else {
        ++same->servers;
      }
    }
  }
}

void RouteKeeper::observe_when_due(const RouteContext& context) {
  const bool busy = observing_ || acting_ || switchover_;
  if (!busy && context.now >= observe_at_) {
    observing_ = true;
    context.effects.push_back(ObserveRoute{policy_.name});
  }
  wake_at_ = context.now + std::chrono::seconds{1};
  if (!observing_ && !acting_ && !switchover_) {
    wake_at_ = std::min(wake_at_, std::max(observe_at_, context.now));
  }
  if (retry_at_ && *retry_at_ > context.now) wake_at_ = std::min(wake_at_, *retry_at_);
}

RouteView RouteKeeper::view(MonoTime) const {
  RouteView view;
  view.via = policy_.via;
  view.state = state_;
  view.since = since_;
  view.targets = targets_;
  view.observed = observed_view_;
  view.in_effect = effect_shown_;
  view.verified = verified_;
  view.epoch = epoch_;
  view.diagnosis = diagnosis();
  view.why = why_;
  view.guards = guards_;
  view.last_switch = last_switch_;
  view.switching = is_switching();
  view.incident = incident_;
  for (const PoolerObservation& pooler : observation_) {
    if (!pooler.error.empty()) view.observe_error = pooler.error;
  }
  view.counters = counters_;
  return view;
}

}  // namespace pointsman
