// Reads a daemon's JSON without ever failing: what is missing or of another type is empty. A
// command line may be newer or older than the daemon that it asks. All text is made printable here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "policies/model/time.hpp"

namespace pointsman {

/// Null where there is none.
const boost::json::value& member(const boost::json::value& object, std::string_view name);
std::string text_member(const boost::json::value& object, std::string_view name);
bool true_member(const boost::json::value& object, std::string_view name);
std::int64_t integer_member(const boost::json::value& object, std::string_view name);
std::vector<std::string> texts_member(const boost::json::value& object, std::string_view name);
std::optional<WallTime> time_member(const boost::json::value& object, std::string_view name);
/// Any scalar as a person would write it.
std::string scalar_text(const boost::json::value& value);
/// How long since the time in `name`: "3m12s", or "-".
std::string age_member(const boost::json::value& object, std::string_view name, WallTime now);

}  // namespace pointsman
