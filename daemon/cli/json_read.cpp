#include "daemon/cli/json_read.hpp"

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "daemon/cli/words.hpp"

namespace pointsman {

namespace json = boost::json;

const json::value& member(const json::value& object, std::string_view name) {
  static const json::value null;
  if (!object.is_object()) return null;
  const auto* found = object.get_object().if_contains(name);
  return found != nullptr ? *found : null;
}

std::string scalar_text(const json::value& value) {
  if (value.is_string()) return printable(std::string_view(value.get_string()));
  if (value.is_bool()) return value.get_bool() ? "yes" : "no";
  if (value.is_int64()) return std::to_string(value.get_int64());
  if (value.is_uint64()) return std::to_string(value.get_uint64());
  if (value.is_double()) return fmt::format("{:.4g}", value.get_double());
  return {};
}

std::string text_member(const json::value& object, std::string_view name) {
  return scalar_text(member(object, name));
}

bool true_member(const json::value& object, std::string_view name) {
  const auto& value = member(object, name);
  return value.is_bool() && value.get_bool();
}

std::int64_t integer_member(const json::value& object, std::string_view name) {
  const auto& value = member(object, name);
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64()) return static_cast<std::int64_t>(value.get_uint64());
  if (value.is_double()) return static_cast<std::int64_t>(value.get_double());
  return 0;
}

std::vector<std::string> texts_member(const json::value& object, std::string_view name) {
  std::vector<std::string> texts;
  const auto& value = member(object, name);
  if (value.is_array()) {
    for (const auto& one : value.get_array()) texts.push_back(scalar_text(one));
  } else if (value.is_string()) {
    texts.push_back(scalar_text(value));
  }
  return texts;
}

std::optional<WallTime> time_member(const json::value& object, std::string_view name) {
  const auto& value = member(object, name);
  if (!value.is_string()) return std::nullopt;
  return parse_rfc3339(std::string_view(value.get_string()));
}

std::string age_member(const json::value& object, std::string_view name, WallTime now) {
  const auto at = time_member(object, name);
  return at ? short_duration(now - *at) : "-";
}

}  // namespace pointsman
