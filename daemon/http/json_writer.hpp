// Writes JSON text front to back, members in the order in which they are written.
//
// Beside Boost.JSON, which parses: its values would have to be built first (1,000 probes take
// several times as long), and its 1.81 serialiser prints 1.5 as 1.5E0. Numbers that are not finite
// become null, bytes that are not UTF-8 become U+FFFD: the output is always JSON. The caller keeps
// begin and end in balance.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& text(std::string_view value);
  JsonWriter& boolean(bool value);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& unsigned_integer(std::uint64_t value);
  /// Rounded to `decimals` places, without trailing zeros.
  JsonWriter& number(double value, int decimals = 6);
  /// As milliseconds, with three decimals.
  JsonWriter& milliseconds(Duration value);
  /// RFC 3339, UTC, milliseconds.
  JsonWriter& time(WallTime value);
  JsonWriter& null();
  /// An object of texts. A name that comes twice has its texts joined by "; ".
  JsonWriter& details(const std::vector<std::pair<std::string, std::string>>& details);
  JsonWriter& fact(const FactValue& value);
  JsonWriter& value(const boost::json::value& value);

  /// The text, with a line feed at its end; the writer is empty afterwards.
  std::string take_line();

 private:
  void separate();

  std::string out_;
  bool need_comma_ = false;
};

}  // namespace pointsman
