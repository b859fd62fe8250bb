// What the journal keeps of an HAProxy switch under way. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/actions/haproxy_rows.hpp"

namespace pointsman {

struct HaproxySteps {
  std::string route, socket, backend;
  std::vector<HaproxySlot> previous, wanted;  ///< the same servers in the same order
  friend bool operator==(const HaproxySteps&, const HaproxySteps&) = default;
};

/// A JSON object.
std::string to_json(const HaproxySteps& steps);
/// Nothing where it is not one of ours.
std::optional<HaproxySteps> haproxy_steps_of_json(const std::string& text);

}  // namespace pointsman
