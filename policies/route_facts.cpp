// What a route's keeper knows, as the facts of the diagnosis table.
#include <algorithm>

#include "policies/route_keeper.hpp"
#include "policies/route_words.hpp"

namespace pointsman {
namespace {

/// The standbys' wal_receiver_timeout where they did not say: PostgreSQL's default. Redis has
/// repl-timeout, 60 s too.
constexpr Duration usual_receiver_timeout = std::chrono::seconds{60};

/// A replica that has not taken up its master's history within it does not.
constexpr Duration resync_time = std::chrono::minutes{1};

std::optional<Duration> receiver_timeout(const Finding& finding) {
  const auto* pg = std::get_if<PostgresFacts>(&finding.facts);
  return pg ? pg->wal_receiver_timeout : std::nullopt;
}

}  // namespace

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

/// Only what was seen since the trouble began says what a candidate is.
const Sample* RouteKeeper::fresh_evidence(const RouteContext& context,
                                          const ProbeName& name) const {
  const Sample* sample = evidence(context, name);
  if (!sample || (trouble_since_ && sample->started < *trouble_since_)) return nullptr;
  return sample;
}

bool RouteKeeper::foreign(const Sample& sample) const {
  const std::string id = system_id_of(sample.finding);
  return !id.empty() && !system_id_.empty() && id != system_id_;
}

/// A primary from before a failover that we have seen. A standby on an old timeline is none.
bool RouteKeeper::is_outdated(const Sample& sample) const {
  if (!wants_the_writer(policy_.require) || is_standby(sample.finding)) return false;
  return timeline_of(sample.finding).value_or(timeline_) < timeline_ ||
         replaced_.contains(sample.probe);
}

TargetFacts RouteKeeper::gather_facts(const RouteContext& context, std::vector<ProbeName>& rivals) {
  TargetFacts facts;
  facts.trust = trust_fact(context);
  facts.pooler = pooler_fact(context);
  facts.target = target_fact(context);
  facts.settled = settled_fact(context);
  facts.rival = rival_fact(context, rivals);
  facts.standbys = standbys_fact(context);
  facts.cluster = cluster_fact(context);
  facts.candidate = candidate_fact(context);
  return facts;
}

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
  if (!acting_ && !switchover_ &&
      std::any_of(observation_.begin(), observation_.end(),
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
  if (!e || !e->policy.enabled || !is_candidate(name)) return TargetFact::none;
  const Sample* sample = evidence(context, name);
  if (!sample || sample->started < switched_over_at_) return TargetFact::unseen;
  if (wants_the_writer(policy_.require) && foreign(*sample)) return TargetFact::failing;
  const TargetFact fact = judge_target(policy_.require, max_lag(*e), sample->finding);
  // A primary that came back from before a failover that we saw is not what the route should lead
  // to.
  if (fact == TargetFact::serving && is_outdated(*sample)) return TargetFact::outdated;
  const auto told = told_to_stop_.find(name);
  if (told != told_to_stop_.end() && (fact == TargetFact::refused || fact == TargetFact::failing) &&
      context.now - told->second < policy_.restart_grace) {
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

RivalFact RouteKeeper::rival_fact(const RouteContext& context,
                                  std::vector<ProbeName>& rivals) const {
  const bool writer = wants_the_writer(policy_.require);
  std::uint32_t newest = 0;
  std::vector<ProbeName> outdated, read_only;
  for (const ProbeName& name : policy_.candidates) {
    if (!targets_.empty() && name == targets_.front()) continue;
    const ProbeEntry* e = entry(context, name);
    const Sample* sample = fresh_evidence(context, name);
    if (!e || !sample || foreign(*sample)) continue;
    const std::uint32_t timeline = timeline_of(sample->finding).value_or(0);
    if (!fits(policy_.require, max_lag(*e), sample->finding)) {
      const bool old_one = timeline != 0 && timeline < timeline_;
      if (writer && old_one && is_read_only_primary(sample->finding)) read_only.push_back(name);
      continue;
    }
    if (is_outdated(*sample)) {
      outdated.push_back(name);
      continue;
    }
    if (writer) {
      if (timeline > newest) rivals.clear();
      if (timeline < newest) continue;
      newest = timeline;
    }
    rivals.push_back(name);
  }
  if (!rivals.empty()) {
    if (!writer) return RivalFact::same;
    if (rivals.size() > 1) return RivalFact::several;
    return newest > timeline_ ? RivalFact::newer : RivalFact::same;
  }
  if (!outdated.empty()) {
    rivals = std::move(outdated);
    return RivalFact::older;
  }
  if (!read_only.empty()) {
    rivals = std::move(read_only);
    return RivalFact::older_read_only;
  }
  return RivalFact::none;
}

/// Has this standby heard from its primary since the trouble began?
bool RouteKeeper::is_receiving(const Sample& sample, const ProbeName& name) const {
  if (!trouble_since_) return true;
  const auto track = tracks_.find(name);
  const std::optional<std::uint64_t> before =
      track == tracks_.end() ? std::nullopt : track->second.position_at_trouble;
  const std::optional<std::uint64_t> position = position_of(sample.finding);
  const bool advanced = before && position && *position > *before;
  const std::optional<Duration> silent = silence_of(sample.finding);
  return advanced || (silent && sample.finished - *silent > *trouble_since_);
}

/// For how long neither this standby nor we had a word from its primary.
Duration RouteKeeper::unheard_for(const Sample& sample) const {
  const MonoTime trouble = trouble_since_.value_or(sample.finished);
  // A Redis master's pings move its replicas' offsets: a standing one is a silent one.
  if (std::holds_alternative<RedisFacts>(sample.finding.facts)) return sample.finished - trouble;
  // Without pg_monitor only its position tells, which an idle primary does not move: until the
  // receiver gives up nothing is proven.
  const Duration silence = silence_of(sample.finding).value_or(Duration::zero());
  const auto target = targets_.empty() ? tracks_.end() : tracks_.find(targets_.front());
  const bool is_known = target != tracks_.end() && target->second.last_answer;
  return std::min(silence, sample.finished - (is_known ? *target->second.last_answer : trouble));
}

StandbysFact RouteKeeper::standbys_fact(const RouteContext& context) {
  bool answered_any = false, silent = false;
  Duration longest{}, unheard = Duration::max();
  for (const ProbeName& name : policy_.candidates) {
    const Sample* sample = fresh_evidence(context, name);
    if (!sample || !is_standby(sample->finding) || foreign(*sample)) continue;
    answered_any = true;
    // 0 switches the timeout off: the receiver then never gives up, and its silence proves nothing.
    const Duration timeout = receiver_timeout(sample->finding).value_or(usual_receiver_timeout);
    longest =
        std::max(longest, timeout == Duration::zero() ? std::chrono::hours{24 * 365} : timeout);
    if (!has_receiver(sample->finding)) continue;
    if (is_receiving(*sample, name)) {
      quiet_since_.reset();
      return StandbysFact::receiving;
    }
    silent = true;
    unheard = std::min(unheard, unheard_for(*sample));
  }
  if (!answered_any) {
    quiet_since_.reset();
    return StandbysFact::none_answers;
  }
  // An idle primary is heard when the receiver asks, after half its timeout.
  const Duration proof = longest / 2 + std::chrono::seconds{1};
  if (silent) return unheard > proof ? StandbysFact::silent_long : StandbysFact::silent;
  if (!quiet_since_) quiet_since_ = trouble_since_.value_or(context.now);
  const bool long_ago = context.now - *quiet_since_ > proof;
  return long_ago ? StandbysFact::not_receiving_long : StandbysFact::not_receiving;
}

/// Before the route was seen to lead anywhere, candidates of several clusters leave it open which
/// of them is the right one.
bool RouteKeeper::is_cluster_known(const RouteContext& context) const {
  if (!system_id_.empty()) return true;
  std::string found;
  for (const ProbeName& name : policy_.candidates) {
    const Sample* sample = evidence(context, name);
    const std::string id = sample ? system_id_of(sample->finding) : std::string();
    if (id.empty()) continue;
    if (!found.empty() && found != id) return false;
    found = id;
  }
  return true;
}

ClusterFact RouteKeeper::cluster_fact(const RouteContext& context) const {
  if (!is_cluster_known(context)) return ClusterFact::foreign;
  for (const ProbeName& name : policy_.candidates) {
    const Sample* sample = evidence(context, name);
    if (sample && answered(sample->finding) && foreign(*sample)) return ClusterFact::foreign;
  }
  return ClusterFact::same;
}

void RouteKeeper::learn_history(const RouteContext& context, const Finding& finding) {
  const auto* rd = std::get_if<RedisFacts>(&finding.facts);
  if (!rd || rd->replid.empty()) return;
  if (replid_ != rd->replid) replid_since_ = context.now;
  replid_ = rd->replid;
  replid2_ = rd->replid2;
}

/// Another history than the target's: it cannot have its last writes. A Redis replica follows its
/// master to a new replication id by a resync; one that had its time for that and did not is stale,
/// whatever its offset.
bool RouteKeeper::is_forked(const Sample& sample) const {
  if (const auto* rd = std::get_if<RedisFacts>(&sample.finding.facts)) {
    const bool had_time = trouble_since_ && *trouble_since_ - replid_since_ > resync_time;
    return had_time && !rd->replid.empty() && !replid_.empty() && rd->replid != replid_ &&
           rd->replid != replid2_;
  }
  const auto track = tracks_.find(sample.probe);
  const std::uint32_t known = track == tracks_.end() ? 0 : track->second.timeline;
  return known != 0 && timeline_ != 0 && known != timeline_;
}

/// Does a standby lack more than `promote.max_lag` of what was last seen on the primary? A limit in
/// time: how long before the last sight of the primary what it has was current.
bool RouteKeeper::exceeds_lag(std::uint64_t position, std::uint64_t missing) const {
  if (!policy_.promote || missing == 0) return false;
  const auto* bytes = std::get_if<std::uint64_t>(&policy_.promote->max_lag);
  if (bytes) return missing > *bytes;
  if (positions_.empty()) return false;
  const Duration limit = std::get<Duration>(policy_.promote->max_lag);
  for (auto it = positions_.rbegin(); it != positions_.rend(); ++it) {
    if (it->lsn <= position) return positions_.back().started - it->started > limit;
  }
  return true;
}

CandidateFact RouteKeeper::candidate_fact(const RouteContext& context) {
  candidate_.reset();
  if (!wants_the_writer(policy_.require)) return CandidateFact::not_asked;
  bool forked = false;
  for (const ProbeName& name : policy_.candidates) {
    const Sample* sample = fresh_evidence(context, name);
    if (!sample || !is_standby(sample->finding) || foreign(*sample)) continue;
    forked = forked || is_forked(*sample);
  }
  candidate_ = best_candidate(context);
  if (!candidate_) return forked ? CandidateFact::forked : CandidateFact::none;
  return exceeds_lag(candidate_->position, candidate_->missing) ? CandidateFact::lagging
                                                                : CandidateFact::ready;
}

}  // namespace pointsman
