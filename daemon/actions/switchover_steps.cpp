#include "daemon/actions/switchover_steps.hpp"

#include <array>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "daemon/actions/steps_json.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;
using What = SwitchoverRecovery::What;

constexpr std::array all_steps{SwitchoverStep::hold, SwitchoverStep::fence,
                               SwitchoverStep::catch_up, SwitchoverStep::promote,
                               SwitchoverStep::done};

std::optional<SwitchoverStep> read_step(const std::string& word) {
  for (const SwitchoverStep step : all_steps) {
    if (to_text(step) == word) return step;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_text(SwitchoverStep step) {
  switch (step) {
    case SwitchoverStep::hold:
      return "hold";
    case SwitchoverStep::fence:
      return "fence";
    case SwitchoverStep::catch_up:
      return "catch_up";
    case SwitchoverStep::promote:
      return "promote";
    case SwitchoverStep::done:
      return "done";
  }
  return "?";
}

std::string to_json(const SwitchoverSteps& steps) {
  const SwitchOver& order = steps.order;
  json::object object;
  object["act"] = "switchover";
  object["step"] = std::string(to_text(steps.step));
  object["route"] = order.route.text;
  object["kind"] = std::string(to_text(order.kind));
  object["from"] = to_object(order.from);
  object["to"] = to_object(order.to);
  object["others"] = to_array(order.others);
  object["system_id"] = order.system_id;
  object["timeline"] = order.timeline;
  object["epoch"] = order.epoch;
  object["fenced"] = order.fenced;
  object["incident"] = static_cast<std::uint64_t>(order.incident);
  object["promote_timeout_ms"] =
      std::chrono::duration_cast<std::chrono::milliseconds>(order.promote_timeout).count();
  object["position"] = steps.position;
  return json::serialize(object);
}

std::optional<SwitchoverSteps> switchover_steps_of_json(const std::string& given) {
  const auto read = read_steps(given, "act", "switchover");
  if (!read) return std::nullopt;
  const auto& object = *read;
  const auto step = read_step(text_of(object, "step"));
  if (!step) return std::nullopt;
  SwitchoverSteps steps;
  steps.step = *step;
  SwitchOver& order = steps.order;
  order.route = RouteName(text_of(object, "route"));
  order.kind = text_of(object, "kind") == to_text(ServerKind::redis) ? ServerKind::redis
                                                                     : ServerKind::postgres;
  order.from = target_of(object, "from");
  order.to = target_of(object, "to");
  order.others = targets_of(object, "others");
  order.system_id = text_of(object, "system_id");
  order.timeline = static_cast<std::uint32_t>(number_of(object, "timeline"));
  order.epoch = number_of(object, "epoch");
  order.fenced = flag_of(object, "fenced", true);
  order.incident = IncidentId{number_of(object, "incident")};
  order.promote_timeout = std::chrono::milliseconds(
      static_cast<std::chrono::milliseconds::rep>(number_of(object, "promote_timeout_ms")));
  steps.position = number_of(object, "position");
  return steps;
}

SwitchoverRecovery recover_switchover(const SwitchoverSteps& steps) {
  switch (steps.step) {
    case SwitchoverStep::hold:
      return {What::undo, false,
              "a planned change was cut short while its clients were held: they are let go"};
    case SwitchoverStep::fence:
    case SwitchoverStep::catch_up:
      return {What::undo, true,
              "a planned change was cut short before the promotion: the old server is brought back "
              "and the clients are let go"};
    case SwitchoverStep::promote:
      return {What::look, true,
              "a planned change was cut short around its promotion: the servers are asked"};
    case SwitchoverStep::done:
      break;
  }
  return {What::nothing, false, "a planned change had ended"};
}

}  // namespace pointsman
