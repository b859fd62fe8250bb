// What must never be done by a ladder (checkers.hpp). One for each ladder of each agent; it
// outlives the agent's restarts. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policies/simulation/agent_view.hpp"

namespace pointsman::sim {

struct LadderSight {
  const AgentView& agent;
  const LadderPolicy& ladder;
  MonoTime at{};  ///< world time
  std::vector<Violation>& found;
};

class LadderChecks {
 public:
  void take(const LadderSight& sight, const Event& event);
  void take(const LadderSight& sight, const Effect& effect);
  /// The agent's clock began anew, and shows so much more.
  void shift(Duration by);

 private:
  struct Step {
    ActionId id{};
    int step = 0, attempt = 0;
    MonoTime began{};
    std::optional<ActionOutcome> outcome;  ///< absent: not known, or it died with the agent
  };

  void take_memory(const LadderSight& sight, const LadderMemory& memory);
  void check_run(const LadderSight& sight, MonoTime began);
  void check_step(const LadderSight& sight, const RunStep& step);
  void report(const LadderSight& sight, const char* rule, std::string text) const;

  std::vector<MonoTime> runs_;           ///< when each began
  std::optional<MonoTime> last_active_;  ///< of the last run, as long as it holds the next
  std::optional<Step> last_;             ///< of the run under way
  ActionId written_down_{};              ///< the step that a record told of before it began
};

}  // namespace pointsman::sim
