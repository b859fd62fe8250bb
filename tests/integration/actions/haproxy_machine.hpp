// The HAProxy adapter as the daemon has it, and a small world for it: a Redis master with a replica
// behind a real HAProxy. A new HaproxyMachine is a restart of the daemon.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/actions/haproxy_adapter.hpp"
#include "tests/integration/probes/data_loop.hpp"
#include "tests/support/servers.hpp"
#include "tests/support/servers_proxies.hpp"

namespace pointsman::test {

inline std::string server_line(const std::string& name, std::uint16_t port,
                               const std::string& more = "") {
  return "server " + name + " 127.0.0.1:" + std::to_string(port) + " " + more;
}

/// `a` is the master, `b` its replica, in step.
struct RedisPair {
  RedisServer a{Argv{"--repl-diskless-sync-delay", "0", "--repl-diskless-sync", "yes"}};
  RedisServer b{{"--replicaof", "127.0.0.1", std::to_string(a.port())}};
  RedisPair() {
    wait_for("the replica is in step", [this] {
      return b.cli({"INFO", "replication"}).find("master_link_status:up") != std::string::npos;
    });
  }
  void promote_b() { b.cli({"REPLICAOF", "NO", "ONE"}); }
};

class HaproxyMachine : public DataLoop {
 public:
  /// Route "cache", its proof by a query through the frontend.
  explicit HaproxyMachine(const HaproxyServer& proxy, std::vector<std::string> servers = {"active"},
                          HaproxyLimits limits = {})
      : adapters_(services(), worker_, limits) {
    route.route = RouteName("cache");
    route.socket = proxy.socket();
    route.backend = "redis";
    route.servers = std::move(servers);
    HaproxyVerify verify;
    verify.talk = HaproxyVerify::Talk::redis;
    verify.frontend = {"127.0.0.1", proxy.port()};
    route.verify = verify;
    order.route = route.route;
    order.require = Require::master;
    order.cause = SwitchCause::request;
    make();
  }

  /// After a change of `route`.
  void make() { adapter_ = adapters_.make({route}).front(); }

  SwitchReport switch_to(std::vector<Endpoint> places) {
    auto now = order;
    for (auto& place : places) now.to.push_back({ProbeName("redis"), std::move(place)});
    Intend intend = [this](std::string text) { return async_intend(std::move(text)); };
    return run_until(adapter_->async_switch(std::move(now), std::move(intend)), mono_now() + 20s);
  }
  SwitchReport switch_to(std::uint16_t port) {
    return switch_to(std::vector<Endpoint>{{"127.0.0.1", port}});
  }
  PoolerObservation observe() {
    return run_until(adapter_->async_observe(route.route), mono_now() + 5s);
  }
  SwitchReport reconnect() {
    const auto deadline = mono_now() + 3s;
    return run_until(adapter_->async_reconnect(route.route, deadline), deadline);
  }
  HoldReport hold() {
    return run_until(adapter_->async_hold(route.route, {}, mono_now() + 1s), mono_now() + 1s);
  }
  void recover(const std::string& text) {
    run_until(async_recover_and_say(text), mono_now() + 10s);
  }
  /// "127.0.0.1:6379", or what was said instead.
  std::string leads_to() {
    const auto seen = observe();
    std::string text;
    for (const auto& address : seen.addresses)
      text += (text.empty() ? "" : ", ") + to_text(address);
    return text.empty() ? seen.error : text;
  }

  HaproxyRoute route;
  SwitchRoute order;
  std::vector<std::string> steps;  ///< one for each intent

 private:
  asio::awaitable<void> async_intend(std::string text) {
    steps.push_back(std::move(text));
    co_return;
  }
  asio::awaitable<bool> async_recover_and_say(std::string text) {
    co_await adapter_->async_recover(std::move(text));
    co_return true;
  }

  ActWorker worker_{executor()};
  HaproxyAdapters adapters_;
  std::shared_ptr<Adapter> adapter_;
};

inline std::string place_text(std::uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

}  // namespace pointsman::test
