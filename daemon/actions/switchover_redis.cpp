// The Redis side: FACTS section 7, "planned". CLIENT PAUSE WRITE is the fence: it ends by itself,
// so that a daemon that dies leaves nothing behind; everything up to the promotion has to be over
// well before it does.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "daemon/actions/joined.hpp"
#include "daemon/actions/redis_acts.hpp"
#include "daemon/actions/switchover_side.hpp"
#include "probes/clock.hpp"
#include "probes/dial.hpp"
#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

constexpr std::chrono::milliseconds pause_length{10'000};
/// A promotion that has not been asked for by then is not asked for at all.
constexpr Duration pause_trusted = std::chrono::seconds{7};
constexpr Duration poll = std::chrono::milliseconds{1};
constexpr Duration undo_limit = std::chrono::seconds{2};
constexpr std::int64_t max_lag = 1 << 20;

class RedisSide final : public SwitchoverSide {
 public:
  RedisSide(ServerActs& acts, const SwitchOver& order)
      : acts_(acts),
        order_(order),
        old_(acts.services(), *acts.redis(order.from.probe)),
        new_(acts.services(), *acts.redis(order.to.probe)) {}

  asio::awaitable<SideStep> async_check(MonoTime deadline) override;
  asio::awaitable<SideStep> async_read_position(MonoTime deadline) override;
  asio::awaitable<SideStep> async_fence(MonoTime deadline) override;
  asio::awaitable<SideStep> async_catch_up(MonoTime deadline) override;
  asio::awaitable<PromoteReport> async_promote(Intend intend) override;
  asio::awaitable<SideStep> async_finish(MonoTime deadline) override;
  asio::awaitable<SideStep> async_undo() override;
  asio::awaitable<Writes> async_takes_writes(SwitchTarget server, MonoTime deadline) override;
  Duration fence_limit() const override { return std::chrono::seconds{2}; }

 private:
  asio::awaitable<RedisAnswer> async_unpause(MonoTime deadline);

  ServerActs& acts_;
  const SwitchOver order_;
  RedisSession old_, new_;
  std::optional<MonoTime> paused_at_;
};

asio::awaitable<SideStep> RedisSide::async_check(MonoTime deadline) {
  std::vector<asio::awaitable<RedisSeen>> works;
  works.push_back(async_role(old_, deadline));
  works.push_back(async_role(new_, deadline));
  const std::vector<RedisSeen> seen = co_await async_all(std::move(works));
  for (const RedisSeen& one : seen) {
    if (!one.error.empty()) co_return SideStep{false, one.error};
  }
  const RedisStanding& from = seen[0].standing;
  const RedisStanding& to = seen[1].standing;
  const std::string& old_name = order_.from.probe.text;
  const std::string& name = order_.to.probe.text;
  if (!from.master) co_return SideStep{false, fmt::format("{} is no master", old_name)};
  if (to.master) co_return SideStep{false, fmt::format("{} is a master already", name)};
  if (to.link != "connected") {
    co_return SideStep{
        false, fmt::format("{} has no link to its master: it is in the state {}", name, to.link)};
  }
  if (from.offset - to.offset > max_lag) {
    co_return SideStep{false, fmt::format("{} is {} bytes behind, more than {}", name,
                                          from.offset - to.offset, max_lag)};
  }
  std::string why = co_await async_find_sentinel(new_, deadline);
  if (!why.empty()) co_return SideStep{false, std::move(why)};
  co_return SideStep{true, fmt::format("{} follows a master, {} bytes behind", name,
                                       std::max<std::int64_t>(0, from.offset - to.offset))};
}

asio::awaitable<SideStep> RedisSide::async_read_position(MonoTime) {
  co_return SideStep{true, "the position is read once writes are paused"};
}

asio::awaitable<SideStep> RedisSide::async_fence(MonoTime deadline) {
  std::vector<std::string> words{"CLIENT", "PAUSE", std::to_string(pause_length.count()), "WRITE"};
  const MonoTime before = mono_now();
  const RedisAnswer paused = co_await old_.async_command(std::move(words), deadline);
  if (!paused.ok()) {
    co_return SideStep{false, fmt::format("writes on {} could not be paused: {}",
                                          order_.from.probe.text, paused.message)};
  }
  paused_at_ = before;
  POINTSMAN_FAULT_POINT("switchover.paused");
  const RedisSeen seen = co_await async_role(old_, deadline);
  if (!seen.error.empty() || !seen.standing.master) {
    co_return SideStep{
        false, fmt::format("{} is not a master any more {}", order_.from.probe.text, seen.error)};
  }
  position_ = static_cast<std::uint64_t>(std::max<std::int64_t>(0, seen.standing.offset));
  co_return SideStep{
      true, fmt::format("writes on {} are paused at offset {}", order_.from.probe.text, position_)};
}

asio::awaitable<SideStep> RedisSide::async_catch_up(MonoTime deadline) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const std::string& name = order_.to.probe.text;
  const MonoTime until = std::min(deadline, paused_at_.value_or(mono_now()) + pause_trusted);
  std::string last = "it was not asked";
  while (!was_cancelled(cancellation) && mono_now() < until) {
    const RedisSeen seen = co_await async_role(new_, until);
    if (seen.error.empty() && seen.standing.offset >= static_cast<std::int64_t>(position_)) {
      co_return SideStep{true, fmt::format("{} is at offset {}", name, seen.standing.offset)};
    }
    last =
        seen.error.empty() ? fmt::format("it is at offset {}", seen.standing.offset) : seen.error;
    co_await async_sleep_until(mono_now() + poll);
  }
  co_return SideStep{
      false, fmt::format("{} did not catch up to offset {} in time: {}", name, position_, last)};
}

