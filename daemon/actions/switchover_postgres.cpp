// The PostgreSQL side: FACTS section 9(a), steps 0 and 2 to 4.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "daemon/actions/joined.hpp"
#include "daemon/actions/switchover_judge.hpp"
#include "daemon/actions/switchover_side.hpp"
#include "probes/clock.hpp"
#include "probes/dial.hpp"
#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

constexpr Duration poll = std::chrono::milliseconds{5};
/// An old server that says nothing for so long is out of reach, as a fence may leave it.
constexpr Duration silence_limit = std::chrono::milliseconds{400};
/// A receiver that is still there has all of it when nothing arrived for so long.
constexpr Duration quiet_limit = std::chrono::milliseconds{100};
constexpr Duration undo_look_limit = std::chrono::seconds{15};

class PostgresSide final : public SwitchoverSide {
 public:
  PostgresSide(ServerActs& acts, HookRunner& hooks, const SwitchOver& order)
      : acts_(acts),
        hooks_(hooks),
        order_(order),
        old_(acts.services(), *acts.postgres(order.from.probe)),
        new_(acts.services(), *acts.postgres(order.to.probe)) {}

  asio::awaitable<SideStep> async_check(MonoTime deadline) override;
  asio::awaitable<SideStep> async_read_position(MonoTime deadline) override;
  asio::awaitable<SideStep> async_fence(MonoTime deadline) override;
  asio::awaitable<SideStep> async_catch_up(MonoTime deadline) override;
  asio::awaitable<PromoteReport> async_promote(Intend intend) override;
  asio::awaitable<SideStep> async_finish(MonoTime deadline) override;
  asio::awaitable<SideStep> async_undo() override;
  asio::awaitable<Writes> async_takes_writes(SwitchTarget server, MonoTime deadline) override;
  Duration fence_limit() const override {
    return hooks_.timeout(order_.route, HookKind::demote) + std::chrono::seconds{5};
  }

 private:
  asio::awaitable<ActReport> async_hook(HookKind hook);
  asio::awaitable<SideStep> async_verify_fence(MonoTime deadline, std::string hook_said);

  ServerActs& acts_;
  HookRunner& hooks_;
  const SwitchOver order_;
  PostgresTalk old_, new_;
};

asio::awaitable<SideStep> PostgresSide::async_check(MonoTime deadline) {
  if (order_.fenced && !hooks_.has(order_.route, HookKind::demote)) {
    co_return SideStep{
        false, fmt::format("the route {} has no `demote:` hook, so that {} could commit after {} "
                           "was promoted; `--unfenced` goes on without",
                           order_.route.text, order_.from.probe.text, order_.to.probe.text)};
  }
  std::vector<asio::awaitable<PostgresSeen>> works;
  works.push_back(async_look(old_, deadline));
  works.push_back(async_look(new_, deadline));
  const std::vector<PostgresSeen> seen = co_await async_all(std::move(works));
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const ProbeName& name = i == 0 ? order_.from.probe : order_.to.probe;
    if (!seen[i].error.empty()) {
      co_return SideStep{false, fmt::format("{}: {}", name.text, seen[i].error)};
    }
  }
  std::string why = judge_switchover(seen[0].look, seen[1].look, order_);
  if (!why.empty()) co_return SideStep{false, std::move(why)};
  position_ = seen[0].look.written;
  co_return SideStep{
      true, fmt::format("{} receives from {} on timeline {}, {} bytes to replay",
                        order_.to.probe.text, order_.from.probe.text, seen[0].look.timeline,
                        position_ > seen[1].look.replayed ? position_ - seen[1].look.replayed : 0)};
}

asio::awaitable<SideStep> PostgresSide::async_read_position(MonoTime deadline) {
  const PostgresSeen seen = co_await async_look(old_, deadline);
  if (!seen.error.empty()) {
    co_return SideStep{false, fmt::format("{}: {}", order_.from.probe.text, seen.error)};
  }
  if (seen.look.standby) {
    co_return SideStep{false, fmt::format("{} is a standby now", order_.from.probe.text)};
  }
  position_ = seen.look.written;
  // A session of ours would hold up a stop that waits for its clients.
  old_.close();
  co_return SideStep{true, fmt::format("the last position on {} is {}", order_.from.probe.text,
                                       lsn_text(position_))};
}

asio::awaitable<ActReport> PostgresSide::async_hook(HookKind hook) {
  RunHook run;
  run.route = order_.route;
  run.hook = hook;
  run.old_target = order_.from;
  run.new_target = order_.to;
  run.incident = order_.incident;
  co_return co_await hooks_.async_run(std::move(run));
}

asio::awaitable<SideStep> PostgresSide::async_fence(MonoTime deadline) {
  if (!order_.fenced) {
    co_return SideStep{true, fmt::format("{} is not fenced, as was asked for: whoever reaches it "
                                         "directly may still commit there",
                                         order_.from.probe.text)};
  }
  ActReport said = co_await async_hook(HookKind::demote);
  POINTSMAN_FAULT_POINT("switchover.hook_ended");
  if (said.outcome != ActionOutcome::ok) co_return SideStep{false, std::move(said.message)};
  co_return co_await async_verify_fence(deadline, std::move(said.message));
}

