// Reading what an act put into the journal. Pure.
//
// Another version may have written it, so a field may be missing or of another kind: it then reads
// as nothing, and the start looks at the world all the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "policies/model/effect.hpp"

namespace pointsman {

/// The object that `given` is, where its `key` says `word`.
std::optional<boost::json::object> read_steps(const std::string& given, std::string_view key,
                                              std::string_view word);

std::string text_of(const boost::json::object& object, std::string_view key);      ///< or empty
std::uint64_t number_of(const boost::json::object& object, std::string_view key);  ///< or 0
bool flag_of(const boost::json::object& object, std::string_view key, bool otherwise = false);

boost::json::object to_object(const SwitchTarget& target);
SwitchTarget target_of(const boost::json::object& object, std::string_view key);
boost::json::array to_array(const std::vector<SwitchTarget>& targets);
std::vector<SwitchTarget> targets_of(const boost::json::object& object, std::string_view key);

}  // namespace pointsman
