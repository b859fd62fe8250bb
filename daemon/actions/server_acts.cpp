#include "daemon/actions/server_acts.hpp"

#include <utility>

#include <fmt/format.h>

#include "daemon/actions/postgres_acts.hpp"
#include "daemon/actions/redis_acts.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

std::string no_such_server(const ProbeName& probe, ServerKind kind) {
  return fmt::format("there is no {} probe named {}: the configuration was changed meanwhile",
                     to_text(kind), probe.text);
}

}  // namespace

const PostgresSpec* ServerActs::postgres(const ProbeName& probe) const {
  const auto found = probes_.find(probe);
  return found == probes_.end() ? nullptr : std::get_if<PostgresSpec>(&found->second);
}

const RedisSpec* ServerActs::redis(const ProbeName& probe) const {
  const auto found = probes_.find(probe);
  return found == probes_.end() ? nullptr : std::get_if<RedisSpec>(&found->second);
}

asio::awaitable<PromoteReport> ServerActs::async_promote(PromoteServer order, Intend intend) {
  PromoteReport missing{ActionOutcome::failed, no_such_server(order.to.probe, order.kind)};
  if (order.kind == ServerKind::postgres) {
    const PostgresSpec* spec = postgres(order.to.probe);
    if (spec == nullptr) co_return missing;
    PostgresPromotion promotion(services_, *spec, std::move(order), std::move(intend));
    co_return co_await promotion.async_run();
  }
  const RedisSpec* spec = redis(order.to.probe);
  if (spec == nullptr) co_return missing;
  std::map<ProbeName, RedisSpec> others;
  for (const SwitchTarget& other : order.others) {
    if (const RedisSpec* found = redis(other.probe)) others.emplace(other.probe, *found);
  }
  RedisPromotion promotion(services_, *spec, std::move(others), std::move(order),
                           std::move(intend));
  co_return co_await promotion.async_run();
}

asio::awaitable<std::string> ServerActs::async_recover(PromoteSteps found) {
  constexpr Duration limit = std::chrono::seconds{3};
  const std::string asked =
      "whether " + found.to + " was promoted is looked at, it is not done again";
  const RedisSpec* spec = redis(ProbeName(found.to));
  if (found.kind != to_text(ServerKind::redis) || spec == nullptr) co_return asked;
  RedisSession session(services_, *spec);
  const RedisSeen seen = co_await async_role(session, mono_now() + limit);
  if (!seen.error.empty() || !seen.standing.master) co_return asked;
  PromoteServer order;
  order.route = RouteName(found.route);
  order.kind = ServerKind::redis;
  order.to = {ProbeName(found.to), found.to_address};
  order.others = std::move(found.others);
  order.timeout = limit;
  Intend none = [](std::string) -> asio::awaitable<void> { co_return; };
  const PromoteReport report = co_await async_promote(std::move(order), std::move(none));
  co_return report.message;
}

asio::awaitable<ActReport> ServerActs::async_demote(DemoteServer order, Intend intend) {
  const RedisSpec* server = redis(order.server.probe);
  const RedisSpec* master = redis(order.new_master.probe);
  if (server == nullptr || master == nullptr) {
    const ProbeName& missing = server == nullptr ? order.server.probe : order.new_master.probe;
    co_return ActReport{ActionOutcome::failed, no_such_server(missing, ServerKind::redis)};
  }
  RedisSpec server_spec = *server, master_spec = *master;
  co_return co_await async_demote_redis(services_, std::move(server_spec), std::move(master_spec),
                                        std::move(order), std::move(intend));
}

}  // namespace pointsman
