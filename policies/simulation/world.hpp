// A virtual world around engines: PostgreSQL and Redis servers, poolers, a network, acts that take
// their measured time (FACTS) and can fail, and one or many agents. Virtual time, one seed: the
// same seed and changes give the same run, bit for bit.
//
// Pure, one thread. It judges nothing: that is checkers.hpp's. Everything that happens is handed to
// `watch`, in order.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "policies/simulation/agent.hpp"

namespace pointsman::sim {

struct Setup {
  std::vector<AgentSetup> agents;  ///< at least one; the servers are those of all their policies
  std::uint64_t seed = 1;
  ClusterSetup cluster{};
};

/// At the start all is well. Of the databases of a route that wants the writer (`writable`,
/// `master`) the first is the primary, on timeline 1, and the others stream from it. Poolers lead
/// to the first candidate that fits, balanced ones to all that do. Everything else passes. The
/// agents' daemons start at once.
class World {
 public:
  static constexpr MonoTime start{std::chrono::hours{1}};  ///< of virtual time

  explicit World(Setup setup);
  /// One agent, called "agent".
  World(const PolicySet& policy, std::uint64_t seed);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  using Entry = sim::Entry;
  /// Called for everything, before it takes effect. Set it before the first run_until.
  Watch watch;

  void apply(const Change& change);
  /// Later; of equal times in the order of the calls.
  void at(MonoTime when, Change change);
  void run_until(MonoTime end);

  MonoTime now() const { return scene_.now; }
  const Servers& servers() const { return scene_.servers; }
  std::vector<std::string> agents() const;
  bool alive(const std::string& agent) const { return agents_.at(agent).alive(); }
  const PolicySet& policy(const std::string& agent) const { return agents_.at(agent).policy(); }
  /// How far reboots have moved the agent's clock in all, for the same instant.
  Duration clock_shift(const std::string& agent) const { return agents_.at(agent).clock_shift(); }
  /// What the agent would show; null while it is dead.
  std::shared_ptr<const Snapshot> snapshot(const std::string& agent) const;
  /// The pooler of a route, as it is on an agent's host.
  const Pooler& pooler(const std::string& agent, const RouteName& route) const {
    return agents_.at(agent).poolers().at(route);
  }

 private:
  void change(const TargetBecomes& change);
  void change(const Cut& change);
  void change(const PoolerChanges& change);
  void change(const ActsEnd& change);
  void change(const AgentKilled& change);
  void change(const AgentStarted& change);
  void change(const ClockFails& change);
  void change(const Commanded& change);
  void change(const PolicyChanges& change);
  Agent* find(const std::string& agent);

  Scene scene_;
  std::map<std::string, Agent> agents_;
  bool started_ = false;
};

}  // namespace pointsman::sim
