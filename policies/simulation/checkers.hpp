// What must never happen, whatever fails: watched from outside of the engine.
//
// Give `see` every entry of a world's trace. Each rule is judged from what the agent was told (its
// samples, commands, answers) and from the truth of the servers, never from what the engine says of
// itself, but for two things: that it decided to promote, and what it wrote down of a ladder before
// it acted. The truth counts once the world has stood still for so long that everybody has seen it.
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policies/simulation/agent_view.hpp"
#include "policies/simulation/ladder_checks.hpp"
#include "policies/simulation/route_checks.hpp"
#include "policies/simulation/world.hpp"

namespace pointsman::sim {

class Checkers {
 public:
  explicit Checkers(const World& world) : world_(world) {}

  void see(const Entry& entry);
  /// In order; at most violations_limit of them.
  const std::vector<Violation>& violations() const { return violations_; }

  static constexpr std::size_t violations_limit = 20;

 private:
  struct Watched {
    AgentView view;
    Duration shift{};  ///< of its clock, by its reboots so far
    std::map<RouteName, RouteChecks> routes;
    std::map<LadderName, LadderChecks> ladders;
  };

  const World& world_;
  MonoTime changed_at_{};  ///< when the world was changed last
  std::map<std::string, Watched> agents_;
  std::vector<Violation> violations_;
};

/// What does not work though nothing fails: routes that lead to no working target, and ladders that
/// are still under way. To be asked once the time is over that `check` computes for it.
std::vector<Violation> find_unserved(const World& world);

}  // namespace pointsman::sim
