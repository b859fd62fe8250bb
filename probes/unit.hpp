// The unit probe's pure half: what systemd says of a unit, and what to make of it.
//
// The prober (make_unit_prober) asks the manager over the system bus: ListUnitsByNames, which loads
// a unit that nothing else refers to, and NRestarts of services. No bus, or no answer, is a failure
// of our surroundings and not of the unit: inconclusive.
#pragma once

#include <cstdint>
#include <string>

#include "policies/model/sample.hpp"
#include "probes/spec.hpp"

namespace pointsman {

struct UnitState {
  std::string load;    ///< LoadState: "loaded", "not-found", "masked", …
  std::string active;  ///< ActiveState
  std::string sub;     ///< SubState
  std::int64_t restarts = 0;
};

/// active passes, activating and reloading warn, anything else fails. A service that waits to be
/// restarted is `activating (auto-restart)` most of the time when it crashes in a loop: it fails.
Finding judge_unit(const UnitSpec& spec, const UnitState& state);

}  // namespace pointsman
