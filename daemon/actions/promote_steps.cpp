#include "daemon/actions/promote_steps.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace pointsman {
namespace {

namespace json = boost::json;

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

}  // namespace

PromoteSteps promote_steps_of(const PromoteServer& order) {
  PromoteSteps steps;
  steps.route = order.route.text;
  steps.kind = std::string(to_text(order.kind));
  steps.from = order.from.probe.text;
  steps.to = order.to.probe.text;
  steps.to_address = to_text(order.to.endpoint);
  steps.system_id = order.system_id;
  steps.timeline = order.timeline;
  steps.incident = static_cast<std::uint64_t>(order.incident);
  return steps;
}

std::string to_json(const PromoteSteps& steps) {
  json::object object;
  object["act"] = "promote";
  object["route"] = steps.route;
  object["kind"] = steps.kind;
  object["from"] = steps.from;
  object["to"] = steps.to;
  object["to_address"] = steps.to_address;
  object["system_id"] = steps.system_id;
  object["timeline"] = steps.timeline;
  object["incident"] = steps.incident;
  return json::serialize(object);
}

std::optional<PromoteSteps> promote_steps_of_json(const std::string& given) {
  boost::system::error_code ec;
  const auto value = json::parse(given, ec);
  if (ec || !value.is_object()) return std::nullopt;
  const auto& object = value.as_object();
  if (text(object, "act") != "promote") return std::nullopt;
  PromoteSteps steps;
  steps.route = text(object, "route");
  steps.kind = text(object, "kind");
  steps.from = text(object, "from");
  steps.to = text(object, "to");
  steps.to_address = text(object, "to_address");
  steps.system_id = text(object, "system_id");
  steps.timeline = static_cast<std::uint32_t>(number(object, "timeline"));
  steps.incident = number(object, "incident");
  return steps;
}

std::string demote_json(const DemoteServer& order) {
  json::object object;
  object["act"] = "demote";
  object["route"] = order.route.text;
  object["server"] = order.server.probe.text;
  object["new_master"] = order.new_master.probe.text;
  object["new_address"] = to_text(order.new_master.endpoint);
  return json::serialize(object);
}

}  // namespace pointsman
