#include "daemon/actions/switch_steps.hpp"

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

bool flag(const json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->as_bool();
}

}  // namespace

std::string to_json(const SwitchSteps& steps) {
  json::object object;
  object["adapter"] = "pgbouncer";
  object["route"] = steps.route;
  object["pooler"] = steps.pooler;
  object["file"] = steps.file;
  object["database"] = steps.database;
  object["previous"] = steps.previous ? json::value(*steps.previous) : json::value(nullptr);
  object["wanted"] = steps.wanted;
  object["retry"] = steps.retry;
  object["killed"] = steps.killed;
  object["held"] = steps.held;
  return json::serialize(object);
}

std::optional<SwitchSteps> steps_of_json(const std::string& given) {
  boost::system::error_code ec;
  const auto value = json::parse(given, ec);
  if (ec || !value.is_object()) return std::nullopt;
  const auto& object = value.as_object();
  if (text(object, "adapter") != "pgbouncer") return std::nullopt;
  SwitchSteps steps;
  steps.route = text(object, "route");
  steps.pooler = text(object, "pooler");
  steps.file = text(object, "file");
  steps.database = text(object, "database");
  const auto* previous = object.if_contains("previous");
  if (previous != nullptr && previous->is_string()) steps.previous = text(object, "previous");
  steps.wanted = text(object, "wanted");
  steps.retry = flag(object, "retry");
  steps.killed = flag(object, "killed");
  steps.held = flag(object, "held");
  return steps;
}

}  // namespace pointsman
