// How a route that drives promotes: which standby, the fence, the second look at every candidate,
// the promotion itself, and what becomes of it when it fails or nobody knows (SPEC section 6, FACTS
// 9b).
#include <algorithm>

#include "policies/explain.hpp"
#include "policies/route_keeper.hpp"
#include "policies/route_words.hpp"

namespace pointsman {
namespace {

/// A candidate whose promotion failed gives way to others for so long.
constexpr Duration promotion_failed_rest = std::chrono::minutes{1};

/// A second look that is not over by then found no answer: what was decided before it is too old.
constexpr Duration look_limit = std::chrono::minutes{1};

/// What ended within this time before a decision was seen immediately before it.
constexpr Duration just_now = std::chrono::milliseconds{250};

bool is_listed(const std::vector<std::string>& ids, std::string_view id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

/// Is the diagnosis of this step one that the route promotes for by itself?
bool RouteKeeper::drives() const {
  return policy_.promote && diagnosis_ && diagnosis_->plan == Plan::promote &&
         is_listed(policy_.promote->when, diagnosis());
}

SwitchTarget RouteKeeper::target_of(const RouteContext& context, const ProbeName& name) const {
  const ProbeEntry* e = entry(context, name);
  return {name, e && e->policy.endpoint ? *e->policy.endpoint : Endpoint{}};
}

std::vector<SwitchTarget> RouteKeeper::others_of(const RouteContext& context,
                                                 const ProbeName& name) const {
  std::vector<SwitchTarget> others;
  for (const ProbeName& other : policy_.candidates) {
    if (other != name && !is_target(other)) others.push_back(target_of(context, other));
  }
  return others;
}

/// What a standby has not received of what was last seen on the primary. The primary's position
/// freezes when it dies: a standby that received more than that lacks nothing that we know of.
std::uint64_t RouteKeeper::missing_of(const Sample& sample) const {
  const std::uint64_t received = position_of(sample.finding).value_or(0);
  if (positions_.empty() || positions_.back().lsn <= received) return 0;
  return positions_.back().lsn - received;
}

/// Who cannot be promoted at all comes last, and is chosen only so that the guard can name it;
/// before it whoever has just failed to be.
int RouteKeeper::rank_of(const RouteContext& context, const Sample& sample) const {
  const auto* pg = std::get_if<PostgresFacts>(&sample.finding.facts);
  const bool delayed = pg && pg->apply_delay.value_or(Duration::zero()) > Duration::zero();
  if (delayed || (pg && !pg->may_promote.value_or(true))) return 2;
  const auto track = tracks_.find(sample.probe);
  const bool rests = track != tracks_.end() && track->second.promotion_failed_at &&
                     context.now - *track->second.promotion_failed_at < promotion_failed_rest;
  return rests ? 1 : 0;
}

/// By timeline and position, not by order alone: who received most loses least. Order decides among
/// equals. A standby on another timeline than the primary's could not have its last writes.
std::optional<RouteKeeper::Candidate> RouteKeeper::best_candidate(
    const RouteContext& context) const {
  std::optional<Candidate> best;
  int best_rank = 0;
  if (!is_cluster_known(context)) return best;
  for (const ProbeName& name : policy_.candidates) {
    if (is_target(name)) continue;
    const ProbeEntry* e = entry(context, name);
    const Sample* sample = fresh_evidence(context, name);
    if (!e || !e->policy.endpoint || !sample) continue;
    if (!is_standby(sample->finding) || foreign(*sample)) continue;
    const auto* rd = std::get_if<RedisFacts>(&sample->finding.facts);
    if (rd && rd->loading) continue;
    if (is_forked(*sample)) continue;
    const int rank = rank_of(context, *sample);
    Candidate one{name, position_of(sample->finding).value_or(0), missing_of(*sample)};
    const bool better =
        !best || rank < best_rank || (rank == best_rank && one.position > best->position);
    if (!better) continue;
    best = std::move(one);
    best_rank = rank;
  }
  return best;
}

/// Has it been run since the second look began? Those that hang are bounded by their timeout. Of
/// the two that it is about a run that failed for a reason of ours is none. The run of the old
/// primary that ended this very moment, and settled it, counts: to wait for the timeout of one more
/// would tell nothing new. After a fence it does not.
bool RouteKeeper::looked_at(const RouteContext& context, const ProbeName& name) const {
  const ProbeEntry* e = entry(context, name);
  if (!e || !e->policy.enabled) return true;
  const bool ended_just_now = e->last && promotion_->since - e->last->finished <= just_now;
  if (is_target(name) && !promotion_->fenced && ended_just_now) return true;
  if (is_target(name) || name == promotion_->to) {
    return e->conclusive && e->conclusive->started >= promotion_->since;
  }
  return e->ran_since && *e->ran_since >= promotion_->since;
}

bool RouteKeeper::looked_at_all(const RouteContext& context) const {
  return std::all_of(policy_.candidates.begin(), policy_.candidates.end(),
                     [&](const ProbeName& name) { return looked_at(context, name); });
}

/// After the fence, or on a person's word, the old primary may look another way than when it was
/// diagnosed: what must still hold is that nothing serves, that no standby hears from it, and that
/// the standby lacks no more than is accepted: the primary may have been back for a while.
bool RouteKeeper::still_promotable(const RouteContext& context, const TargetFacts& facts) const {
  const Sample* sample = fresh_evidence(context, promotion_->to);
  if (!sample || !is_standby(sample->finding) || foreign(*sample) || is_forked(*sample)) {
    return false;
  }
  const std::uint64_t position = position_of(sample->finding).value_or(0);
  if (!promotion_->allow_data_loss && exceeds_lag(position, missing_of(*sample))) return false;
  if (facts.trust != TrustFact::trusted) return false;
  if (!promotion_->fenced && promotion_->asked_by != AskedBy::person) {
    const bool is_lost = promotion_->asked_by == AskedBy::ladder
                             ? diagnosis_ && diagnosis_->plan == Plan::promote
                             : drives();
    return is_lost && candidate_ && candidate_->name == promotion_->to;
  }
  const bool rival = facts.rival == RivalFact::same || facts.rival == RivalFact::newer ||
                     facts.rival == RivalFact::several;
  return facts.target != TargetFact::serving && !rival && facts.standbys != StandbysFact::receiving;
}

/// Promoted and still not followed: it is read-only, or died. What comes next is about it. One that
/// fits is held by a gate of the switch, not by time; and a target that serves again is not left:
/// nobody has written anywhere else.
void RouteKeeper::settle_promoted(const RouteContext& context) {
  if (!promoted_ || acting_ || switchover_) return;
  if (context.now - promoted_at_ < promotion_settles) return;
  if (is_target(*promoted_) || (!targets_.empty() && fits_now(context, targets_.front()))) {
    promoted_.reset();
    return;
  }
  if (fits_now(context, *promoted_)) return;
  lead_to_promoted({policy_.name, {}, *promoted_, timeline_, promoted_at_}, context.now);
  promoted_.reset();
}

/// A promotion in doubt has happened, or is proven not to have: it answered, and is still a
/// standby, when its time to show had passed. With WAL left to replay it may still come: the server
/// replays all that it has before it ends recovery.
void RouteKeeper::settle_doubt(const RouteContext& context) {
  if (!unsettled_) return;
  const Sample* sample = evidence(context, unsettled_->to);
  if (!sample || sample->started < unsettled_->at || !answered(sample->finding)) return;
  if (!is_standby(sample->finding)) {
    const PromotionMemory shown = *unsettled_;
    unsettled_.reset();
    // Where the route has been led on meanwhile this is a second writer, which the diagnosis names.
    if (!targets_.empty() && !is_target(shown.from)) return;
    promoted_ = shown.to;
    promoted_at_ = context.now;
    note_replaced(context, shown.from, shown.to);
    run_after_promote(context, shown.from, shown.to);
    return;
  }
  const auto* pg = std::get_if<PostgresFacts>(&sample->finding.facts);
  const bool replays = pg && pg->lag_bytes.value_or(0) > 0;
  if (sample->started - unsettled_->at >= promotion_settles && !replays) unsettled_.reset();
}

/// The second look, once it is over: does what led to the promotion still hold?
void RouteKeeper::look_again(const RouteContext& context, const TargetFacts& facts) {
  if (!looked_at_all(context)) {
    if (context.now - promotion_->since > look_limit) {
      give_up_promotion(context, "the second look was not over within a minute");
    }
    return;
  }
  // Another may have heard more of the primary while the fence ran.
  const bool chosen_by_us = promotion_->fenced && promotion_->asked_by == AskedBy::nobody;
  if (chosen_by_us && candidate_ && candidate_->name != promotion_->to) {
    const std::string text = "promote " + candidate_->name.text + " in place of " + old_target_ +
                             ": it has more by now than " + promotion_->to.text;
    context.incidents.note(incident_, context.now, text, evidence_details(context));
    context.effects.push_back(
        Record{RecordKind::decision, policy_.name.text, text, evidence_details(context), {}});
    promotion_->to = candidate_->name;
    context.incidents.set_targets(incident_, old_target_, promotion_->to.text);
    if (!looked_at(context, promotion_->to)) return;
  }
  if (acting_ || switchover_) return;  // one act at a time: what began meanwhile ends first
  settle_guards(context, std::nullopt);
  const Guard* denied = nullptr;
  if (promotion_->asked_by == AskedBy::nobody) denied = first_denied_last_moment(guards_);
  if (promotion_->asked_by == AskedBy::ladder) {
    denied = first_denied_asked(guards_, last_moment_gates());
  }
  if (denied) {
    record_denial(context, *denied, "promotion of " + promotion_->to.text);
    give_up_promotion(context, "guard " + std::string(denied->name) + ": " + denied->value);
  } else if (still_promotable(context, facts)) {
    ask_to_promote(context);
  } else {
    give_up_promotion(context, "a second look found: " + std::string(diagnosis()) + ", " + why_);
  }
}

void RouteKeeper::advance_promotion(const RouteContext& context, const TargetFacts& facts) {
  settle_doubt(context);
  if (promotion_) {
    if (promotion_->phase == Promotion::Phase::looking) look_again(context, facts);
    return;
  }
  if (!drives() || !candidate_ || acting_ || switchover_ || promoted_) return;
  settle_guards(context, std::nullopt);
  if (const Guard* denied = first_denied_promotion(guards_)) {
    record_denial(context, *denied, "promotion of " + candidate_->name.text);
    return;
  }
  Promotion next;
  next.to = candidate_->name;
  begin_promotion(context, std::move(next));
}

void RouteKeeper::begin_promotion(const RouteContext& context, Promotion promotion) {
  promotion_ = std::move(promotion);
  promotion_since_ = context.now;
  promotion_->since = context.now;
  ensure_incident(context);
  mark(context, Mark::claimed, context.now);
  mark(context, Mark::chosen, context.now);
  old_target_ = join_names(targets_);
  context.incidents.set_targets(incident_, old_target_, promotion_->to.text);
  auto details = evidence_details(context);
  details.emplace_back("diagnosis", std::string(diagnosis()));
  for (const Guard& guard : guards_) {
    details.emplace_back("guard " + std::string(guard.name),
                         std::string(guard.allow ? "allow" : "deny") + ", " + guard.value);
  }
  const std::string text =
      "promote " + promotion_->to.text + " in place of " + old_target_ + " (" + why_ + ")";
  context.incidents.note(incident_, context.now, text, details);
  context.effects.push_back(
      Record{RecordKind::decision, policy_.name.text, text, std::move(details), {}});
  if (policy_.hooks.contains(HookKind::fence)) {
    promotion_->phase = Promotion::Phase::fencing;
    promotion_->action = ActionId{++context.last_action_id};
    context.effects.push_back(
        RunHook{promotion_->action, policy_.name, HookKind::fence,
                targets_.empty() ? SwitchTarget{} : target_of(context, targets_.front()),
                target_of(context, promotion_->to), incident_});
  } else {
    promotion_->phase = Promotion::Phase::looking;
    look_wanted_ = true;
  }
}

void RouteKeeper::take_hook_outcome(const RouteContext& context, const ActionFinished& finished) {
  ++context.actions[{"fence", finished.outcome}];
  context.incidents.attempt(
      incident_, Attempt{promotion_->since, "fence " + old_target_, context.now - promotion_->since,
                         finished.outcome, finished.message});
  if (finished.outcome != ActionOutcome::ok) {
    ++failures_;
    retry_at_ = context.now + retry_delay(failures_);
    context.incidents.needs_human(
        incident_,
        "the fence of " + old_target_ + " did not succeed (" + finished.message +
            "): nothing is promoted; make sure that it takes no writes, or mend the hook");
    give_up_promotion(context, "the fence did not succeed: " + finished.message);
    return;
  }
  promotion_->fenced = true;
  promotion_->phase = Promotion::Phase::looking;
  promotion_->since = context.now;
  look_wanted_ = true;
}

void RouteKeeper::ask_to_promote(const RouteContext& context) {
  promotion_->phase = Promotion::Phase::promoting;
  promotion_->since = context.now;
  promotion_->action = ActionId{++context.last_action_id};
  promotions_.push_back(context.now);
  PromoteServer order;
  order.id = promotion_->action;
  order.route = policy_.name;
  order.kind = is_redis() ? ServerKind::redis : ServerKind::postgres;
  if (!targets_.empty()) order.from = target_of(context, targets_.front());
  order.to = target_of(context, promotion_->to);
  order.others = others_of(context, promotion_->to);
  order.system_id = system_id_;
  order.timeline = timeline_;
  order.incident = incident_;
  order.timeout = policy_.promote ? policy_.promote->timeout : PromotePolicy{}.timeout;
  context.effects.push_back(std::move(order));
}

void RouteKeeper::give_up_promotion(const RouteContext& context, const std::string& why) {
  const std::string text = "promotion of " + promotion_->to.text + " given up: " + why;
  context.effects.push_back(
      Record{RecordKind::outcome, policy_.name.text, text, evidence_details(context), {}});
  context.incidents.note(incident_, context.now, text, {});
  const bool was_asked = promotion_->asked_by != AskedBy::nobody;
  promotion_.reset();
  if (was_asked) end_request(false, text);
}

void RouteKeeper::take_promotion_outcome(const RouteContext& context,
                                         const ActionFinished& finished) {
  const ProbeName to = promotion_->to;
  ++context.actions[{"promote", finished.outcome}];
  const Duration took = context.now - promotion_->since;
  const std::string text = "promotion of " + to.text + " " +
                           std::string(to_text(finished.outcome)) + ": " + finished.message;
  context.effects.push_back(
      Record{RecordKind::outcome,
             policy_.name.text,
             text,
             {{"action", std::to_string(static_cast<std::uint64_t>(finished.id))},
              {"took", print_duration(took)}},
             {}});
  context.incidents.attempt(incident_, Attempt{promotion_->since, "promote " + to.text, took,
                                               finished.outcome, finished.message});
  run_wanted_ = to;
  const bool was_asked = promotion_->asked_by != AskedBy::nobody;
  if (finished.outcome == ActionOutcome::ok) {
    mark(context, Mark::promoted, context.now);
    promoted_ = to;
    promoted_at_ = context.now;
    promotion_lsn_ = finished.promotion_lsn;
    settle_rpo(context, finished.promotion_lsn);
    if (!targets_.empty()) note_replaced(context, targets_.front(), to);
    failures_ = 0;
    retry_at_.reset();
    run_after_promote(context, targets_.empty() ? ProbeName{} : targets_.front(), to);
    promotion_.reset();
    // The request, if there was one, ends when the route leads there: take_switch_outcome.
    return;
  }
  tracks_[to].promotion_failed_at = context.now;
  ++failures_;
  retry_at_ = context.now + retry_delay(failures_);
  if (finished.outcome == ActionOutcome::unknown) {
    unsettled_ = PromotionMemory{policy_.name, targets_.empty() ? ProbeName{} : targets_.front(),
                                 to, timeline_, context.now};
  }
  promotion_.reset();
  if (was_asked) end_request(false, text);
}

void RouteKeeper::run_after_promote(const RouteContext& context, const ProbeName& old_one,
                                    const ProbeName& to) {
  if (context.mode == Mode::observe || !policy_.hooks.contains(HookKind::after_promote)) return;
  context.effects.push_back(
      RunHook{ActionId{++context.last_action_id}, policy_.name, HookKind::after_promote,
              old_one.text.empty() ? SwitchTarget{} : target_of(context, old_one),
              target_of(context, to), incident_});
}

/// Redis has no timelines: that this master is an old one is ours to know, also after a restart.
void RouteKeeper::note_replaced(const RouteContext& context, const ProbeName& old_one,
                                const ProbeName& to) {
  if (!is_redis()) return;
  const bool is_new = replaced_.insert(old_one).second;
  if (replaced_.erase(to) > 0 || is_new) remember(context);
}

/// A Redis master that a promotion of ours replaced, and that came back as a master: it is made a
/// replica of the new one. PostgreSQL's has to be rebuilt by a person or the hook: reported only.
void RouteKeeper::demote_returned(const RouteContext& context, const ProbeName& server) {
  if (!is_redis() || demoting_ || !replaced_.contains(server) || targets_.empty()) return;
  if (demote_again_at_ && context.now < *demote_again_at_) return;
  settle_guards(context, std::nullopt);
  if (const Guard* denied = first_denied_demotion(guards_)) {
    record_denial(context, *denied, "demotion of " + server.text);
    return;
  }
  denied_.clear();
  demoting_ = DemoteServer{ActionId{++context.last_action_id}, policy_.name,
                           target_of(context, server), target_of(context, targets_.front())};
  const std::string text =
      server.text + " came back as a master: it is made to follow " + targets_.front().text;
  context.effects.push_back(
      Record{RecordKind::decision, policy_.name.text, text, evidence_details(context), {}});
  context.effects.push_back(*demoting_);
}

}  // namespace pointsman
