// Runs a scenario: the real engine in virtual time, what it did and why as a timeline, and which
// expectations failed. Pure; the same scenario and policy give the same result, bit for bit.
//
// States are looked at each `look_interval` of virtual time; what happens is seen as it happens.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policies/model/policy.hpp"
#include "policies/simulation/scenario.hpp"

namespace pointsman::sim {

inline constexpr Duration look_interval = std::chrono::milliseconds{50};

/// One line: when, who, what kind of thing about what, and the sentence.
struct TimelineLine {
  Duration at{};         ///< since the scenario's beginning
  std::string_view who;  ///< "world", "operator" or "pointsman"
  std::string kind;      ///< a RecordKind's word, "act", "alert"; empty of the world and people
  std::string subject;
  std::string text;
  std::vector<std::pair<std::string, std::string>> details{};  ///< its evidence
};

struct ScenarioFailure {
  std::string where;  ///< of the line in the file
  Duration at{};
  std::string text;  ///< what was wanted, and what was instead
};

struct ScenarioResult {
  std::vector<TimelineLine> timeline;
  std::vector<ScenarioFailure> failures;
  std::size_t checked = 0;  ///< expectations and prohibitions
};

ScenarioResult run_scenario(const Scenario& scenario,
                            const std::shared_ptr<const PolicySet>& policy);

}  // namespace pointsman::sim
