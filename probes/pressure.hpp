// Pressure stall information (PSI) against the limits of a memory or cpu probe. Pure.
#pragma once

#include <optional>

#include "policies/model/sample.hpp"

namespace pointsman {

/// Ratios 0..1 of `some avg10`.
struct PressureLimits {
  std::optional<double> warn, fail;
};

/// Adds what the pressure (per cent) says; a finding that is worse already stays. A limit that is
/// asked for where no pressure can be read makes a pass inconclusive: it is not left out silently.
Finding judge_pressure(Finding finding, std::optional<double> psi, const PressureLimits& limits);

}  // namespace pointsman
