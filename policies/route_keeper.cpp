#include "policies/route_keeper.hpp"

#include <algorithm>

#include "policies/explain.hpp"
#include "policies/schedule.hpp"

namespace pointsman {
namespace {

/// A pooler is taken for unreachable after this many looks in a row that failed.
constexpr int observe_failures_limit = 3;

Duration settled_age_limit(const ProbePolicy& policy) {
  return 3 * std::max(policy.interval, policy.down_interval) + policy.timeout;
}

bool wants_the_writer(Require require) {
  return require == Require::writable || require == Require::master;
}

/// The clients that hang on such a target are cut, not waited for.
bool is_dead(TargetFact fact) {
  switch (fact) {
    case TargetFact::refused:
    case TargetFact::silent:
    case TargetFact::frozen:
    case TargetFact::failing:
    case TargetFact::starting:
    case TargetFact::stopping:
    case TargetFact::outdated:
      return true;  // alive, but whoever still writes there loses it
    default:
      return false;
  }
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
  std::erase_if(tracks_, [this](const auto& item) {
    return std::count(policy_.candidates.begin(), policy_.candidates.end(), item.first) == 0;
  });
}

void RouteKeeper::restore(const RouteMemory& memory) {
  targets_ = memory.targets;
  system_id_ = memory.system_id;
  timeline_ = memory.timeline;
  epoch_ = memory.epoch;
}

bool RouteKeeper::managed() const {
  return std::all_of(policy_.via.begin(), policy_.via.end(),
                     [](ViaKind kind) { return kind == ViaKind::pgbouncer; });
}

const ProbeEntry* RouteKeeper::entry(const RouteContext& context, const ProbeName& name) const {
  const auto it = context.probes.find(name);
  return it == context.probes.end() ? nullptr : &it->second;
}

std::optional<Lag> RouteKeeper::max_lag(const ProbeEntry& entry) const {
  return policy_.max_lag ? policy_.max_lag : entry.policy.max_lag;
}

/// The last conclusive sample, if it is neither stale nor from before a distrust.
const Sample* RouteKeeper::evidence(const RouteContext& context, const ProbeName& name) const {
  const ProbeEntry* probe = entry(context, name);
  if (!probe || !probe->conclusive || probe->check.stale()) return nullptr;
  const Sample& sample = *probe->conclusive;
  if (context.distrust_since && sample.started < *context.distrust_since) return nullptr;
  return &sample;
}

bool RouteKeeper::foreign(const Sample& sample) const {
  const std::string id = system_id_of(sample.finding);
  return !id.empty() && !system_id_.empty() && id != system_id_;
}

// --- taking in ---------------------------------------------------------------------------------

void RouteKeeper::take_sample(const RouteContext& context, const ProbeName& probe) {
  const ProbeEntry* e = entry(context, probe);
  if (!e || !e->last || e->last->finding.outcome == Outcome::inconclusive) return;
  const Finding& finding = e->last->finding;
  Track& track = tracks_[probe];
  if (fits(policy_.require, max_lag(*e), finding)) {
    track.unfit_streak = 0;
    if (++track.fit_streak == 1) track.fit_since = context.now;
    track.fit_streak = std::min(track.fit_streak, 1'000'000);
  } else {
    track.fit_streak = 0;
    track.fit_since.reset();
    track.unfit_streak = std::min(track.unfit_streak + 1, 1'000'000);
    if (std::count(targets_.begin(), targets_.end(), probe) > 0) begin_trouble(context);
  }
  if (answered(finding)) told_to_stop_.erase(probe);
}

void RouteKeeper::take_session_end(const RouteContext& context, const ProbeName& probe,
                                   SessionEnd how) {
  if (how == SessionEnd::administrator) told_to_stop_.insert(probe);
  if (std::count(targets_.begin(), targets_.end(), probe) > 0) begin_trouble(context);
}

void RouteKeeper::begin_trouble(const RouteContext& context) {
  if (trouble_since_) return;
  trouble_since_ = context.now;
  for (const ProbeName& name : policy_.candidates) {
    const ProbeEntry* e = entry(context, name);
    const auto* pg =
        e && e->conclusive ? std::get_if<PostgresFacts>(&e->conclusive->finding.facts) : nullptr;
    tracks_[name].lsn_at_trouble = pg ? pg->lsn : std::nullopt;
  }
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
  const bool calm = reached && !trouble_since_ && in_effect(context);
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
  if (!acting_ || acting_->id != finished.id) return;
  const SwitchRoute order = *acting_;
  const Duration took = context.now - acting_since_;
  acting_.reset();
  look_first_ = true;
  observe_at_ = context.now;
  if (order.cause != SwitchCause::verify) {
    last_switch_ = SwitchView{context.now, order.from,      {}, order.cause, finished.outcome,
                              took,        finished.message};
    for (const SwitchTarget& target : order.to) last_switch_->to.push_back(target.probe);
    ++counters_.switches[{order.cause, finished.outcome}];
    const double seconds = std::chrono::duration<double>(took).count();
    counters_.duration_sum_seconds += seconds;
    const auto* bound = std::lower_bound(std::begin(duration_bounds_seconds),
                                         std::end(duration_bounds_seconds), seconds);
    ++counters_.duration_buckets[bound - std::begin(duration_bounds_seconds)];
  }
  Record record{RecordKind::outcome,
                policy_.name.text,
                std::string(to_text(order.cause)) + " " + std::string(to_text(finished.outcome)) +
                    ": " + finished.message,
                {{"action", std::to_string(static_cast<std::uint64_t>(order.id))},
                 {"took", print_duration(took)},
                 {"verified", std::string(to_text(finished.verified))},
                 {"rolled_back", finished.rolled_back ? "true" : "false"}},
                {}};
  const bool noteworthy =
      order.cause != SwitchCause::verify || finished.outcome != ActionOutcome::ok;
  if (noteworthy) context.effects.push_back(std::move(record));

  if (finished.outcome == ActionOutcome::ok) {
    failures_ = 0;
    retry_at_.reset();
    verified_ = finished.verified;
    pending_cause_.reset();
    const bool repaired = order.cause == SwitchCause::drift || order.cause == SwitchCause::adopt ||
                          order.cause == SwitchCause::verify;
    if (!repaired) last_switch_at_ = context.now;
    learn_from_target(context);
    Record memory{RecordKind::route, policy_.name.text, "leads to " + join_names(targets_), {}, {}};
    memory.memory = RouteMemory{policy_.name, targets_, system_id_, timeline_, epoch_};
    context.effects.push_back(std::move(memory));
  } else {
    verified_ = Verified::no;
    ++failures_;
    retry_at_ = context.now + retry_delay(failures_);
  }
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

// --- facts -------------------------------------------------------------------------------------

TrustFact RouteKeeper::trust_fact(const RouteContext& context) const {
  if (!context.distrust_since) return TrustFact::trusted;
  for (const ProbeName& name : policy_.candidates) {
    const ProbeEntry* e = entry(context, name);
    if (e && e->policy.enabled && (!e->ran_since || *e->ran_since < *context.distrust_since)) {
      return TrustFact::distrusted;
    }
  }
  return TrustFact::trusted;
}

/// Do all poolers have exactly these in effect?
bool RouteKeeper::shows(const RouteContext& context, const std::vector<ProbeName>& targets) const {
  std::vector<Endpoint> wanted;
  for (const ProbeName& name : targets) {
    const ProbeEntry* e = entry(context, name);
    if (!e || !e->policy.endpoint) return false;
    wanted.push_back(*e->policy.endpoint);
  }
  std::sort(wanted.begin(), wanted.end());
  for (const PoolerObservation& pooler : observation_) {
    std::vector<Endpoint> seen = pooler.addresses;
    std::sort(seen.begin(), seen.end());
    if (seen != wanted) return false;
  }
  return !observation_.empty() && !wanted.empty();
}

PoolerFact RouteKeeper::pooler_fact(const RouteContext& context) const {
  if (observe_failures_ >= observe_failures_limit) return PoolerFact::unreachable;
  const bool seen =
      !observation_.empty() && std::all_of(observation_.begin(), observation_.end(),
                                           [](const PoolerObservation& o) { return o.reachable; });
  if (!seen) return PoolerFact::unseen;
  if (!acting_ && std::any_of(observation_.begin(), observation_.end(),
                              [](const auto& o) { return o.paused || o.disabled; })) {
    return PoolerFact::paused;
  }
  const bool file_differs =
      std::any_of(observation_.begin(), observation_.end(), [](const PoolerObservation& o) {
        return o.file == FileState::differs || o.file == FileState::missing;
      });
  return !file_differs && shows(context, targets_) ? PoolerFact::follows : PoolerFact::elsewhere;
}

TargetFact RouteKeeper::target_fact(const RouteContext& context) const {
  if (targets_.empty()) return TargetFact::none;
  const ProbeName& name = targets_.front();
  const ProbeEntry* e = entry(context, name);
  if (!e || !e->policy.enabled ||
      std::count(policy_.candidates.begin(), policy_.candidates.end(), name) == 0) {
    return TargetFact::none;
  }
  const Sample* sample = evidence(context, name);
  if (!sample) return TargetFact::unseen;
  if (wants_the_writer(policy_.require) && foreign(*sample)) return TargetFact::failing;
  const TargetFact fact = judge_target(policy_.require, max_lag(*e), sample->finding);
  // A primary that came back from before a failover that we saw is not what the route should lead
  // to.
  if (fact == TargetFact::serving && timeline_of(sample->finding).value_or(timeline_) < timeline_ &&
      policy_.require == Require::writable) {
    return TargetFact::outdated;
  }
  if (told_to_stop_.contains(name) &&
      (fact == TargetFact::refused || fact == TargetFact::failing)) {
    return TargetFact::stopping;
  }
  return fact;
}

SettledFact RouteKeeper::settled_fact(const RouteContext& context) const {
  if (targets_.empty()) return SettledFact::yes;
  const ProbeEntry* e = entry(context, targets_.front());
  const auto track = tracks_.find(targets_.front());
  if (!e || track == tracks_.end()) return SettledFact::no;
  return track->second.unfit_streak >= e->policy.fall ? SettledFact::yes : SettledFact::no;
}

/// Only what was seen since the trouble began says what a candidate is.
RivalFact RouteKeeper::rival_fact(const RouteContext& context,
                                  std::vector<ProbeName>& rivals) const {
  std::uint32_t newest = 0;
  for (const ProbeName& name : policy_.candidates) {
    if (!targets_.empty() && name == targets_.front()) continue;
    const ProbeEntry* e = entry(context, name);
    const Sample* sample = evidence(context, name);
    if (!e || !sample || (trouble_since_ && sample->started < *trouble_since_)) continue;
    if (!fits(policy_.require, max_lag(*e), sample->finding) || foreign(*sample)) continue;
    const std::uint32_t timeline = timeline_of(sample->finding).value_or(0);
    if (wants_the_writer(policy_.require)) {
      if (timeline > newest) rivals.clear();
      if (timeline < newest) continue;
      newest = timeline;
    }
    rivals.push_back(name);
  }
  if (rivals.empty()) return RivalFact::none;
  if (!wants_the_writer(policy_.require)) return RivalFact::same;
  if (newest != 0 && newest < timeline_) return RivalFact::older;
  if (rivals.size() > 1) return RivalFact::several;
  return newest > timeline_ ? RivalFact::newer : RivalFact::same;
}

StandbysFact RouteKeeper::standbys_fact(const RouteContext& context) const {
  StandbysFact fact = StandbysFact::none_answers;
  for (const ProbeName& name : policy_.candidates) {
    const Sample* sample = evidence(context, name);
    if (!sample || (trouble_since_ && sample->started < *trouble_since_)) continue;
    const auto* pg = std::get_if<PostgresFacts>(&sample->finding.facts);
    if (!pg || !is_standby(sample->finding)) continue;
    if (!pg->receiving.value_or(false)) {
      if (fact == StandbysFact::none_answers) fact = StandbysFact::not_receiving;
      continue;
    }
    const auto track = tracks_.find(name);
    const std::optional<std::uint64_t> before =
        track == tracks_.end() ? std::nullopt : track->second.lsn_at_trouble;
    const bool advanced = before && pg->lsn && *pg->lsn > *before;
    const bool heard = trouble_since_ && pg->receiver_silent &&
                       sample->finished - *pg->receiver_silent > *trouble_since_;
    if (!trouble_since_ || advanced || heard) return StandbysFact::receiving;
    fact = StandbysFact::silent;
  }
  return fact;
}

ClusterFact RouteKeeper::cluster_fact(const RouteContext& context) const {
  for (const ProbeName& name : policy_.candidates) {
    const Sample* sample = evidence(context, name);
    if (sample && answered(sample->finding) && foreign(*sample)) return ClusterFact::foreign;
  }
  return ClusterFact::same;
}

// --- choosing ----------------------------------------------------------------------------------

SwitchCause RouteKeeper::repair_cause() const {
  if (pending_cause_) return *pending_cause_;
  return epoch_ == 0 ? SwitchCause::adopt : SwitchCause::drift;
}

bool RouteKeeper::in_effect(const RouteContext& context) const {
  return verified_ != Verified::no && observe_failures_ < observe_failures_limit &&
         shows(context, targets_);
}

std::optional<RouteKeeper::Choice> RouteKeeper::choose_single(const RouteContext& context) {
  std::vector<ProbeName> rivals;
  TargetFacts facts;
  facts.trust = trust_fact(context);
  facts.pooler = pooler_fact(context);
  facts.target = target_fact(context);
  facts.settled = settled_fact(context);
  facts.rival = rival_fact(context, rivals);
  facts.standbys = standbys_fact(context);
  facts.cluster = cluster_fact(context);
  const Diagnosis& diagnosis =
      wants_the_writer(policy_.require) ? diagnose_primary(facts) : diagnose_target(facts);
  record_diagnosis(
      context, diagnosis,
      fill_in(diagnosis.why, join_names(targets_, "no candidate"), join_names(rivals)));
  if (facts.target == TargetFact::serving) {
    learn_from_target(context);
    const ProbeEntry* e = entry(context, targets_.front());
    if (e && e->check.streak() >= std::min(e->policy.rise, 2) && !e->check.pending(e->policy) &&
        facts.pooler == PoolerFact::follows) {
      trouble_since_.reset();
    }
  } else if (facts.target != TargetFact::unseen) {
    begin_trouble(context);
  }
  const OldTargets old = is_dead(facts.target) ? OldTargets::dead : OldTargets::alive;
  switch (diagnosis.plan) {
    case Plan::follow:
      return Choice{{rivals.front()}, SwitchCause::follow, old};
    case Plan::move:
      return Choice{{rivals.front()},
                    is_dead(facts.target) || facts.target == TargetFact::none
                        ? SwitchCause::target_lost
                        : SwitchCause::wrong_role,
                    old};
    case Plan::repair:
      return Choice{targets_, repair_cause(), pending_old_};
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
  const bool falls_back = context.fallback && !context.fallback->targets().empty();
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
  const bool changed = !diagnosis_ || diagnosis_->id != diagnosis.id || why_ != why;
  diagnosis_ = &diagnosis;
  if (!changed) return;
  why_ = std::move(why);
  context.effects.push_back(Record{RecordKind::diagnosis,
                                   policy_.name.text,
                                   std::string(diagnosis.id) + ": " + why_,
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

// --- acting ------------------------------------------------------------------------------------

void RouteKeeper::settle_guards(const RouteContext& context, const std::optional<Choice>& choice) {
  GuardInputs in;
  in.mode = context.mode;
  in.switch_mode = policy_.switch_mode;
  for (const ProbeName& name : policy_.candidates) {
    const ProbeEntry* e = entry(context, name);
    if (!e || !e->policy.enabled) continue;
    ++in.candidates;
    if (e->conclusive) ++in.candidates_seen;
    if (!context.distrust_since || (e->ran_since && *e->ran_since >= *context.distrust_since)) {
      ++in.candidates_trusted;
    }
  }
  const std::vector<ProbeName>& wanted = choice ? choice->targets : targets_;
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
  in.acting = acting_.has_value();
  in.now = context.now;
  guards_ = evaluate_guards(in);
}

void RouteKeeper::act(const RouteContext& context, const Choice& choice) {
  SwitchRoute order;
  order.id = ActionId{++context.last_action_id};
  order.route = policy_.name;
  order.cause = choice.cause;
  order.from = targets_;
  order.old_targets = choice.old_targets;
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
    auto details = evidence_details(context);
    details.emplace_back("diagnosis", std::string(diagnosis_->id));
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

void RouteKeeper::evaluate(const RouteContext& context) {
  now_seen_ = context.now;
  if (!managed()) {
    static constexpr Diagnosis not_driven{
        "not_driven", Plan::hold,
        "this version drives pgbouncer only: the route is judged by its "
        "candidates, and nobody moves it"};
    record_diagnosis(context, not_driven, std::string(not_driven.why));
  }
  const std::optional<Choice> choice = !managed()   ? std::nullopt
                                       : balanced() ? choose_balanced(context)
                                                    : choose_single(context);
  settle_guards(context, choice);
  if (choice && !acting_ && !look_first_) {
    const Guard* denied = first_denied(guards_, choice->cause);
    if (!denied) {
      act(context, *choice);
      settle_guards(context, choice);
    } else if (choice->cause != SwitchCause::verify) {
      const std::string key = std::string(denied->name) + " " +
                              std::string(to_text(choice->cause)) + " " +
                              join_names(choice->targets);
      if (key != denied_) {
        denied_ = key;
        ++counters_.denied[std::string(denied->name)];
        context.effects.push_back(Record{RecordKind::denied,
                                         policy_.name.text,
                                         std::string(to_text(choice->cause)) + " to " +
                                             join_names(choice->targets) + " held by guard " +
                                             std::string(denied->name) + ": " + denied->value +
                                             " (limit: " + denied->limit + ")",
                                         evidence_details(context),
                                         {}});
      }
    }
  } else if (!choice) {
    denied_.clear();
  }
  observe_when_due(context);

  effect_shown_ = in_effect(context);
  observed_view_.clear();
  for (const PoolerObservation& pooler : observation_) {
    for (const Endpoint& address : pooler.addresses) {
      ObservedTarget seen{std::nullopt, address, 1};
      for (const auto& [name, probe] : context.probes) {
        const bool relevant =
            std::count(policy_.candidates.begin(), policy_.candidates.end(), name) > 0 ||
            std::count(targets_.begin(), targets_.end(), name) > 0;
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
  const State next = judge_state(context);
  if (next != state_) {
    state_ = next;
    since_ = context.now;
  }
}

void RouteKeeper::observe_when_due(const RouteContext& context) {
  if (managed() && !observing_ && !acting_ && context.now >= observe_at_) {
    observing_ = true;
    context.effects.push_back(ObserveRoute{policy_.name});
  }
  wake_at_ = context.now + std::chrono::seconds{1};
  if (!observing_ && !acting_) wake_at_ = std::min(wake_at_, std::max(observe_at_, context.now));
  if (retry_at_ && *retry_at_ > context.now) wake_at_ = std::min(wake_at_, *retry_at_);
}

State RouteKeeper::judge_state(const RouteContext& context) const {
  int alive = 0;
  int fit = 0;
  for (const ProbeName& name : policy_.candidates) {
    const ProbeEntry* e = entry(context, name);
    const Sample* sample = evidence(context, name);
    if (!e || !sample) continue;
    const auto track = tracks_.find(name);
    if (track != tracks_.end() && answered(sample->finding)) ++alive;
    if (fits(policy_.require, max_lag(*e), sample->finding)) ++fit;
  }
  if (!managed()) {
    if (fit > 0) return State::degraded;  // nobody looks where the route really leads
    return alive > 0 || trouble_since_ ? State::unhealthy : State::unknown;
  }
  const std::string_view id = diagnosis_ ? diagnosis_->id : "unknown";
  if (id == "self_suspect" || (id == "unknown" && !trouble_since_)) return State::unknown;
  const bool redundancy_lost = policy_.candidates.size() > 1 && alive < 2;
  const bool alarmed = id == "split_brain" || id == "old_primary_back" || id == "wrong_cluster";

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
    const bool broken = observe_failures_ >= observe_failures_limit || failures_ > 0 ||
                        pooler_fact(context) != PoolerFact::follows;
    return broken ? State::unhealthy : state_;
  }
  if (alarmed || redundancy_lost) return State::degraded;
  if (balanced() && (id == "no_replica" ||
                     targets_.size() < std::min<std::size_t>(2, policy_.candidates.size()))) {
    return State::degraded;
  }
  return State::healthy;
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
  view.diagnosis = diagnosis_ ? diagnosis_->id : "unknown";
  view.why = why_;
  view.guards = guards_;
  view.last_switch = last_switch_;
  view.switching = acting_.has_value() && acting_->cause != SwitchCause::verify;
  for (const PoolerObservation& pooler : observation_) {
    if (!pooler.error.empty()) view.observe_error = pooler.error;
  }
  view.counters = counters_;
  return view;
}

}  // namespace pointsman
