// Does a condition of a scenario hold? Pure; used by scenario_run alone.
#pragma once

#include <string>
#include <vector>

#include "policies/model/snapshot.hpp"
#include "policies/simulation/scenario.hpp"
#include "policies/simulation/scenario_run.hpp"

namespace pointsman::sim {

/// What can be looked at. `seen` is null while the daemon is dead: then no state holds.
struct ScenarioView {
  const Snapshot* seen = nullptr;
  const std::vector<TimelineLine>& timeline;
  std::size_t first = 0;  ///< of the timeline: what happened before does not count
};

bool holds(const Condition& condition, const ScenarioView& view);
/// What is instead: "it leads to primary; diagnosis primary_dead: …".
std::string instead(const Condition& condition, const ScenarioView& view);

}  // namespace pointsman::sim
