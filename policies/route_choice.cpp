// What a step wants of a route: the diagnosis, and the targets that follow from it.
#include <algorithm>

#include "policies/explain.hpp"
#include "policies/route_keeper.hpp"
#include "policies/route_words.hpp"

namespace pointsman {

SwitchCause RouteKeeper::repair_cause() const {
  if (pending_cause_) return *pending_cause_;
  return epoch_ == 0 ? SwitchCause::adopt : SwitchCause::drift;
}

bool RouteKeeper::in_effect_now(const RouteContext& context) const {
  return verified_ != Verified::no && observe_failures_ < observe_failures_limit &&
         shows(context, targets_);
}

std::optional<RouteKeeper::Choice> RouteKeeper::choose_single(const RouteContext& context) {
  settle_promoted(context);
  std::vector<ProbeName> rivals;
  const TargetFacts facts = gather_facts(context, rivals);
  const Diagnosis& diagnosis =
      wants_the_writer(policy_.require) ? diagnose_primary(facts) : diagnose_target(facts);
  record_diagnosis(
      context, diagnosis,
      fill_in(diagnosis.why, join_names(targets_, "no candidate"), join_names(rivals)));
  if (facts.target == TargetFact::serving) {
    learn_from_target(context);
    const ProbeEntry* e = entry(context, targets_.front());
    if (e && e->check.streak() >= std::min(e->policy.rise, 2) && !e->check.pending(e->policy) &&
        facts.pooler == PoolerFact::follows && !promotion_ &&
        fresh_evidence(context, targets_.front())) {
      trouble_since_.reset();
    }
  } else if (facts.target != TargetFact::unseen && facts.pooler != PoolerFact::unseen) {
    begin_trouble(context);
  }
  follow_incident(context, &facts);
  advance_promotion(context, facts);
  const OldTargets old = is_dead(facts.target) ? OldTargets::dead : OldTargets::alive;
  switch (diagnosis.plan) {
    case Plan::follow:
      return Choice{{rivals.front()}, SwitchCause::follow, old};
    case Plan::move:
      return Choice{{rivals.front()},
                    promoted_ == rivals.front() ? SwitchCause::follow
                    : is_dead(facts.target) || facts.target == TargetFact::none
                        ? SwitchCause::target_lost
                        : SwitchCause::wrong_role,
                    old};
    case Plan::repair:
      return Choice{targets_, repair_cause(), pending_old_};
    case Plan::demote:
      demote_returned(context, rivals.front());
      [[fallthrough]];
    case Plan::keep:
      if (facts.pooler == PoolerFact::follows && verified_ == Verified::no) {
        return Choice{targets_, pending_cause_.value_or(SwitchCause::verify), pending_old_};
      }
      if (facts.pooler == PoolerFact::follows) return choose_failback(context);
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

/// A candidate that stands before the target, and has fitted for as long as `failback` asks.
std::optional<RouteKeeper::Choice> RouteKeeper::choose_failback(const RouteContext& context) const {
  if (!policy_.failback || wants_the_writer(policy_.require)) return std::nullopt;
  for (const ProbeName& name : policy_.candidates) {
    if (!targets_.empty() && name == targets_.front()) return std::nullopt;
    const auto track = tracks_.find(name);
    if (track == tracks_.end() || !track->second.fit_since || !evidence(context, name)) continue;
    if (context.now - *track->second.fit_since >= *policy_.failback) {
      return Choice{{name}, SwitchCause::failback, OldTargets::alive};
    }
  }
  return std::nullopt;
}

/// Who is in stays in until it has failed `fall` times or has another role; who is out comes back
/// after `rise` passes and the time that `failback` asks.
std::vector<ProbeName> RouteKeeper::fitting_replicas(const RouteContext& context) const {
  std::vector<ProbeName> fitting;
  for (const ProbeName& name : policy_.candidates) {
    const ProbeEntry* e = entry(context, name);
    const auto it = tracks_.find(name);
    const Sample* sample = evidence(context, name);
    if (!e || !e->policy.enabled || it == tracks_.end() || !sample) continue;
    const Track& track = it->second;
    const bool in = std::count(targets_.begin(), targets_.end(), name) > 0;
    const TargetFact fact = judge_target(policy_.require, max_lag(*e), sample->finding);
    const bool first_choice = verified_ == Verified::no && epoch_ == 0;
    if (in || first_choice) {
      const bool definite = fact == TargetFact::wrong_role || fact == TargetFact::read_only;
      if (fact == TargetFact::serving || (in && !definite && track.unfit_streak < e->policy.fall)) {
        fitting.push_back(name);
      }
    } else if (track.fit_streak >= e->policy.rise &&
               context.now - *track.fit_since >= policy_.failback.value_or(Duration::zero())) {
      fitting.push_back(name);
    }
  }
  return fitting;
}

std::optional<RouteKeeper::Choice> RouteKeeper::choose_balanced(const RouteContext& context) {
  const std::vector<ProbeName> fitting = fitting_replicas(context);
  // Reads stay with replicas that are late rather than go where nothing serves.
  const bool falls_back = context.fallback && !context.fallback->targets().empty() &&
                          context.fallback->state() != State::unhealthy;
  const bool all_seen =
      std::all_of(policy_.candidates.begin(), policy_.candidates.end(), [&](const ProbeName& name) {
        const ProbeEntry* e = entry(context, name);
        return e && (!e->policy.enabled || e->conclusive);
      });
  BalancedFacts facts;
  facts.trust = trust_fact(context);
  facts.pooler = pooler_fact(context);
  facts.fallback = falls_back ? FallbackFact::fits : FallbackFact::none;
  if (!all_seen) {
    facts.replicas = ReplicasFact::unseen;
  } else if (fitting.empty()) {
    facts.replicas = ReplicasFact::none;
  } else {
    facts.replicas =
        fitting.size() == policy_.candidates.size() ? ReplicasFact::all : ReplicasFact::some;
  }
  const Diagnosis& diagnosis = diagnose_balanced(facts);
  const std::vector<ProbeName> nobody;
  record_diagnosis(context, diagnosis,
                   fill_in(diagnosis.why, join_names(fitting),
                           join_names(falls_back ? context.fallback->targets() : nobody)));
  follow_incident(context, nullptr);
  bool calm = facts.pooler == PoolerFact::follows;
  bool dead = false;
  for (const ProbeName& name : targets_) {
    const auto it = tracks_.find(name);
    const ProbeEntry* e = entry(context, name);
    const Sample* sample = evidence(context, name);
    if (it == tracks_.end() || !e || !sample) continue;
    if (it->second.unfit_streak > 0) calm = false;
    if (std::count(fitting.begin(), fitting.end(), name) == 0) {
      dead = dead || is_dead(judge_target(policy_.require, max_lag(*e), sample->finding));
    }
  }
  if (calm && targets_ == fitting) trouble_since_.reset();

  Choice choice;
  choice.old_targets = dead ? OldTargets::dead : OldTargets::alive;
  if (diagnosis.plan == Plan::spread) {
    choice.targets = fitting;
    choice.cause = SwitchCause::balance;
  } else if (diagnosis.plan == Plan::fall_back) {
    choice.targets = context.fallback->targets();
    choice.cause = SwitchCause::fallback;
  } else {
    return std::nullopt;
  }
  if (choice.targets != targets_) return choice;
  if (facts.pooler == PoolerFact::elsewhere) {
    choice.cause = repair_cause();
    choice.old_targets = pending_old_;
    return choice;
  }
  if (facts.pooler == PoolerFact::follows && verified_ == Verified::no) {
    choice.cause = pending_cause_.value_or(SwitchCause::verify);
    choice.old_targets = pending_old_;
    return choice;
  }
  return std::nullopt;
}

void RouteKeeper::record_diagnosis(const RouteContext& context, const Diagnosis& diagnosis,
                                   std::string why) {
  if (candidate_ && candidate_->missing > 0 && diagnosis.plan == Plan::hold &&
      diagnosis.id == "no_candidate") {
    why += "; " + candidate_->name.text + " lacks " + std::to_string(candidate_->missing) +
           " bytes of what was last seen there";
  }
  const bool changed = !diagnosis_ || diagnosis_->id != diagnosis.id || why_ != why;
  diagnosis_ = &diagnosis;
  if (!changed) return;
  why_ = std::move(why);
  context.effects.push_back(Record{RecordKind::diagnosis,
                                   policy_.name.text,
                                   std::string(diagnosis.name(is_redis())) + ": " + why_,
                                   evidence_details(context),
                                   {}});
}

std::vector<std::pair<std::string, std::string>> RouteKeeper::evidence_details(
    const RouteContext& context) const {
  std::vector<std::pair<std::string, std::string>> details;
  for (const ProbeName& name : policy_.candidates) {
    const ProbeEntry* e = entry(context, name);
    details.emplace_back(
        name.text, describe_sample(e && e->conclusive ? &*e->conclusive : nullptr, context.now));
  }
  return details;
}

State RouteKeeper::judge_state(const RouteContext& context) const {
  int alive = 0;
  for (const ProbeName& name : policy_.candidates) {
    const ProbeEntry* e = entry(context, name);
    const Sample* sample = evidence(context, name);
    if (!e || !sample) continue;
    const auto track = tracks_.find(name);
    if (track != tracks_.end() && answered(sample->finding)) ++alive;
  }
  const std::string_view id = diagnosis_ ? diagnosis_->id : "unknown";
  if (id == "self_suspect" || (id == "unknown" && !trouble_since_)) return State::unknown;
  const bool redundancy_lost = policy_.candidates.size() > 1 && alive < 2;
  const Plan plan = diagnosis_ ? diagnosis_->plan : Plan::hold;
  const bool alarmed = diagnosis_ && id != "ok" &&
                       (plan == Plan::keep || plan == Plan::demote || id == "split_brain");

  bool serves = false, definite = true;
  if (balanced()) {
    serves = !targets_.empty() && id != "no_candidate";
    if (id == "no_replica") {
      const RouteKeeper* where = context.fallback;
      serves = where && targets_ == where->targets() &&
               (where->state() == State::healthy || where->state() == State::degraded);
    }
  } else {
    const TargetFact fact = target_fact(context);
    serves = fact == TargetFact::serving;
    definite = settled_fact(context) == SettledFact::yes || fact == TargetFact::none ||
               fact == TargetFact::wrong_role || fact == TargetFact::read_only;
  }
  if (!serves) return definite ? State::unhealthy : state_;
  if (!effect_shown_) {
    const bool moves = is_switching() || (acting_ && acting_->cause != SwitchCause::verify);
    const bool broken = observe_failures_ >= observe_failures_limit || failures_ > 0 ||
                        (!moves && !look_first_ && pooler_fact(context) != PoolerFact::follows);
    return broken ? State::unhealthy : state_;
  }
  if (alarmed || redundancy_lost) return State::degraded;
  if (balanced() && (id == "no_replica" ||
                     targets_.size() < std::min<std::size_t>(2, policy_.candidates.size()))) {
    return State::degraded;
  }
  return State::healthy;
}

}  // namespace pointsman
