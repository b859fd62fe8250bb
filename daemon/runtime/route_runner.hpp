// Runs what the engine asks of routes: looks at poolers and switches them, each pooler in parallel.
//
// On the loop's thread. Before an adapter changes the world its intent is made durable in the
// journal; when it has ended, the outcome is written and the engine hears exactly one event.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/actions/adapter.hpp"
#include "daemon/journal/journal.hpp"
#include "daemon/runtime/task_group.hpp"

namespace pointsman {

class RouteRunner {
 public:
  using Give = std::function<void(Event)>;
  using Adapters = std::map<RouteName, std::vector<std::shared_ptr<Adapter>>>;

  RouteRunner(TaskGroup& tasks, Journal& journal, Give give);

  /// The adapters of each route, one each pooler in the order of RoutePolicy::via.
  void load(Adapters adapters) { adapters_ = std::move(adapters); }
  void observe(const ObserveRoute& effect);
  void switch_route(const SwitchRoute& order);
  std::vector<std::shared_ptr<Adapter>> adapters_of(const RouteName& route) const;
  /// What an adapter left half done (a paused database, a setting) is undone by it.
  asio::awaitable<std::string> async_recover(Intent intent);

 private:
  struct Looking;
  struct Switching;

  asio::awaitable<void> async_observe(std::shared_ptr<Looking> look, std::size_t index);
  asio::awaitable<void> async_switch(std::shared_ptr<Switching> act, std::size_t index);
  void finish(const Switching& act);

  TaskGroup& tasks_;
  Journal& journal_;
  Give give_;
  Adapters adapters_;
};

}  // namespace pointsman
