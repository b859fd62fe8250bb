#include "daemon/runtime/act_intents.hpp"

#include "probes/clock.hpp"

namespace pointsman {

Intend ActIntents::of_kind(std::string kind) {
  const auto last = std::make_shared<std::uint64_t>(0);
  return [self = shared_from_this(), kind = std::move(kind), last](std::string steps) {
    return async_make(self, kind, last, std::move(steps));
  };
}

asio::awaitable<void> ActIntents::async_make(std::shared_ptr<ActIntents> self, std::string kind,
                                             Id last, std::string steps) {
  const std::uint64_t before = *last;
  *last = self->journal_.next_intent_id();
  self->made_.push_back(*last);
  Intent intent{*last, self->subject_, std::move(kind), std::move(steps), wall_now()};
  co_await self->journal_.async_intent(std::move(intent));
  if (before == 0) co_return;
  self->journal_.outcome(before, ActionOutcome::ok, "went on", wall_now());
  std::erase(self->made_, before);
}

void ActIntents::end(ActionOutcome outcome, const std::string& message) {
  if (tasks_.is_cancelled() && outcome == ActionOutcome::unknown) return;
  for (const std::uint64_t id : made_) journal_.outcome(id, outcome, message, wall_now());
  made_.clear();
}

}  // namespace pointsman
