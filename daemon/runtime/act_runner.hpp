// Runs what the engine asks of servers, hooks, units and commands: promotions, planned changes, the
// steps of ladders. Switches of one route's poolers are RouteRunner's.
//
// On the loop's thread. Each act is a task of the group and ends in exactly one event. What changes
// the world makes its intent durable in the journal first, and writes its outcome at the end; a
// hook or a step, of which nothing can be undone, leaves the record that it was begun.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/actions/hook_runner.hpp"
#include "daemon/actions/server_acts.hpp"
#include "daemon/actions/step_runner.hpp"
#include "daemon/actions/switchover.hpp"
#include "daemon/journal/journal.hpp"
#include "daemon/runtime/act_intents.hpp"
#include "daemon/runtime/task_group.hpp"

namespace pointsman {

/// What it works with; all of it outlives it.
struct ActTools {
  TaskGroup& tasks;
  Journal& journal;
  ServerActs& servers;
  HookRunner& hooks;
  StepRunner& steps;
  std::function<void(Event)> give;
  std::function<std::vector<std::shared_ptr<Adapter>>(const RouteName&)> adapters_of;
};

class ActRunner {
 public:
  explicit ActRunner(ActTools tools) : tools_(std::move(tools)) {}

  void run(const PromoteServer& order);
  void run(const RunHook& order);
  void run(const DemoteServer& order);
  void run(const SwitchOver& order);
  void run(const CancelSwitchOver& order);
  void run(const ReconnectRoute& order);
  void run(const RunStep& order);
  /// What a start found of a planned change: undone or carried on, as its steps say.
  /// `holds`: the steps of the route's intents of kind "hold", which are its own.
  asio::awaitable<std::string> async_recover(SwitchoverSteps steps, std::vector<std::string> holds);
  /// The same of a promotion.
  asio::awaitable<std::string> async_recover(PromoteSteps steps);

 private:
  asio::awaitable<void> async_promote(PromoteServer order);
  asio::awaitable<void> async_hook(RunHook order);
  asio::awaitable<void> async_demote(DemoteServer order);
  asio::awaitable<void> async_switch_over(std::shared_ptr<Switchover> run, SwitchOver order,
                                          std::shared_ptr<ActIntents> intents);
  asio::awaitable<void> async_reconnect(ReconnectRoute order);
  asio::awaitable<void> async_step(RunStep order);
  asio::awaitable<ActReport> async_reconnect_route(RouteName route, Duration timeout);
  SwitchoverTools switchover_tools(const SwitchOver& order, std::shared_ptr<ActIntents> intents);
  std::shared_ptr<ActIntents> new_intents(std::string subject);

  ActTools tools_;
  std::map<ActionId, std::weak_ptr<Switchover>> switchovers_;
};

}  // namespace pointsman
