// What a policy would have done in the past: the recorded samples are given to a fresh engine, in
// virtual time.
//
// Pure. A run that the engine asks for is answered by the recorded sample of that moment; where
// none was taken then, by what the last one found. An act that was ordered then too ends as it
// ended; any other is taken to succeed at once (from then on the pooler is a simulated one), but
// for a promotion: the record can not say what would have come of it. Stretches in which nothing
// changes and no timer of the policy runs are left out, which changes no decision (a test compares
// both ways).
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/policy.hpp"
#include "policies/simulation/history.hpp"

namespace pointsman {

enum class ReplayPace { whole, leave_out_calm };

struct ReplayedRecord {
  MonoTime at{};
  Record record;
};

struct Replayed {
  std::vector<ReplayedRecord> records;  ///< in order
  std::uint64_t samples = 0;            ///< that the policy was given, left out stretches included
  std::uint64_t steps = 0;              ///< of the engine
  std::set<ProbeName> not_recorded;     ///< probes of the policy that the record knows nothing of
};

Replayed replay(const std::shared_ptr<const PolicySet>& policy, const History& history,
                ReplayPace pace = ReplayPace::leave_out_calm);

}  // namespace pointsman
