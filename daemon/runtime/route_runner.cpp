#include "daemon/runtime/route_runner.hpp"

#include "daemon/runtime/act_intents.hpp"

namespace pointsman {

struct RouteRunner::Looking {
  RouteName route;
  std::vector<std::shared_ptr<Adapter>> adapters;
  std::vector<PoolerObservation> seen;
  std::size_t missing = 0;
};

struct RouteRunner::Switching {
  SwitchRoute order;
  std::vector<std::shared_ptr<Adapter>> adapters;
  std::vector<SwitchReport> reports;
  std::size_t missing = 0;
};

RouteRunner::RouteRunner(TaskGroup& tasks, Journal& journal, Give give)
    : tasks_(tasks), journal_(journal), give_(std::move(give)) {}

void RouteRunner::observe(const ObserveRoute& effect) {
  auto look = std::make_shared<Looking>();
  look->route = effect.route;
  look->adapters = adapters_[effect.route];
  look->seen.resize(look->adapters.size());
  look->missing = look->adapters.size();
  if (look->missing == 0) return give_(RouteObserved{effect.route, {}});
  for (std::size_t i = 0; i < look->adapters.size(); ++i) tasks_.spawn(async_observe(look, i));
}

asio::awaitable<void> RouteRunner::async_observe(std::shared_ptr<Looking> look, std::size_t index) {
  PoolerObservation seen;
  try {
    seen = co_await look->adapters[index]->async_observe(look->route);
  } catch (const std::exception& e) {
    seen.error = e.what();
  }
  look->seen[index] = std::move(seen);
  if (--look->missing == 0) give_(RouteObserved{look->route, std::move(look->seen)});
}

void RouteRunner::switch_route(const SwitchRoute& order) {
  auto act = std::make_shared<Switching>();
  act->order = order;
  act->adapters = adapters_[order.route];
  act->reports.resize(act->adapters.size());
  act->missing = act->adapters.size();
  if (act->missing == 0) return finish(*act);
  for (std::size_t i = 0; i < act->adapters.size(); ++i) tasks_.spawn(async_switch(act, i));
}

asio::awaitable<void> RouteRunner::async_switch(std::shared_ptr<Switching> act, std::size_t index) {
  const auto intents = std::make_shared<ActIntents>(tasks_, journal_, act->order.route.text);
  SwitchReport report;
  try {
    SwitchRoute order = act->order;
    Intend intend = intents->of_kind("switch");
    report = co_await act->adapters[index]->async_switch(std::move(order), std::move(intend));
  } catch (const std::exception& e) {
    report = {ActionOutcome::unknown, e.what(), Verified::no, false};
  }
  intents->end(report.outcome, report.message);
  act->reports[index] = std::move(report);
  if (--act->missing == 0) finish(*act);
}

/// All poolers or none: one that failed makes the whole fail, and the proof is the weakest of them.
void RouteRunner::finish(const Switching& act) {
  ActionFinished done;
  done.id = act.order.id;
  done.route = act.order.route;
  done.outcome = ActionOutcome::ok;
  done.verified = Verified::query;
  if (!act.reports.empty()) done.times = act.reports.front().times;
  if (act.reports.empty()) {
    done.outcome = ActionOutcome::failed;
    done.message = "the route has no pooler that this version can drive";
    done.verified = Verified::no;
  }
  for (const SwitchReport& report : act.reports) {
    if (report.outcome == ActionOutcome::unknown) done.outcome = ActionOutcome::unknown;
    if (report.outcome == ActionOutcome::failed && done.outcome == ActionOutcome::ok) {
      done.outcome = ActionOutcome::failed;
    }
    done.verified = std::min(done.verified, report.verified);
    done.rolled_back = done.rolled_back || report.rolled_back;
    done.times = last_of(done.times, report.times);
    if (!report.message.empty())
      done.message += (done.message.empty() ? "" : "; ") + report.message;
  }
  give_(std::move(done));
}

std::vector<std::shared_ptr<Adapter>> RouteRunner::adapters_of(const RouteName& route) const {
  const auto it = adapters_.find(route);
  return it == adapters_.end() ? std::vector<std::shared_ptr<Adapter>>{} : it->second;
}

/// A route has one intent for each pooler; undoing asks the pooler first, so asking all is
/// harmless.
asio::awaitable<std::string> RouteRunner::async_recover(Intent intent) {
  std::string message = "the daemon ended in the middle of it; looked at again at the start";
  for (const auto& adapter : adapters_of(RouteName(intent.subject))) {
    try {
      std::string steps = intent.steps;
      co_await adapter->async_recover(std::move(steps));
    } catch (const std::exception& e) {
      message += std::string(": ") + e.what();
    }
  }
  co_return message;
}

}  // namespace pointsman