asio::awaitable<SideStep> PostgresSide::async_verify_fence(MonoTime deadline,
                                                           std::string hook_said) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const std::string& name = order_.from.probe.text;
  std::string last = "was not asked";
  while (!was_cancelled(cancellation) && mono_now() < deadline) {
    const PostgresSeen seen =
        co_await async_look(old_, std::min(deadline, mono_now() + silence_limit));
    if (was_cancelled(cancellation)) break;
    old_.close();
    switch (judge_fence(seen)) {
      case Fenced::yes:
        co_return SideStep{true,
                           fmt::format("{}; {}", hook_said,
                                       seen.error.empty() ? name + " is a standby" : seen.error)};
      case Fenced::no:
        co_return SideStep{
            false, fmt::format("{}, but {} still takes writes: the hook did not do what it is for",
                               hook_said, name)};
      case Fenced::not_yet:
        last = seen.error;
    }
    co_await async_sleep_until(mono_now() + poll);
  }
  co_return SideStep{false, fmt::format("{}, but whether {} can still commit is not known: {}",
                                        hook_said, name, last)};
}

asio::awaitable<SideStep> PostgresSide::async_catch_up(MonoTime deadline) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const std::string& name = order_.to.probe.text;
  std::uint64_t last_received = 0;
  MonoTime arrived = mono_now();
  std::string last = "it was not asked";
  while (!was_cancelled(cancellation) && mono_now() < deadline) {
    const PostgresSeen seen = co_await async_look(new_, deadline);
    if (seen.error.empty() && !seen.look.standby) {
      co_return SideStep{false, fmt::format("{} was promoted by somebody else", name)};
    }
    if (seen.error.empty()) {
      if (seen.look.received != last_received) arrived = mono_now();
      last_received = seen.look.received;
      // Unfenced, WAL may arrive for ever: what was there when the clients were held is enough.
      const bool quiet = !order_.fenced || mono_now() - arrived >= quiet_limit;
      if (is_caught_up(seen.look, position_, quiet)) {
        co_return SideStep{true, fmt::format("{} has replayed all that it received, up to {}", name,
                                             lsn_text(seen.look.received))};
      }
      last = fmt::format("received {}, replayed {}, wanted {}", lsn_text(seen.look.received),
                         lsn_text(seen.look.replayed), lsn_text(position_));
    } else {
      last = seen.error;
    }
    co_await async_sleep_until(mono_now() + poll);
  }
  co_return SideStep{false, fmt::format("{} did not catch up in time: {}", name, last)};
}

asio::awaitable<PromoteReport> PostgresSide::async_promote(Intend intend) {
  new_.close();
  PromoteServer promote;
  promote.id = order_.id;
  promote.route = order_.route;
  promote.kind = ServerKind::postgres;
  promote.from = order_.from;
  promote.to = order_.to;
  promote.others = order_.others;
  promote.system_id = order_.system_id;
  promote.timeline = order_.timeline;
  promote.incident = order_.incident;
  promote.timeout = order_.promote_timeout;
  co_return co_await acts_.async_promote(std::move(promote), std::move(intend));
}

asio::awaitable<SideStep> PostgresSide::async_finish(MonoTime) {
  co_return SideStep{
      true, fmt::format("{} is left as it is: rebuild it as a standby", order_.from.probe.text)};
}

asio::awaitable<SideStep> PostgresSide::async_undo() {
  if (!order_.fenced) co_return SideStep{true, "nothing was done to the servers"};
  const std::string& name = order_.from.probe.text;
  if (!hooks_.has(order_.route, HookKind::undemote)) {
    const Writes writes = co_await async_takes_writes(order_.from, mono_now() + silence_limit);
    if (writes == Writes::yes) co_return SideStep{true, name + " takes writes"};
    co_return SideStep{false, fmt::format("{} may have been stopped, and the route {} has no "
                                          "`undemote:` hook: start it by hand",
                                          name, order_.route.text)};
  }
  const ActReport said = co_await async_hook(HookKind::undemote);
  POINTSMAN_FAULT_POINT("switchover.undemoted");
  const MonoTime until = mono_now() + undo_look_limit;
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (!was_cancelled(cancellation) && mono_now() < until) {
    const Writes writes = co_await async_takes_writes(order_.from, mono_now() + silence_limit);
    if (writes == Writes::yes) {
      co_return SideStep{true, fmt::format("{}; {} takes writes again", said.message, name)};
    }
    if (said.outcome != ActionOutcome::ok) break;
    co_await async_sleep_until(mono_now() + poll);
  }
  co_return SideStep{
      false, fmt::format("{}; {} does not take writes: start it by hand", said.message, name)};
}

asio::awaitable<SwitchoverSide::Writes> PostgresSide::async_takes_writes(SwitchTarget server,
                                                                         MonoTime deadline) {
  PostgresTalk& talk = server.probe == order_.from.probe ? old_ : new_;
  const PostgresSeen seen = co_await async_look(talk, deadline);
  talk.close();
  if (!seen.error.empty()) {
    // Nobody listens there: that is an answer.
    co_return seen.kind == PgError::Kind::refused ? Writes::no : Writes::unknown;
  }
  co_return seen.look.standby ? Writes::no : Writes::yes;
}

}  // namespace

std::unique_ptr<SwitchoverSide> make_postgres_side(ServerActs& acts, HookRunner& hooks,
                                                   const SwitchOver& order, std::string& why) {
  for (const ProbeName& name : {order.from.probe, order.to.probe}) {
    if (acts.postgres(name) != nullptr) continue;
    why = fmt::format("there is no postgres probe named {}", name.text);
    return nullptr;
  }
  return std::make_unique<PostgresSide>(acts, hooks, order);
}

}  // namespace pointsman
