#include "daemon/actions/step_runner.hpp"

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/deadline.hpp"
#include "probes/fault_point.hpp"
#include "probes/system_bus.hpp"
#include "probes/unit_job.hpp"

namespace pointsman {

StepRunner::StepRunner(ProberServices services) : services_(services) {}
StepRunner::~StepRunner() = default;

CallVariables step_variables(const RunStep& order) {
  const auto incident = static_cast<std::uint64_t>(order.incident);
  return {{"POINTSMAN_LADDER", order.ladder.text},
          {"POINTSMAN_STEP", std::to_string(order.step + 1)},
          {"POINTSMAN_SUBJECT", order.subject},
          {"POINTSMAN_INCIDENT", incident == 0 ? std::string() : std::to_string(incident)},
          {"POINTSMAN_ATTEMPT", std::to_string(order.attempt)}};
}

void StepRunner::load(const std::map<LadderName, std::vector<StepSpec>>& steps) {
  calls_.clear();
  for (const auto& [ladder, specs] : steps) {
    for (const StepSpec& spec : specs) {
      calls_[ladder].push_back(spec.call ? std::make_shared<OutsideCall>(services_, *spec.call)
                                         : nullptr);
    }
  }
}

std::shared_ptr<OutsideCall> StepRunner::find(const RunStep& order) const {
  const auto ladder = calls_.find(order.ladder);
  if (ladder == calls_.end() || order.step < 0) return nullptr;
  const auto index = static_cast<std::size_t>(order.step);
  return index < ladder->second.size() ? ladder->second[index] : nullptr;
}

asio::awaitable<ActReport> StepRunner::async_unit(RunStep order, MonoTime deadline) {
  if (!bus_) bus_ = SystemBus::shared(services_.executor);
  const auto verb =
      order.policy.kind == StepKind::restart_unit ? UnitVerb::restart : UnitVerb::reload;
  auto work = async_unit_job(bus_, verb, order.policy.name);
  const UnitJobResult result = co_await async_until(deadline, std::move(work));
  ActReport report;
  report.message = result.message;
  switch (result.end) {
    case UnitJobResult::End::done:
      report.outcome = ActionOutcome::ok;
      break;
    case UnitJobResult::End::failed:
      report.outcome = ActionOutcome::failed;
      break;
    case UnitJobResult::End::unknown:
      report.outcome = ActionOutcome::unknown;
      break;
  }
  co_return report;
}

asio::awaitable<StepFinished> StepRunner::async_run(RunStep order) {
  const MonoTime deadline = mono_now() + order.policy.timeout;
  StepFinished finished;
  finished.id = order.id;
  finished.ladder = order.ladder;
  ActReport report;
  POINTSMAN_FAULT_POINT("step.before");
  switch (order.policy.kind) {
    case StepKind::exec:
    case StepKind::http:
      if (const auto call = find(order)) {
        CallVariables variables = step_variables(order);
        report = co_await call->async_run(std::move(variables), deadline);
      } else {
        report = {ActionOutcome::failed, "the step is not in the configuration any more"};
      }
      break;
    case StepKind::restart_unit:
    case StepKind::reload_unit:
      report = co_await async_unit(std::move(order), deadline);
      break;
    default:
      report = {ActionOutcome::failed, fmt::format("a step of the kind {} is not run from here",
                                                   to_text(order.policy.kind))};
  }
  POINTSMAN_FAULT_POINT("step.after");
  finished.outcome = report.outcome;
  finished.message = std::move(report.message);
  co_return finished;
}

}  // namespace pointsman
