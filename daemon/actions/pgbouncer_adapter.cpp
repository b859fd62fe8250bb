#include "daemon/actions/pgbouncer_adapter.hpp"

#include <utility>

#include <fmt/format.h>

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
  observation.error = view.error;
  if (const auto* row = find_database(view.rows, route_.database)) {
    observation.listed = true;
    observation.paused = row->paused;
    observation.disabled = row->disabled;
    observation.addresses = endpoints_of(*row);
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

asio::awaitable<SwitchReport> PgbouncerAdapter::async_switch(SwitchRoute order, Intend intend) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  PgbouncerSwitch run(tools_, route_, std::move(order), std::move(intend));
  auto report = co_await run.async_run();
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return report;
}

asio::awaitable<HoldReport> PgbouncerAdapter::async_hold(RouteName, Intend, MonoTime) {
  co_return HoldReport{};
}
asio::awaitable<std::string> PgbouncerAdapter::async_release(RouteName, MonoTime) {
  co_return std::string();
}
asio::awaitable<SwitchReport> PgbouncerAdapter::async_reconnect(RouteName, MonoTime) {
  co_return SwitchReport{};
}

asio::awaitable<void> PgbouncerAdapter::async_recover(std::string text) {
  const auto steps = steps_of_json(text);
  const bool is_ours = steps && steps->pooler == tools_.pooler->console().where() &&
                       steps->file == tools_.file->path() && steps->database == route_.database;
  if (!is_ours) co_return;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  std::optional<std::string> killed;
  if (steps->killed) killed = steps->database;
  // What failed stays as it is: the next look shows the database paused, or a harmless short retry.
  co_await tools_.pooler->async_clean_up(std::move(killed), mono_now() + recover_limit);
  co_await asio::this_coro::throw_if_cancelled(throws);
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
