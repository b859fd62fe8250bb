// One case from beginning to end: faults, then none, then one more; watched by the checkers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policies/simulation/checkers.hpp"
#include "tests/simulation/plan.hpp"

namespace pointsman::sim {

/// What happens once all is well again: the liveness bounds are measured on it.
enum class Last { nothing, down, gone, frozen, follow };

struct Case {
  Recipe recipe;
  std::uint64_t seed = 1;
  Plan plan;
  Last last = Last::nothing;
};

/// What a run has met with, so that a search that searches nothing is noticed.
struct Tally {
  int promotions = 0, switches = 0, steps = 0, kills = 0, requests = 0, last_faults = 0;
  Tally& operator+=(const Tally& other);
};

struct Result {
  std::optional<Violation> violation;
  Tally tally;
};

/// A last fault that a policy of this recipe heals from: only who promotes can lose the primary
/// with nobody else there to promote.
Last random_last(const Recipe& recipe, Random& random);
Case random_case(std::uint64_t seed);
Result run_case(const Case& one, const Watch& also = nullptr);
/// The shortest beginning of its plan that still breaks the same rule, then without what it does
/// not need.
Case shrink(Case one, const std::string& rule);

/// A case as a file, and back; empty where the text is none.
std::string to_text(const Case& one, const std::string& why);
std::optional<Case> case_of(const std::string& text);

}  // namespace pointsman::sim
