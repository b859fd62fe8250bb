// What the journal keeps of a promotion under way: enough for a start to look whether it happened,
// and never to ask for it again blindly. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "policies/model/effect.hpp"

namespace pointsman {

struct PromoteSteps {
  std::string route, kind;  ///< kind: "postgres", "redis"
  std::string from, to;     ///< names of probes
  Endpoint to_address;
  std::vector<SwitchTarget> others;  ///< Redis: those that are to follow it
  std::string system_id;
  std::uint32_t timeline = 0;  ///< before it
  std::uint64_t incident = 0;
  friend bool operator==(const PromoteSteps&, const PromoteSteps&) = default;
};

PromoteSteps promote_steps_of(const PromoteServer& order);
/// A JSON object with "act": "promote".
std::string to_json(const PromoteSteps& steps);
/// Nothing where it is not one of ours.
std::optional<PromoteSteps> promote_steps_of_json(const std::string& text);

/// The same for a demotion ("act": "demote"); nothing has to be undone, so nothing is read back.
std::string demote_json(const DemoteServer& order);

}  // namespace pointsman
