// A virtual world around engines: PostgreSQL and Redis servers, poolers, a network, acts that take
// their measured time (FACTS) and can fail, and one or many agents. Virtual time, one seed: the
// same seed and changes give the same run, bit for bit.
//
// Pure, one thread. An agent is a real Engine; the world stands for its shell: it keeps what a
// journal would, kills and restarts it, and gives each effect its one event. It judges nothing:
// that is checkers.hpp's. Everything that happens is handed to `watch`, in order.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "policies/engine.hpp"
#include "policies/simulation/change.hpp"
#include "policies/simulation/server.hpp"

namespace pointsman::sim {

struct AgentSetup {
  std::string name = "agent";
  std::shared_ptr<const PolicySet> policy;
  double clock_rate = 1.0;  ///< how fast its monotonic clock runs
};

struct Setup {
  std::vector<AgentSetup> agents;  ///< at least one; the servers are those of all their policies
  std::uint64_t seed = 1;
  ClusterSetup cluster{};
};

/// A target, as it is; by default its host answers at once. Of the candidates of a route that wants
/// the writer (`writable`, `master`) the first is the primary, on timeline 1, and the others stream
/// from it. Poolers lead to the first candidate that fits. Everything else passes.
class World {
 public:
  static constexpr MonoTime start{std::chrono::hours{1}};  ///< of virtual time

  explicit World(Setup setup);
  /// One agent, called "agent".
  World(const PolicySet& policy, std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// What happened: when (world time), to whom (empty: to the world), and what.
  struct Entry {
    MonoTime at{};
    std::string agent;
    MonoTime local{};  ///< the agent's own clock
    std::variant<Change, Event, Effect> what;
  };
  /// Called for everything, before it takes effect.
  std::function<void(const Entry&)> watch;

  void apply(const Change& change);
  /// Later; of equal times in the order of the calls.
  void at(MonoTime when, Change change);
  void run_until(MonoTime end);

  MonoTime now() const { return now_; }
  const Servers& servers() const { return servers_; }
  std::vector<std::string> agents() const;
  bool alive(const std::string& agent) const;
  /// What the agent would show; null while it is dead.
  std::shared_ptr<const Snapshot> snapshot(const std::string& agent) const;
  /// Where the pooler of a route really leads, on an agent's host.
  std::vector<ProbeName> leads_to(const std::string& agent, const RouteName& route) const;

 private:
  class Agent;

  MonoTime now_ = start;
  Servers servers_;
  std::map<std::string, std::unique_ptr<Agent>> agents_;
};

}  // namespace pointsman::sim
