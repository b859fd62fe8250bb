// Routes via HAProxy: what is in effect, and how to change it.
//
// One adapter for each route; those of one runtime socket share what must be remembered of it.
// HAProxy cannot hold clients: a planned change breaks each session once (FACTS section 6).
// HaproxyAdapters makes them and lives as long as the process, so that a reload of the
// configuration keeps what is shared while a switch of the old one may still run. Loop's thread;
// all of it must go before the loop does.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/actions/haproxy_switch.hpp"

namespace pointsman {

class HaproxyAdapter : public Adapter {
 public:
  static constexpr Duration observe_limit = std::chrono::seconds{2};
  static constexpr Duration recover_limit = std::chrono::seconds{5};

  HaproxyAdapter(HaproxyTools tools, HaproxyRoute route);

  asio::awaitable<PoolerObservation> async_observe(RouteName route) override;
  asio::awaitable<SwitchReport> async_switch(SwitchRoute order, Intend intend) override;
  asio::awaitable<HoldReport> async_hold(RouteName route, Intend intend,
                                         MonoTime deadline) override;
  asio::awaitable<std::string> async_release(RouteName route, MonoTime deadline) override;
  asio::awaitable<SwitchReport> async_reconnect(RouteName route, MonoTime deadline) override;
  asio::awaitable<void> async_recover(std::string steps) override;

 private:
  asio::awaitable<PoolerObservation> async_look();
  asio::awaitable<SwitchReport> async_cut_all(MonoTime deadline);
  asio::awaitable<void> async_finish_cut(HaproxySteps steps);
  /// The endpoint as the configuration writes it, where one of its addresses is this one.
  asio::awaitable<Endpoint> async_known_as(Endpoint shown);
  asio::awaitable<FileState> async_state_of_file(std::vector<HaproxyRow> slots, std::string& error);

  HaproxyTools tools_;
  HaproxyRoute route_;
};

class HaproxyAdapters {
 public:
  HaproxyAdapters(ProberServices services, ActWorker& worker, HaproxyLimits limits = {});

  /// One adapter each, in the same order. May be called again, with another configuration.
  std::vector<std::shared_ptr<Adapter>> make(const std::vector<HaproxyRoute>& routes);

 private:
  ProberServices services_;
  ActWorker& worker_;
  HaproxyLimits limits_;
  std::map<std::string, std::shared_ptr<HaproxyInstance>> instances_;  ///< by socket
};

}  // namespace pointsman
