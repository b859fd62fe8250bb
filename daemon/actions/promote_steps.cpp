#include "daemon/actions/promote_steps.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "daemon/actions/steps_json.hpp"

namespace pointsman {
namespace json = boost::json;

PromoteSteps promote_steps_of(const PromoteServer& order) {
  PromoteSteps steps;
  steps.route = order.route.text;
  steps.kind = std::string(to_text(order.kind));
  steps.from = order.from.probe.text;
  steps.to = order.to.probe.text;
  steps.to_address = order.to.endpoint;
  steps.others = order.others;
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
  object["to_host"] = steps.to_address.host;
  object["to_port"] = steps.to_address.port;
  object["others"] = to_array(steps.others);
  object["system_id"] = steps.system_id;
  object["timeline"] = steps.timeline;
  object["incident"] = steps.incident;
  return json::serialize(object);
}

std::optional<PromoteSteps> promote_steps_of_json(const std::string& given) {
  const auto read = read_steps(given, "act", "promote");
  if (!read) return std::nullopt;
  const auto& object = *read;
  PromoteSteps steps;
  steps.route = text_of(object, "route");
  steps.kind = text_of(object, "kind");
  steps.from = text_of(object, "from");
  steps.to = text_of(object, "to");
  steps.to_address = {text_of(object, "to_host"),
                      static_cast<std::uint16_t>(number_of(object, "to_port"))};
  steps.others = targets_of(object, "others");
  steps.system_id = text_of(object, "system_id");
  steps.timeline = static_cast<std::uint32_t>(number_of(object, "timeline"));
  steps.incident = number_of(object, "incident");
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
