// Routes via pgbouncer: what is in effect, and how to change it.
//
// One adapter for each database of a pooler; those of one pooler share its console, those of one
// targets file share who writes it. PgbouncerAdapters makes them and lives as long as the process,
// so that a reload of the configuration keeps both while a switch of the old one may still run.
// Loop's thread; all of it must go before the loop does.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/actions/adapter.hpp"
#include "daemon/actions/pgbouncer_switch.hpp"

namespace pointsman {

class PgbouncerAdapter : public Adapter {
 public:
  static constexpr Duration observe_limit = std::chrono::seconds{2};
  static constexpr Duration recover_limit = std::chrono::seconds{8};

  PgbouncerAdapter(SwitchTools tools, PgbouncerRoute route);

  asio::awaitable<PoolerObservation> async_observe(RouteName route) override;
  asio::awaitable<SwitchReport> async_switch(SwitchRoute order, Intend intend) override;
  asio::awaitable<HoldReport> async_hold(RouteName route, Intend intend,
                                         MonoTime deadline) override;
  asio::awaitable<std::string> async_release(RouteName route, MonoTime deadline) override;
  asio::awaitable<SwitchReport> async_reconnect(RouteName route, MonoTime deadline) override;
  asio::awaitable<void> async_recover(std::string steps) override;
  void adopt_hold(const std::string& steps) override;

 private:
  asio::awaitable<PoolerObservation> async_look();
  asio::awaitable<std::vector<PoolFigures>> async_read_pools();
  asio::awaitable<void> async_undo(SwitchSteps steps);
  bool is_ours(const SwitchSteps& steps) const;
  SwitchTools tools_;
  PgbouncerRoute route_;
};

class PgbouncerAdapters {
 public:
  PgbouncerAdapters(asio::any_io_executor executor, Resolver& resolver, ActWorker& worker,
                    SwitchLimits limits = {});

  /// One adapter each, in the same order. `routes` are all that there are: lines of other databases
  /// are dropped from the files at the next switch. May be called again, with another
  /// configuration.
  std::vector<std::shared_ptr<Adapter>> make(const std::vector<PgbouncerRoute>& routes);

 private:
  asio::any_io_executor executor_;
  Resolver& resolver_;
  ActWorker& worker_;
  SwitchLimits limits_;
  std::map<std::string, std::shared_ptr<Pooler>> poolers_;       ///< by the admin conninfo
  std::map<std::string, std::shared_ptr<TargetsKeeper>> files_;  ///< by path
};

}  // namespace pointsman
