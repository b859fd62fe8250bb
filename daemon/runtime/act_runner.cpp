#include "daemon/runtime/act_runner.hpp"

#include "probes/clock.hpp"

namespace pointsman {

namespace {

ActionFinished finished(ActionId id, const RouteName& route, ActionOutcome outcome,
                        std::string message) {
  ActionFinished event;
  event.id = id;
  event.route = route;
  event.outcome = outcome;
  event.message = std::move(message);
  return event;
}

std::string begun(const std::string& act) {
  return "{\"act\":\"" + act + "\"}";
}

}  // namespace

std::shared_ptr<ActIntents> ActRunner::new_intents(std::string subject) {
  return std::make_shared<ActIntents>(tools_.tasks, tools_.journal, std::move(subject));
}

void ActRunner::run(const PromoteServer& order) {
  tools_.tasks.spawn(async_promote(order));
}
void ActRunner::run(const RunHook& order) {
  tools_.tasks.spawn(async_hook(order));
}
void ActRunner::run(const DemoteServer& order) {
  tools_.tasks.spawn(async_demote(order));
}
void ActRunner::run(const ReconnectRoute& order) {
  tools_.tasks.spawn(async_reconnect(order));
}
void ActRunner::run(const RunStep& order) {
  tools_.tasks.spawn(async_step(order));
}

asio::awaitable<void> ActRunner::async_promote(PromoteServer order) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto intents = new_intents(order.route.text);
  PromoteReport report;
  const ActionId id = order.id;
  const RouteName route = order.route;
  try {
    Intend intend = intents->of_kind("promote");
    report = co_await tools_.servers.async_promote(std::move(order), std::move(intend));
  } catch (const std::exception& e) {
    report.message = e.what();
  }
  ActionFinished done = finished(id, route, report.outcome, report.message);
  done.timeline = report.timeline;
  done.promotion_lsn = report.promotion_lsn;
  // The incident first: a kill between the two leaves the promotion in doubt, never forgotten.
  tools_.give(std::move(done));
  intents->end(report.outcome, report.message);
}

asio::awaitable<void> ActRunner::async_hook(RunHook order) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto intents = new_intents(order.route.text);
  const ActionId id = order.id;
  const RouteName route = order.route;
  ActReport report;
  try {
    Intend intend = intents->of_kind("hook");
    std::string steps = begun(std::string(to_text(order.hook)));
    co_await intend(std::move(steps));
    report = co_await tools_.hooks.async_run(std::move(order));
  } catch (const std::exception& e) {
    report.message = e.what();
  }
  intents->end(report.outcome, report.message);
  tools_.give(finished(id, route, report.outcome, report.message));
}

asio::awaitable<void> ActRunner::async_demote(DemoteServer order) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto intents = new_intents(order.route.text);
  const ActionId id = order.id;
  const RouteName route = order.route;
  ActReport report;
  try {
    Intend intend = intents->of_kind("demote");
    report = co_await tools_.servers.async_demote(std::move(order), std::move(intend));
  } catch (const std::exception& e) {
    report.message = e.what();
  }
  intents->end(report.outcome, report.message);
  tools_.give(finished(id, route, report.outcome, report.message));
}

// --- planned changes ---------------------------------------------------------------------------

SwitchoverTools ActRunner::switchover_tools(const SwitchOver& order,
                                            std::shared_ptr<ActIntents> intents) {
  SwitchoverTools tools;
  tools.adapters = tools_.adapters_of(order.route);
  tools.acts = &tools_.servers;
  tools.hooks = &tools_.hooks;
  tools.new_intent = [intents](std::string kind) { return intents->of_kind(std::move(kind)); };
  tools.on_step = [give = tools_.give, request = order.request](std::string line) {
    if (request != RequestId{}) give(RequestNoted{request, std::move(line)});
  };
  return tools;
}

void ActRunner::run(const SwitchOver& order) {
  const auto intents = new_intents(order.route.text);
  const auto run = std::make_shared<Switchover>(switchover_tools(order, intents), order);
  switchovers_[order.id] = run;
  tools_.tasks.spawn(async_switch_over(run, order, intents));
}

