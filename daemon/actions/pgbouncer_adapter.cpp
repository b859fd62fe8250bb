#include "daemon/actions/pgbouncer_adapter.hpp"

#include <utility>

#include <fmt/format.h>

#include "daemon/actions/pgbouncer_hold.hpp"

namespace pointsman {

PgbouncerAdapter::PgbouncerAdapter(SwitchTools tools, PgbouncerRoute route)
    : tools_(std::move(tools)), route_(std::move(route)) {}

asio::awaitable<PoolerObservation> PgbouncerAdapter::async_observe(RouteName /*route*/) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  auto observation = co_await async_look();
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return observation;
}

asio::awaitable<PoolerObservation> PgbouncerAdapter::async_look() {
  PoolerObservation observation;
  const auto view = co_await tools_.pooler->async_databases(mono_now() + observe_limit);
  observation.reachable = view.error.empty();
  if (observation.reachable) {
    co_await tools_.pooler->async_restore_kept(route_.database, mono_now() + observe_limit);
  }
  observation.error = view.error;
  if (const auto* row = find_database(view.rows, route_.database)) {
    observation.listed = true;
    observation.paused = row->paused;
    if (tools_.pooler->is_overdue(route_.database)) {
      // Paused by us and by nobody let go: an outage that would not end by itself.
      if (row->paused) {
        observation.error = co_await async_let_go(tools_, route_.database, mono_now());
        observation.paused = !observation.error.empty();
      } else {
        tools_.pooler->end_hold(route_.database);
      }
    }
    observation.disabled = row->disabled;
    observation.addresses = endpoints_of(*row);
    observation.pools = co_await async_read_pools();
  } else if (observation.reachable) {
    observation.error = fmt::format(
        "the pooler does not know {}: pgbouncer.ini has to have `%include {}` under [databases]",
        route_.database, tools_.file->path());
  }
  const auto read = co_await tools_.file->async_read(mono_now() + observe_limit);
  observation.file = tools_.file->state_of(route_.database, read);
  if (observation.error.empty()) observation.error = read.error;
  co_return observation;
}

/// For the evidence of incidents. That they could not be read changes nothing.
asio::awaitable<std::vector<PoolFigures>> PgbouncerAdapter::async_read_pools() {
  const auto view =
      co_await tools_.pooler->async_pools(route_.database, mono_now() + observe_limit);
  std::vector<PoolFigures> pools;
  for (const PoolRow& row : view.rows) {
    if (pools.size() >= observed_pools_limit) break;
    pools.push_back(
        {row.user, row.cl_active, row.cl_waiting, row.sv_active, row.sv_idle, row.maxwait});
  }
  co_return pools;
}

asio::awaitable<SwitchReport> PgbouncerAdapter::async_switch(SwitchRoute order, Intend intend) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  PgbouncerSwitch run(tools_, route_, std::move(order), std::move(intend));
  auto report = co_await run.async_run();
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return report;
}

asio::awaitable<HoldReport> PgbouncerAdapter::async_hold(RouteName /*route*/, Intend intend,
                                                         MonoTime deadline) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  PgbouncerHold run(tools_, route_, std::move(intend), deadline);
  auto report = co_await run.async_run();
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return report;
}

asio::awaitable<std::string> PgbouncerAdapter::async_release(RouteName /*route*/,
                                                             MonoTime deadline) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  // Not held: it was let go already, by a switch or at the deadline of its hold.
  std::string error;
  if (tools_.pooler->is_held(route_.database)) {
    error = co_await async_let_go(tools_, route_.database, deadline);
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return error;
}

asio::awaitable<SwitchReport> PgbouncerAdapter::async_reconnect(RouteName route,
                                                                MonoTime deadline) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  SwitchRoute order;
  order.route = std::move(route);
  order.cause = SwitchCause::recovery;
  PgbouncerSwitch run(tools_, route_, std::move(order), Intend{});
  auto report = co_await run.async_run_reconnect(deadline);
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return report;
}

bool PgbouncerAdapter::is_ours(const SwitchSteps& steps) const {
  return steps.pooler == tools_.pooler->console().where() && steps.file == tools_.file->path() &&
         steps.database == route_.database;
}

void PgbouncerAdapter::adopt_hold(const std::string& text) {
  const auto steps = steps_of_json(text);
  if (steps && steps->held && is_ours(*steps)) tools_.pooler->begin_hold(route_.database);
}

asio::awaitable<void> PgbouncerAdapter::async_recover(std::string text) {
  const auto steps = steps_of_json(text);
  if (!steps || !is_ours(*steps)) co_return;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await async_undo(*steps);
  co_await asio::this_coro::throw_if_cancelled(throws);
}

/// What fails here is tried again at each observation; a short retry that stays is harmless.
asio::awaitable<void> PgbouncerAdapter::async_undo(SwitchSteps steps) {
  auto& pooler = *tools_.pooler;
  const auto deadline = mono_now() + recover_limit;
  RetryUse retry;
  if (steps.killed || steps.held) {
    pooler.begin_hold(steps.database);
    pooler.mark_overdue(steps.database);
    // The file comes after the promotion: where it has the new line, clients must not go back.
    const auto read = co_await tools_.file->async_read(deadline);
    const auto file = parse_targets_file(read.text);
    const auto* line = file.find(steps.database);
    if (line != nullptr && is_same_line(line->text, steps.wanted)) {
      co_await pooler.async_reload(retry, deadline);
    }
    co_await pooler.async_let_go(steps.database, retry, deadline);
    co_await pooler.async_settle(steps.database, retry, deadline);
  }
  co_await pooler.async_clean_up(retry, deadline);
}

PgbouncerAdapters::PgbouncerAdapters(asio::any_io_executor executor, Resolver& resolver,
                                     ActWorker& worker, SwitchLimits limits)
    : executor_(std::move(executor)), resolver_(resolver), worker_(worker), limits_(limits) {}

std::vector<std::shared_ptr<Adapter>> PgbouncerAdapters::make(
    const std::vector<PgbouncerRoute>& routes) {
  std::map<std::string, std::shared_ptr<Pooler>> poolers;
  std::map<std::string, std::shared_ptr<TargetsKeeper>> files;
  std::map<std::string, ManagedDatabases> managed;
  std::vector<std::shared_ptr<Adapter>> adapters;
  for (const auto& route : routes) {
    auto& pooler = poolers[route.admin.reveal()];
    if (!pooler) pooler = poolers_[route.admin.reveal()];
    if (!pooler) pooler = std::make_shared<Pooler>(executor_, resolver_, route.admin);
    auto& file = files[route.file];
    if (!file) file = files_[route.file];
    if (!file) file = std::make_shared<TargetsKeeper>(worker_, route.file);
    managed[route.file][route.database] = {route.route.text, route.options, std::nullopt};
    adapters.push_back(std::make_shared<PgbouncerAdapter>(
        SwitchTools{executor_, &resolver_, pooler, file, limits_}, route));
  }
  for (auto& [path, databases] : managed) files.at(path)->set_managed(std::move(databases));
  // What no route uses any more goes with the last switch that still runs.
  poolers_ = std::move(poolers);
  files_ = std::move(files);
  return adapters;
}

}  // namespace pointsman
