// What an agent was told, as one who looks over its shoulder keeps it: for the checkers. Pure.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "policies/simulation/trace.hpp"

namespace pointsman::sim {

/// A rule that was broken.
struct Violation {
  MonoTime at{};  ///< world time
  std::string agent;
  std::string rule;  ///< a word of its own: "promoted_twice"
  std::string text;
  friend bool operator==(const Violation&, const Violation&) = default;
};

struct AgentView {
  std::string name;
  std::shared_ptr<const PolicySet> policy;
  MonoTime now{};  ///< on its own clock, as are all times here
  std::map<ProbeName, Sample> last, conclusive;
  std::optional<MonoTime> distrust_since;
  std::optional<AutomationSet> pause;
  std::optional<FlagSet> maintenance;  ///< set by a person

  void take(const Event& event);
  void take(const Effect& effect);

  bool is_paused() const { return holds(pause); }
  bool in_maintenance() const { return holds(maintenance); }
  bool observes() const { return policy->mode == Mode::observe; }
  bool has_run_since(const ProbeName& probe, MonoTime since) const;
  /// Why nothing automatic may happen now; empty: it may.
  std::string_view hands_off() const;

 private:
  template <class Set>
  bool holds(const std::optional<Set>& set) const {
    return set && (!set->until || now < *set->until);
  }
  bool all_ran_since(MonoTime since) const;
};

}  // namespace pointsman::sim
