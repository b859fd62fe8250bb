#include "daemon/actions/switchover_steps.hpp"

#include <array>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace pointsman {
namespace {

namespace json = boost::json;
using What = SwitchoverRecovery::What;

constexpr std::array all_steps{SwitchoverStep::hold, SwitchoverStep::fence,
                               SwitchoverStep::catch_up, SwitchoverStep::promote,
                               SwitchoverStep::done};

std::string text(const json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->as_string().data(), value->as_string().size());
}

std::uint64_t number(const json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code ec;
  const auto read = value->to_number<std::uint64_t>(ec);
  return ec ? 0 : read;
}

json::object to_object(const SwitchTarget& target) {
  json::object object;
  object["probe"] = target.probe.text;
  object["host"] = target.endpoint.host;
  object["port"] = target.endpoint.port;
  return object;
}

SwitchTarget read_target(const json::value* value) {
  SwitchTarget target;
  if (value == nullptr || !value->is_object()) return target;
  const auto& object = value->as_object();
  target.probe = ProbeName(text(object, "probe"));
  target.endpoint = {text(object, "host"), static_cast<std::uint16_t>(number(object, "port"))};
  return target;
}

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
  json::array others;
  for (const SwitchTarget& other : order.others) others.push_back(to_object(other));
  object["others"] = std::move(others);
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
  boost::system::error_code ec;
  const auto value = json::parse(given, ec);
  if (ec || !value.is_object()) return std::nullopt;
  const auto& object = value.as_object();
  if (text(object, "act") != "switchover") return std::nullopt;
  const auto step = read_step(text(object, "step"));
  if (!step) return std::nullopt;
  SwitchoverSteps steps;
  steps.step = *step;
  SwitchOver& order = steps.order;
  order.route = RouteName(text(object, "route"));
  order.kind =
      text(object, "kind") == to_text(ServerKind::redis) ? ServerKind::redis : ServerKind::postgres;
  order.from = read_target(object.if_contains("from"));
  order.to = read_target(object.if_contains("to"));
  if (const auto* others = object.if_contains("others"); others != nullptr && others->is_array()) {
    for (const auto& other : others->as_array()) order.others.push_back(read_target(&other));
  }
  order.system_id = text(object, "system_id");
  order.timeline = static_cast<std::uint32_t>(number(object, "timeline"));
  order.epoch = number(object, "epoch");
  const auto* fenced = object.if_contains("fenced");
  order.fenced = fenced == nullptr || !fenced->is_bool() || fenced->as_bool();
  order.incident = IncidentId{number(object, "incident")};
  order.promote_timeout = std::chrono::milliseconds(
      static_cast<std::chrono::milliseconds::rep>(number(object, "promote_timeout_ms")));
  steps.position = number(object, "position");
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
