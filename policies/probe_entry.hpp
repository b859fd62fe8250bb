// What the engine keeps of one probe: its policy, its state, its last samples and when it runs
// next. Plain; owned by the engine, read by the keepers of routes.
#pragma once

#include <cstdint>
#include <optional>

#include "policies/check_state.hpp"
#include "policies/model/policy.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/snapshot.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

struct ProbeEntry {
  ProbePolicy policy;
  CheckState check;
  std::optional<Sample> last;        ///< whatever its outcome
  std::optional<Sample> conclusive;  ///< the last that was pass, warn or fail
  MonoTime next_run{};
  MonoTime last_start{};
  std::uint64_t runs = 0;
  bool in_flight = false;
  bool run_again = false;             ///< wanted at once, while a run was in flight
  int troubled_routes = 0;            ///< routes in trouble that it is a candidate of: runs fast
  std::optional<MonoTime> ran_since;  ///< start of the last run that ended, reliable or not
  /// Starts of the last good sample and of the first bad one after it: T0 and T1 of an incident.
  std::optional<MonoTime> last_good, first_failure;
  ProbeCounters counters;
};

}  // namespace pointsman
