// `pointsman simulate`: the real engine in virtual time, against a described world or against what
// was recorded. Needs no daemon, touches nothing but the files that it reads.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pointsman {

enum class SimulateOutput { text, json };

/// Runs each scenario. 0 when all that they expect came true, 1 when something did not, 78 when a
/// file is wrong.
int simulate_scenarios(const std::vector<std::filesystem::path>& scenarios,
                       const std::optional<std::filesystem::path>& config, SimulateOutput output);

struct SimulateHistory {
  std::filesystem::path config, journal;
  std::string since;  ///< how far back: "30d"
  bool all = false;   ///< also what changes nothing by itself: states of probes and services
  SimulateOutput output = SimulateOutput::text;
};
/// Gives what was recorded to a configuration, and prints what it would have done beside what was
/// done. 0, whatever the difference; 1 when the journal can not be read, 2 when
/// `since` is no time, 78 when a file is wrong.
int simulate_history(const SimulateHistory& options);

}  // namespace pointsman
