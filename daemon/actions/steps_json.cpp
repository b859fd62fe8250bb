#include "daemon/actions/steps_json.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace pointsman {
namespace json = boost::json;
namespace {

SwitchTarget read_target(const json::value& value) {
  if (!value.is_object()) return {};
  const auto& object = value.as_object();
  return {ProbeName(text_of(object, "probe")),
          {text_of(object, "host"), static_cast<std::uint16_t>(number_of(object, "port"))}};
}

}  // namespace

std::optional<json::object> read_steps(const std::string& given, std::string_view key,
                                       std::string_view word) {
  boost::system::error_code ec;
  auto value = json::parse(given, ec);
  if (ec || !value.is_object()) return std::nullopt;
  if (text_of(value.as_object(), key) != word) return std::nullopt;
  return std::move(value.as_object());
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains({key.data(), key.size()});
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->as_string().data(), value->as_string().size());
}

std::uint64_t number_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains({key.data(), key.size()});
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code ec;
  const auto number = value->to_number<std::uint64_t>(ec);
  return ec ? 0 : number;
}

bool flag_of(const json::object& object, std::string_view key, bool otherwise) {
  const auto* value = object.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_bool() ? value->as_bool() : otherwise;
}

json::object to_object(const SwitchTarget& target) {
  return {
      {"probe", target.probe.text}, {"host", target.endpoint.host}, {"port", target.endpoint.port}};
}

SwitchTarget target_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains({key.data(), key.size()});
  return value == nullptr ? SwitchTarget{} : read_target(*value);
}

json::array to_array(const std::vector<SwitchTarget>& targets) {
  json::array array;
  for (const SwitchTarget& target : targets) array.push_back(to_object(target));
  return array;
}

std::vector<SwitchTarget> targets_of(const json::object& object, std::string_view key) {
  std::vector<SwitchTarget> targets;
  const auto* value = object.if_contains({key.data(), key.size()});
  if (value == nullptr || !value->is_array()) return targets;
  for (const auto& each : value->as_array()) targets.push_back(read_target(each));
  return targets;
}

}  // namespace pointsman
