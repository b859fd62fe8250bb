// How long the routes of a recipe may take, by what `pointsman check` computes.
#pragma once

#include "tests/simulation/run.hpp"

namespace pointsman::sim {

/// From the last fault until the route for writes works again on this agent, at worst.
Duration worst_time(const Case& one, int agent);
/// From the end of all faults until everything works: what may still hold is over by then.
Duration time_to_heal(const Recipe& recipe);

}  // namespace pointsman::sim
