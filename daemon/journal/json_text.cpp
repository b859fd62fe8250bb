#include "daemon/journal/json_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "probes/clock.hpp"

namespace pointsman {

namespace json = boost::json;

std::string details_json(const std::vector<std::pair<std::string, std::string>>& details) {
  json::object object;
  for (const auto& [name, value] : details) {
    if (auto* before = object.if_contains(name)) {
      *before = std::string(before->as_string()) + "; " + value;
    } else {
      object.emplace(name, value);
    }
  }
  return json::serialize(object);
}

std::vector<std::pair<std::string, std::string>> details_of_json(const std::string& text) {
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  boost::system::error_code ec;
  const auto parsed = json::parse(text, ec, {}, options);
  std::vector<std::pair<std::string, std::string>> details;
  if (ec || !parsed.is_object()) return details;
  for (const auto& member : parsed.get_object()) {
    if (!member.value().is_string()) continue;
    details.emplace_back(std::string(member.key()), std::string(member.value().get_string()));
  }
  return details;
}

std::string facts_json(const Facts& facts) {
  json::object object;
  for_each_fact(facts, [&object](std::string_view name, const FactValue& fact) {
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, WallTime>) {
            object.emplace(name, to_rfc3339(value));
          } else {
            object.emplace(name, value);
          }
        },
        fact);
  });
  return json::serialize(object);
}

std::string targets_json(const std::vector<ProbeName>& targets) {
  json::array array;
  for (const auto& target : targets) array.emplace_back(target.text);
  return json::serialize(array);
}

std::vector<ProbeName> targets_of_json(const std::string& text) {
  boost::system::error_code ec;
  const auto parsed = json::parse(text, ec);
  std::vector<ProbeName> targets;
  if (ec || !parsed.is_array()) return targets;
  for (const auto& target : parsed.get_array()) {
    if (target.is_string()) targets.emplace_back(std::string(target.get_string()));
  }
  return targets;
}

}  // namespace pointsman
