// What is done to a simulated world, and when: random, or read from the lines of a case.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policies/simulation/change.hpp"
#include "policies/simulation/random.hpp"
#include "tests/simulation/recipe.hpp"

namespace pointsman::sim {

struct Planned {
  Duration at{};  ///< since the start of the world
  Change change;
};
using Plan = std::vector<Planned>;  ///< in order of time

/// Faults of all kinds, most of which end by themselves.
Plan random_plan(const Recipe& recipe, Random& random);
/// One line each: "12500 becomes db-a down".
std::string to_line(const Planned& planned);
std::optional<Planned> planned_of(const std::string& line, const Recipe& recipe);

}  // namespace pointsman::sim