void ActRunner::run(const CancelSwitchOver& order) {
  const auto it = switchovers_.find(order.id);
  if (it == switchovers_.end()) return;
  if (const auto run = it->second.lock()) run->cancel();
}

asio::awaitable<void> ActRunner::async_switch_over(std::shared_ptr<Switchover> run,
                                                   SwitchOver order,
                                                   std::shared_ptr<ActIntents> intents) {
  co_await asio::this_coro::throw_if_cancelled(false);
  SwitchoverReport report;
  try {
    report = co_await run->async_run();
  } catch (const std::exception& e) {
    report.message = e.what();
  }
  intents->end(report.outcome, report.message);
  switchovers_.erase(order.id);
  ActionFinished done = finished(order.id, order.route, report.outcome, report.message);
  done.verified = report.verified;
  done.rolled_back = report.rolled_back;
  done.times = report.times;
  done.timeline = report.timeline;
  done.promotion_lsn = report.promotion_lsn;
  tools_.give(std::move(done));
}

asio::awaitable<std::string> ActRunner::async_recover(SwitchoverSteps steps,
                                                      std::vector<std::string> holds) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const SwitchOver order = steps.order;
  const auto intents = new_intents(order.route.text);
  const auto run = std::make_shared<Switchover>(switchover_tools(order, intents), order);
  const SwitchoverReport report = co_await run->async_recover(std::move(steps), std::move(holds));
  intents->end(report.outcome, report.message);
  co_return report.message;
}

asio::awaitable<std::string> ActRunner::async_recover(PromoteSteps steps) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_return co_await tools_.servers.async_recover(std::move(steps));
}

// --- steps of ladders --------------------------------------------------------------------------

asio::awaitable<ActReport> ActRunner::async_reconnect_route(RouteName route, Duration timeout) {
  ActReport result{ActionOutcome::ok, ""};
  const auto adapters = tools_.adapters_of(route);
  if (adapters.empty()) result = {ActionOutcome::failed, "the route has no pooler"};
  const MonoTime deadline = mono_now() + timeout;
  for (const auto& adapter : adapters) {
    RouteName name = route;
    const SwitchReport report = co_await adapter->async_reconnect(std::move(name), deadline);
    if (report.outcome != ActionOutcome::ok) result.outcome = report.outcome;
    if (!report.message.empty()) {
      result.message += (result.message.empty() ? "" : "; ") + report.message;
    }
  }
  co_return result;
}

asio::awaitable<void> ActRunner::async_reconnect(ReconnectRoute order) {
  co_await asio::this_coro::throw_if_cancelled(false);
  constexpr Duration patience = std::chrono::seconds{10};
  ActReport report;
  try {
    RouteName route = order.route;
    report = co_await async_reconnect_route(std::move(route), patience);
  } catch (const std::exception& e) {
    report = {ActionOutcome::unknown, e.what()};
  }
  tools_.give(finished(order.id, order.route, report.outcome, report.message));
}

asio::awaitable<void> ActRunner::async_step(RunStep order) {
  co_await asio::this_coro::throw_if_cancelled(false);
  StepFinished done;
  done.id = order.id;
  done.ladder = order.ladder;
  const auto intents = new_intents(order.ladder.text);
  try {
    Intend intend = intents->of_kind("step");
    std::string steps = begun(std::string(to_text(order.policy.kind)));
    co_await intend(std::move(steps));
    if (order.policy.kind == StepKind::reconnect) {
      RouteName route = order.policy.route;
      ActReport report = co_await async_reconnect_route(std::move(route), order.policy.timeout);
      done.outcome = report.outcome;
      done.message = std::move(report.message);
    } else {
      done = co_await tools_.steps.async_run(std::move(order));
    }
  } catch (const std::exception& e) {
    done.outcome = ActionOutcome::unknown;
    done.message = e.what();
  }
  intents->end(done.outcome, done.message);
  tools_.give(std::move(done));
}

}  // namespace pointsman
