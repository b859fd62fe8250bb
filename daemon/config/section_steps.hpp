// The steps of a ladder: each is a map with one key that says what is done, and beside it how long,
// how often, and how long its proof is waited for.
#pragma once

#include "daemon/config/draft.hpp"

namespace pointsman {

/// `steps:` of a ladder, all of them, in order: a step with an error stays in its place.
std::vector<StepDraft> read_steps(MapReader& ladder);

}  // namespace pointsman
