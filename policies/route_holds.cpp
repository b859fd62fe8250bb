// What outlives a restart: what the journal is told of a route, what a start makes of it, and what
// the acts of before still hold, which the incidents of the route tell.
#include <algorithm>
#include <utility>

#include "policies/explain.hpp"
#include "policies/route_keeper.hpp"
#include "policies/route_words.hpp"

namespace pointsman {
namespace {

constexpr std::string_view promote = "promote ", switch_words = "switch ";

bool is_switch(const Attempt& attempt) {
  return attempt.outcome == ActionOutcome::ok && attempt.action.starts_with(switch_words);
}

/// Of two or more that led there: the first moved it, the others put right what was in effect.
bool is_move(const Incident& story, const Attempt& attempt) {
  return is_switch(attempt) && attempt.action.ends_with(" to " + story.new_target);
}

/// Of a server. The step of a ladder names the route, and the promotion that it led to has an
/// attempt of its own.
bool is_promotion(const RouteName& route, const Attempt& attempt) {
  if (!attempt.action.starts_with(promote)) return false;
  const std::string_view what = std::string_view(attempt.action).substr(promote.size());
  return what != route.text && !what.starts_with(route.text + " (try ");
}

/// The times of two clocks meet only so nearly.
constexpr Duration clocks_differ = std::chrono::seconds{1};

bool is_within(const Attempt& attempt, MonoTime at) {
  return at >= attempt.at - clocks_differ && at <= attempt.at + attempt.took + clocks_differ;
}

}  // namespace

void RouteKeeper::remember(const RouteContext& context) {
  Record record{RecordKind::route, policy_.name.text, "leads to " + join_names(targets_), {}, {}};
  RouteMemory memory{policy_.name, targets_, system_id_,
                     timeline_,    epoch_,   {replaced_.begin(), replaced_.end()}};
  if (!positions_.empty()) {
    memory.last_seen = SeenPosition{positions_.back().lsn, positions_.back().started};
  }
  memory.last_switch = last_switch_at_;
  const auto told =
      targets_.size() == 1 ? told_to_stop_.find(targets_.front()) : told_to_stop_.end();
  if (told != told_to_stop_.end()) memory.told_to_stop = told->second;
  record.memory = std::move(memory);
  context.effects.push_back(std::move(record));
  remembered_targets_ = targets_;
}

/// The target has just failed: its last position is what a promotion is measured against, also one
/// after a restart. Only of targets that the journal knows: what is desired and was never proven is
/// not where the route led.
void RouteKeeper::remember_failing(const RouteContext& context) {
  if (!positions_.empty() && targets_ == remembered_targets_) remember(context);
}

/// Wall clocks may have been set back meanwhile: nothing was seen or done later than now.
void RouteKeeper::restore(const RouteMemory& memory, MonoTime now) {
  targets_ = remembered_targets_ = memory.targets;
  system_id_ = memory.system_id;
  timeline_ = memory.timeline;
  epoch_ = memory.epoch;
  replaced_ = {memory.replaced.begin(), memory.replaced.end()};
  if (memory.last_switch) last_switch_at_ = std::min(*memory.last_switch, now);
  if (memory.told_to_stop && targets_.size() == 1) {
    told_to_stop_[targets_.front()] = std::min(*memory.told_to_stop, now);
  }
  // What is last known to have been written there: without it a standby that lags would pass for
  // one that lacks nothing. A target that is no candidate any more says nothing of the others.
  if (memory.last_seen && !balanced() && targets_.size() == 1 && is_candidate(targets_.front())) {
    positions_ = {{std::min(memory.last_seen->at, now), memory.last_seen->position}};
  }
}

/// The daemon ended between a promotion and the switch to it: no other is promoted in place of the
/// old one, and the old one is not gone back to.
void RouteKeeper::lead_to_promoted(const PromotionMemory& promotion, MonoTime now) {
  const ProbeName& to = promotion.to;
  if (!is_candidate(to) || balanced() || is_target(to)) return;
  if (is_redis() && !targets_.empty()) replaced_.insert(targets_.front());
  replaced_.erase(to);
  targets_ = {to};
  replid_.clear();
  if (timeline_ != 0) ++timeline_;  // at least: a promotion begins a new one
  promoted_ = to;
  promoted_at_ = std::min(promotion.at, now);
}

/// The limit of promotions an hour, the hold-down, and a promotion that may still happen: one that
/// nothing was done after is in doubt until its server is seen.
void RouteKeeper::adopt_holds(IncidentBook& incidents, MonoTime now) {
  const std::string subject = to_text(Member{policy_.name});
  // A kill between the two leaves a promotion both as an intent and as an attempt: counted once.
  std::vector<MonoTime> intended = std::exchange(promotions_, {});
  for (const auto& [id, story] : incidents.stories()) {
    if (story->subject != subject) continue;
    const bool open = story->state == IncidentState::open;
    std::optional<PromotionMemory> doubt, done;
    bool moved = false;
    for (const Attempt& attempt : story->attempts) {
      const MonoTime ended = std::min(attempt.at + attempt.took, now);  // clocks may be set back
      if (is_promotion(policy_.name, attempt)) {
        std::erase_if(intended, [&](MonoTime at) { return is_within(attempt, at); });
        promotions_.push_back(std::min(attempt.at, now));
        doubt.reset();
        done.reset();
        const PromotionMemory promotion{policy_.name, ProbeName(story->old_target),
                                        ProbeName(attempt.action.substr(promote.size())), timeline_,
                                        ended};
        if (attempt.outcome == ActionOutcome::ok && open) done = promotion;
        if (attempt.outcome != ActionOutcome::unknown) continue;
        if (!open && now - ended >= promotion_settles) continue;
        doubt = promotion;
      } else if (is_switch(attempt)) {
        done.reset();
        if (!is_move(*story, attempt)) continue;
        doubt.reset();
        if (!moved) last_switch_at_ = std::max(last_switch_at_.value_or(ended), ended);
        moved = true;
      }
    }
    if (doubt && !unsettled_) unsettled_ = doubt;
    // Times of before this boot lie before its clock began: there is no time to take for "never".
    const bool is_last = done && (!last_switch_at_ || done->at > *last_switch_at_);
    if (is_last) lead_to_promoted(*done, now);
  }
  promotions_.insert(promotions_.end(), intended.begin(), intended.end());
  // The intent is over once it was read: from here on the incident tells, also to the next start.
  if (unsettled_ && !intended.empty()) {
    incidents.attempt(
        incident_,
        Attempt{intended.back(), std::string(promote) + unsettled_->to.text, now - intended.back(),
                ActionOutcome::unknown, "the daemon ended while it was under way"});
  }
  std::sort(promotions_.begin(), promotions_.end());
}

}  // namespace pointsman
