#include "daemon/actions/hook_runner.hpp"

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

std::string address_of(const SwitchTarget& target) {
  return target.endpoint.host.empty() ? std::string() : to_text(target.endpoint);
}

}  // namespace

CallVariables hook_variables(const RunHook& order) {
  const auto incident = static_cast<std::uint64_t>(order.incident);
  return {{"POINTSMAN_HOOK", std::string(to_text(order.hook))},
          {"POINTSMAN_ROUTE", order.route.text},
          {"POINTSMAN_OLD", order.old_target.probe.text},
          {"POINTSMAN_NEW", order.new_target.probe.text},
          {"POINTSMAN_OLD_ADDRESS", address_of(order.old_target)},
          {"POINTSMAN_NEW_ADDRESS", address_of(order.new_target)},
          {"POINTSMAN_INCIDENT", incident == 0 ? std::string() : std::to_string(incident)}};
}

void HookRunner::load(const std::map<RouteName, std::map<HookKind, HookSpec>>& hooks) {
  calls_.clear();
  for (const auto& [route, kinds] : hooks) {
    for (const auto& [hook, spec] : kinds) {
      calls_[route][hook] = std::make_shared<OutsideCall>(services_, spec);
    }
  }
}

std::shared_ptr<OutsideCall> HookRunner::find(const RouteName& route, HookKind hook) const {
  const auto kinds = calls_.find(route);
  if (kinds == calls_.end()) return nullptr;
  const auto call = kinds->second.find(hook);
  return call == kinds->second.end() ? nullptr : call->second;
}

bool HookRunner::has(const RouteName& route, HookKind hook) const {
  return find(route, hook) != nullptr;
}

Duration HookRunner::timeout(const RouteName& route, HookKind hook) const {
  const auto call = find(route, hook);
  return call ? call->timeout() : Duration{};
}

asio::awaitable<ActReport> HookRunner::async_run(RunHook order) {
  const auto call = find(order.route, order.hook);
  const std::string name(to_text(order.hook));
  if (!call) {
    co_return ActReport{ActionOutcome::failed,
                        fmt::format("{}: the route {} has no such hook", name, order.route.text)};
  }
  CallVariables variables = hook_variables(order);
  POINTSMAN_FAULT_POINT("hook.before");
  ActReport report = co_await call->async_run(std::move(variables), mono_now() + call->timeout());
  POINTSMAN_FAULT_POINT("hook.after");
  report.message = fmt::format("{}: {}", name, report.message);
  co_return report;
}

}  // namespace pointsman
