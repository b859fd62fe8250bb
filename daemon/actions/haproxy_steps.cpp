#include "daemon/actions/haproxy_steps.hpp"

#include <cstdint>

#include <boost/json/array.hpp>
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
    HaproxySlot slot{text(object, "server"), {text(object, "host"), 0}, false};
    if (const auto* port = object.if_contains("port"); port != nullptr && port->is_int64()) {
      slot.address.port = static_cast<std::uint16_t>(port->as_int64());
    }
    const auto* ready = object.if_contains("ready");
    slot.ready = ready != nullptr && ready->is_bool() && ready->as_bool();
    slots.push_back(std::move(slot));
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
  boost::system::error_code ec;
  const auto value = json::parse(given, ec);
  if (ec || !value.is_object()) return std::nullopt;
  const auto& object = value.as_object();
  if (text(object, "adapter") != "haproxy") return std::nullopt;
  return HaproxySteps{text(object, "route"), text(object, "socket"), text(object, "backend"),
                      slots_of(object, "previous"), slots_of(object, "wanted")};
}

}  // namespace pointsman
