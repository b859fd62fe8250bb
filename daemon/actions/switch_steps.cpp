#include "daemon/actions/switch_steps.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "daemon/actions/steps_json.hpp"

namespace pointsman {
namespace json = boost::json;

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
  const auto read = read_steps(given, "adapter", "pgbouncer");
  if (!read) return std::nullopt;
  const auto& object = *read;
  SwitchSteps steps;
  steps.route = text_of(object, "route");
  steps.pooler = text_of(object, "pooler");
  steps.file = text_of(object, "file");
  steps.database = text_of(object, "database");
  const auto* previous = object.if_contains("previous");
  if (previous != nullptr && previous->is_string()) steps.previous = text_of(object, "previous");
  steps.wanted = text_of(object, "wanted");
  steps.retry = flag_of(object, "retry");
  steps.killed = flag_of(object, "killed");
  steps.held = flag_of(object, "held");
  return steps;
}

}  // namespace pointsman