asio::awaitable<PromoteReport> RedisSide::async_promote(Intend intend) {
  if (paused_at_ && mono_now() - *paused_at_ > pause_trusted) {
    co_return PromoteReport{ActionOutcome::failed,
                            "the pause of writes on the old master is about to end"};
  }
  PromoteServer promote;
  promote.id = order_.id;
  promote.route = order_.route;
  promote.kind = ServerKind::redis;
  promote.from = order_.from;
  promote.to = order_.to;
  promote.others = order_.others;
  // The old master too, and first: from then on nothing can be written there.
  const auto is_old = [&](const SwitchTarget& one) { return one.probe == order_.from.probe; };
  std::erase_if(promote.others, is_old);
  promote.others.insert(promote.others.begin(), order_.from);
  promote.incident = order_.incident;
  promote.timeout = order_.promote_timeout;
  co_return co_await acts_.async_promote(std::move(promote), std::move(intend));
}

asio::awaitable<RedisAnswer> RedisSide::async_unpause(MonoTime deadline) {
  std::vector<std::string> words{"CLIENT", "UNPAUSE"};
  co_return co_await old_.async_command(std::move(words), deadline);
}

/// It follows already where it could be reached. Its paused clients are cut rather than let go:
/// they would be told READONLY, or the pooler has cut them already.
asio::awaitable<SideStep> RedisSide::async_finish(MonoTime deadline) {
  const ActReport followed =
      co_await async_follow(old_, order_.to.endpoint, Clients::cut, deadline);
  const RedisAnswer released = co_await async_unpause(deadline);
  std::string text = followed.message;
  if (!released.ok()) text += "; its pause ends by itself";
  co_return SideStep{followed.outcome == ActionOutcome::ok, std::move(text)};
}

asio::awaitable<SideStep> RedisSide::async_undo() {
  const RedisAnswer released = co_await async_unpause(mono_now() + undo_limit);
  if (released.ok()) co_return SideStep{true, "writes are not paused any more"};
  co_return SideStep{
      false, fmt::format("the pause of writes on {} ends by itself within {} s: {}",
                         order_.from.probe.text, pause_length.count() / 1000, released.message)};
}

asio::awaitable<SwitchoverSide::Writes> RedisSide::async_takes_writes(SwitchTarget server,
                                                                      MonoTime deadline) {
  RedisSession& session = server.probe == order_.from.probe ? old_ : new_;
  const RedisSeen seen = co_await async_role(session, deadline);
  if (!seen.error.empty()) co_return Writes::unknown;
  co_return seen.standing.master ? Writes::yes : Writes::no;
}

}  // namespace

std::unique_ptr<SwitchoverSide> make_redis_side(ServerActs& acts, const SwitchOver& order,
                                                std::string& why) {
  for (const ProbeName& name : {order.from.probe, order.to.probe}) {
    if (acts.redis(name) != nullptr) continue;
    why = fmt::format("there is no redis probe named {}", name.text);
    return nullptr;
  }
  return std::make_unique<RedisSide>(acts, order);
}

}  // namespace pointsman
