// What still holds after a restart: the acts of before are told by the incidents of the route.
#include <algorithm>

#include "policies/route_keeper.hpp"
#include "policies/route_words.hpp"

namespace pointsman {
namespace {

constexpr std::string_view promote = "promote ", switch_words = "switch ";

/// Of two or more that led there: the first moved it, the others put right what was in effect.
bool is_move(const Incident& story, const Attempt& attempt) {
  return attempt.outcome == ActionOutcome::ok && attempt.action.starts_with(switch_words) &&
         attempt.action.ends_with(" to " + story.new_target);
}

}  // namespace

/// The limit of promotions an hour, the hold-down, and a promotion that may still happen: one that
/// nothing was done after is in doubt until its server is seen.
void RouteKeeper::adopt_holds(const IncidentBook& incidents, MonoTime now) {
  const std::string subject = to_text(Member{policy_.name});
  for (const auto& [id, story] : incidents.stories()) {
    if (story->subject != subject) continue;
    const bool open = story->state == IncidentState::open;
    std::optional<PromotionMemory> doubt;
    bool moved = false;
    for (const Attempt& attempt : story->attempts) {
      const MonoTime ended = attempt.at + attempt.took;
      if (attempt.action.starts_with(promote)) {
        promotions_.push_back(attempt.at);
        doubt.reset();
        if (attempt.outcome != ActionOutcome::unknown) continue;
        if (!open && now - ended >= promotion_settles) continue;
        doubt = PromotionMemory{policy_.name, ProbeName(story->old_target),
                                ProbeName(attempt.action.substr(promote.size())), timeline_, ended};
      } else if (is_move(*story, attempt)) {
        doubt.reset();
        if (!moved) last_switch_at_ = std::max(last_switch_at_.value_or(ended), ended);
        moved = true;
      }
    }
    if (doubt && !unsettled_) unsettled_ = doubt;
  }
  std::sort(promotions_.begin(), promotions_.end());
}

}  // namespace pointsman
