// What the parts of `check`'s report share: tables of times, lists, JSON of a span. Pure; for the
// report files alone.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "daemon/config/timing.hpp"

namespace pointsman {

/// One line of a table of times; the names of the columns stand above.
struct TimeRow {
  std::string what;
  Span span;
};
std::string time_table(const std::vector<TimeRow>& rows, std::string_view indent);
boost::json::value span_json(const Span& span);

template <class List, class Text>
std::string join(const List& list, Text text, std::string_view separator = ", ") {
  std::string result;
  for (const auto& item : list) {
    if (!result.empty()) result += separator;
    result += text(item);
  }
  return result;
}

template <class Map>
std::size_t widest_name(const Map& map) {
  std::size_t width = 8;
  for (const auto& [name, value] : map) width = std::max(width, name.text.size());
  return width;
}

// The parts of their own files.
std::string describe_routes(const Config& config);
boost::json::object routes_json(const Config& config);
std::string describe_recovery(const Config& config);  ///< the ladders, and who is told
boost::json::object ladders_json(const Config& config);

}  // namespace pointsman
