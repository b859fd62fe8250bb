#include "daemon/actions/haproxy_steps.hpp"

#include <cstdint>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "daemon/actions/steps_json.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

json::array to_array(const std::vector<HaproxySlot>& slots) {
  json::array array;
  for (const auto& slot : slots) {
    json::object object;
    object["server"] = slot.server;
    object["host"] = slot.address.host;
    object["port"] = slot.address.port;
    object["ready"] = slot.ready;
    array.push_back(std::move(object));
  }
  return array;
}

std::vector<HaproxySlot> slots_of(const json::object& parent, const char* key) {
  std::vector<HaproxySlot> slots;
  const auto* value = parent.if_contains(key);
  if (value == nullptr || !value->is_array()) return slots;
  for (const auto& item : value->as_array()) {
    if (!item.is_object()) continue;
    const auto& object = item.as_object();
    slots.push_back(
        {text_of(object, "server"),
         {text_of(object, "host"), static_cast<std::uint16_t>(number_of(object, "port"))},
         flag_of(object, "ready")});
  }
  return slots;
}

}  // namespace

std::string to_json(const HaproxySteps& steps) {
  json::object object;
  object["adapter"] = "haproxy";
  object["route"] = steps.route;
  object["socket"] = steps.socket;
  object["backend"] = steps.backend;
  object["previous"] = to_array(steps.previous);
  object["wanted"] = to_array(steps.wanted);
  return json::serialize(object);
}

std::optional<HaproxySteps> haproxy_steps_of_json(const std::string& given) {
  const auto read = read_steps(given, "adapter", "haproxy");
  if (!read) return std::nullopt;
  const auto& object = *read;
  return HaproxySteps{text_of(object, "route"), text_of(object, "socket"),
                      text_of(object, "backend"), slots_of(object, "previous"),
                      slots_of(object, "wanted")};
}

}  // namespace pointsman
