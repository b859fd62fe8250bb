// Events other than samples as JSON, and back: what history_json needs. Pure.
//
// The reading side throws what Boost.JSON throws where a member is missing or of another type.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "policies/model/event.hpp"

namespace pointsman {

/// The value that this word stands for; the first one where none does.
template <class Enum>
Enum word_of(const boost::json::value& value, std::initializer_list<Enum> all) {
  for (const Enum one : all) {
    if (to_text(one) == std::string_view(value.as_string())) return one;
  }
  return *all.begin();
}

boost::json::array poolers_json(const std::vector<PoolerObservation>& poolers);
std::vector<PoolerObservation> poolers_of(const boost::json::value& value);

/// Samples, observations, and what concerns one process alone (Wake, PolicyLoaded, …) give an
/// object that event_of_json does not read.
boost::json::object event_json(const Event& event);
std::optional<Event> event_of_json(const boost::json::object& object);

}  // namespace pointsman
