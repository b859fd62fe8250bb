// What `simulate` prints: text for people, JSON for programs. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "daemon/journal/journal.hpp"
#include "policies/simulation/replay.hpp"
#include "policies/simulation/scenario_run.hpp"

namespace pointsman {

/// The whole timeline, then what failed.
std::string scenario_text(const sim::Scenario& scenario, const sim::ScenarioResult& result);
/// One line, and what failed: where many are run.
std::string scenario_summary(const sim::Scenario& scenario, const sim::ScenarioResult& result);
boost::json::object scenario_json(const std::string& file, const sim::Scenario& scenario,
                                  const sim::ScenarioResult& result);

/// Who did it: the policy of then, the new one, or both (within `same_time` of each other).
enum class Whose { then, now, both };
struct ComparedLine {
  WallTime at{};
  Whose whose = Whose::both;
  std::string kind, subject, text;
};
inline constexpr Duration same_time = std::chrono::seconds{5};

/// Side by side, in the order of time. Left out: what is about one process (policies, the journal).
std::vector<ComparedLine> compare(const std::vector<StoredEvent>& then,
                                  const std::vector<ReplayedRecord>& now);
/// What is worth a line without being asked for: decisions and what they rest on.
bool is_decisive(const ComparedLine& line);

std::string history_text(const std::vector<ComparedLine>& lines);
boost::json::object history_json(const std::vector<ComparedLine>& lines);

}  // namespace pointsman
