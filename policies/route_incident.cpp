// A route's incident: when it is opened, its marks T0 to T9, what may have been lost, and its end.
#include <algorithm>

#include "policies/explain.hpp"
#include "policies/route_keeper.hpp"
#include "policies/route_words.hpp"

namespace pointsman {
namespace {

/// What a route is like once it leads somewhere else is not why it had to.
bool names_a_cause(const Diagnosis& diagnosis) {
  const bool serves = diagnosis.plan == Plan::keep || diagnosis.plan == Plan::repair ||
                      diagnosis.plan == Plan::demote || diagnosis.plan == Plan::follow;
  return !serves && diagnosis.id != "unknown" && diagnosis.id != "primary_failing";
}

bool needs_a_person(std::string_view id) {
  return id == "no_candidate" || id == "split_brain" || id == "timeline_fork" ||
         id == "wrong_cluster";
}

}  // namespace

IncidentId RouteKeeper::ensure_incident(const RouteContext& context) {
  if (incident_ != IncidentId{}) return incident_;
  OpenIncident open;
  open.subject = to_text(Member{policy_.name});
  open.cause = std::string(diagnosis());
  open.why = why_;
  open.severity = Severity::critical;
  open.first_failure = trouble_since_;
  open.last_good = last_good_;
  open.old_target = join_names(targets_);
  incident_ = context.incidents.open(context.now, open);
  promotion_lsn_.reset();
  old_target_.clear();
  remember_failing(context);
  return incident_;
}

/// Reads fail with the writes: replicas that receive nothing fall behind. One cause, one incident;
/// also when the writes are well again, as long as nothing keeps the reads from being led back.
bool RouteKeeper::covered_by_fallback(const RouteContext& context) const {
  const bool both = context.fallback && context.fallback->state() == State::unhealthy &&
                    context.fallback->incident_ != IncidentId{};
  if (both) context.incidents.join(context.fallback->incident_, to_text(Member{policy_.name}));
  const bool moves =
      diagnosis_ && (diagnosis_->plan == Plan::fall_back || diagnosis_->plan == Plan::spread);
  const bool held =
      failures_ > 0 || !denied_.empty() || observe_failures_ >= observe_failures_limit;
  return both || (covered_ && moves && !held);
}

void RouteKeeper::adopt_incident(const IncidentBook& incidents) {
  const std::string subject = to_text(Member{policy_.name});
  if (const auto open = incidents.find_open(subject)) {
    incident_ = open->id;
    old_target_ = open->old_target;
    return;
  }
  // Unlike WAL, a Redis offset may begin anew when a master is restarted: what was written down in
  // a failure that is over may be higher than all that there is now.
  if (is_redis()) positions_.clear();
  for (auto it = incidents.stories().rbegin(); it != incidents.stories().rend(); ++it) {
    const Incident& last = *it->second;
    if (last.subject != subject || !last.rpo) continue;
    if (last.rpo->exact) return;
    watched_ = last.id;
    old_target_ = last.old_target;
    return;
  }
}

void RouteKeeper::mark(const RouteContext& context, Mark mark, MonoTime at) {
  if (incident_ != IncidentId{}) context.incidents.mark(incident_, mark, at);
}

/// T7 to T9 by the switch's own times: what it tidies up afterwards is no part of the outage.
void RouteKeeper::mark_arrival(const RouteContext& context, const ActionFinished& finished) {
  const SwitchTimes& times = finished.times;
  mark(context, Mark::in_effect, times.in_effect.value_or(context.now));
  if (finished.verified == Verified::no) return;
  mark(context, Mark::old_gone, times.old_gone.value_or(context.now));
  if (finished.verified != Verified::query) return;
  mark(context, Mark::verified, times.verified.value_or(context.now));
}

/// Opened once the target is settled as failing, or as soon as something is done about it; closed
/// when the route is in effect on a target that serves. `facts` are those of a route with one
/// target.
void RouteKeeper::follow_incident(const RouteContext& context, const TargetFacts* facts) {
  const bool down = state_ == State::unhealthy;
  const bool settled = facts && facts->settled == SettledFact::yes && !targets_.empty() &&
                       facts->target != TargetFact::serving &&
                       facts->target != TargetFact::unseen && facts->trust == TrustFact::trusted;
  const bool split = diagnosis_ && diagnosis_->id == "split_brain";
  covered_ = incident_ == IncidentId{} && down && covered_by_fallback(context);
  if (covered_) return;
  if (incident_ == IncidentId{} && (down || settled || split)) {
    ensure_incident(context);
    context.incidents.note(incident_, context.now, std::string(diagnosis()) + ": " + why_,
                           evidence_details(context));
  }
  if (watched_ != IncidentId{} || incident_ != IncidentId{}) see_old_primary(context);
  if (incident_ == IncidentId{}) return;
  if (down || settled) mark(context, Mark::unhealthy, context.now);
  if (diagnosis_ && names_a_cause(*diagnosis_)) {
    mark(context, Mark::diagnosed, context.now);
    context.incidents.set_cause(incident_, context.now, std::string(diagnosis()), why_);
  }
  // What a ladder asks, having tried all, says more.
  const bool asks = context.incidents.find(incident_)->asked.empty();
  if (asks && diagnosis_ && needs_a_person(diagnosis_->id) && (down || settled || split)) {
    context.incidents.needs_human(incident_, why_);
  }
  const bool well = state_ == State::healthy || state_ == State::degraded;
  if (!well || !effect_shown_ || promotion_ || switchover_ || acting_ || split) return;
  if (facts && facts->target != TargetFact::serving) return;
  mark(context, Mark::verified, context.now);
  if (context.awaited) return;
  if (!old_target_.empty() && old_target_ != join_names(targets_)) {
    list_what_to_rebuild(context);
    watched_ = incident_;
  }
  context.incidents.close(incident_, context.now);
  incident_ = IncidentId{};
  promoted_.reset();
}

void RouteKeeper::list_what_to_rebuild(const RouteContext& context) {
  for (const ProbeName& name : policy_.candidates) {
    if (is_target(name)) continue;
    const ProbeEntry* e = entry(context, name);
    const Sample* sample = e && e->conclusive ? &*e->conclusive : nullptr;
    const bool follows = sample && is_standby(sample->finding) && has_receiver(sample->finding);
    const bool was_old = name.text == old_target_;
    if (follows && !was_old) continue;
    const std::string what =
        was_old ? name.text + ": the old primary; fence it, then rebuild it as a standby of " +
                      join_names(targets_) + " (pg_rewind or a base backup)"
                : name.text + ": does not receive from " + join_names(targets_) +
                      "; re-point it there (primary_conninfo), or rebuild it";
    context.incidents.add_to_rebuild(incident_, is_redis() && was_old
                                                    ? name.text +
                                                          ": the old master; it is made to "
                                                          "follow the new one when it is back"
                                                    : what);
  }
}

/// Where the timeline of the server that the route is led to begins.
std::optional<std::uint64_t> RouteKeeper::promotion_point(const RouteContext& context,
                                                          const ProbeName& name) const {
  if (promotion_lsn_) return promotion_lsn_;
  const Sample* sample = evidence(context, name);
  const auto* pg = sample ? std::get_if<PostgresFacts>(&sample->finding.facts) : nullptr;
  return pg ? pg->replay_lsn : std::nullopt;
}

/// The window of what may be lost. `from`: when the newest position that the promotion kept was
/// read on the old primary: what was acknowledged before is safe. Where it kept none of those that
/// we know, since when is not known. `to`: now, since only from now on
/// does nobody write there through the pooler. The upper bound in bytes assumes that the old
/// primary went on writing at the highest rate seen of it; a single position (all that is left
/// after a restart) gives none. It is exact once the old primary is back.
void RouteKeeper::settle_rpo(const RouteContext& context,
                             std::optional<std::uint64_t> promotion_lsn) {
  if (incident_ == IncidentId{} || !promotion_lsn || positions_.empty()) return;
  Rpo rpo;
  rpo.promotion_lsn = *promotion_lsn;
  rpo.old_last_lsn = positions_.back().lsn;
  double rate = 0;
  for (std::size_t i = 0; i < positions_.size(); ++i) {
    if (positions_[i].lsn <= *promotion_lsn) rpo.from = positions_[i].started;
    if (i == 0 || positions_[i].started <= positions_[i - 1].started) continue;
    const double seconds =
        std::chrono::duration<double>(positions_[i].started - positions_[i - 1].started).count();
    if (positions_[i].lsn > positions_[i - 1].lsn && seconds > 0.05) {
      rate =
          std::max(rate, static_cast<double>(positions_[i].lsn - positions_[i - 1].lsn) / seconds);
    }
  }
  rpo.to = context.now;
  const std::uint64_t seen = positions_.back().lsn;
  rpo.lower_bytes = seen > *promotion_lsn ? seen - *promotion_lsn : 0;
  if (positions_.size() > 1) {
    const double gap =
        std::chrono::duration<double>(context.now - positions_.back().started).count();
    const std::uint64_t most = seen + static_cast<std::uint64_t>(std::max(0.0, rate * gap));
    rpo.upper_bytes = most > *promotion_lsn ? most - *promotion_lsn : 0;
  }
  context.incidents.set_rpo(incident_, rpo);
}

/// Until the route leads elsewhere the old primary may have acknowledged writes that came through
/// it.
void RouteKeeper::extend_rpo(const RouteContext& context) {
  const auto incident = context.incidents.find(incident_);
  if (!incident || !incident->rpo || incident->rpo->exact) return;
  Rpo rpo = *incident->rpo;
  rpo.to = context.now;
  context.incidents.set_rpo(incident_, rpo);
}

/// The old primary answers again: what only it has is known exactly now.
void RouteKeeper::see_old_primary(const RouteContext& context) {
  const IncidentId id = watched_ != IncidentId{} ? watched_ : incident_;
  const auto incident = context.incidents.find(id);
  if (!incident || !incident->rpo || incident->rpo->exact || is_redis()) return;
  if (old_target_.empty() || old_target_ == join_names(targets_)) return;
  const Sample* sample = evidence(context, ProbeName(old_target_));
  const auto* pg = sample ? std::get_if<PostgresFacts>(&sample->finding.facts) : nullptr;
  if (!pg || pg->role != PostgresRole::primary || !pg->lsn || !pg->timeline) return;
  if (*pg->timeline >= timeline_ || timeline_ == 0) return;
  Rpo rpo = *incident->rpo;
  const std::uint64_t begin = rpo.promotion_lsn;
  rpo.lower_bytes = *pg->lsn > begin ? *pg->lsn - begin : 0;
  rpo.upper_bytes = rpo.lower_bytes;
  rpo.exact = true;
  rpo.old_last_lsn = *pg->lsn;
  context.incidents.set_rpo(id, rpo);
  context.incidents.note(
      id, context.now,
      "old_primary_back: " + old_target_ + " is back on timeline " + std::to_string(*pg->timeline) +
          "; WAL that only it has: " + print_lsn(begin) + " to " + print_lsn(*pg->lsn) + ", " +
          std::to_string(rpo.lower_bytes) + " bytes",
      {});
}

}  // namespace pointsman
