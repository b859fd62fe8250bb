#include "policies/simulation/world.hpp"

#include <algorithm>

#include "policies/model/invariant.hpp"

namespace pointsman::sim {
namespace {

std::vector<const PolicySet*> policies_of(const Setup& setup) {
  std::vector<const PolicySet*> policies;
  for (const AgentSetup& agent : setup.agents) policies.push_back(agent.policy.get());
  return policies;
}

Setup alone(const PolicySet& policy, std::uint64_t seed) {
  Setup setup;
  setup.agents = {AgentSetup{"agent", std::make_shared<const PolicySet>(policy)}};
  setup.seed = seed;
  return setup;
}

}  // namespace

World::World(Setup setup) : scene_(policies_of(setup), setup.cluster, start, setup.seed) {
  for (AgentSetup& agent : setup.agents) {
    const std::string name = agent.name;
    const bool placed = agents_.try_emplace(name, scene_, watch, std::move(agent)).second;
    POINTSMAN_INVARIANT(placed, "two simulated agents have one name");
  }
}

World::World(const PolicySet& policy, std::uint64_t seed) : World(alone(policy, seed)) {}

void World::at(MonoTime when, Change change) {
  scene_.at(std::max(when, scene_.now), [this, change = std::move(change)] { apply(change); });
}

/// Whatever falls due, in order; of equal times what was planned comes before who wakes.
void World::run_until(MonoTime end) {
  if (!started_) {
    started_ = true;
    for (auto& [name, agent] : agents_) agent.start();
  }
  for (;;) {
    MonoTime next = scene_.queue.empty() ? MonoTime::max() : scene_.queue.begin()->first.first;
    Agent* sleeper = nullptr;
    for (auto& [name, agent] : agents_) {
      const MonoTime wakes = std::max(agent.wake_at(), scene_.now);
      if (wakes >= next) continue;
      next = wakes;
      sleeper = &agent;
    }
    if (next > end) break;
    scene_.now = next;
    scene_.servers.settle(next);
    if (sleeper) {
      sleeper->wake();
    } else {
      const auto what = std::move(scene_.queue.begin()->second);
      scene_.queue.erase(scene_.queue.begin());
      what();
    }
  }
  scene_.now = end;
  scene_.servers.settle(end);
}

void World::apply(const Change& change) {
  scene_.servers.settle(scene_.now);
  if (watch) watch(Entry{scene_.now, "", scene_.now, change});
  std::visit([this](const auto& one) { this->change(one); }, change);
}

void World::change(const TargetBecomes& change) {
  scene_.servers.become(change.target, change.state, change.finding);
  if (!scene_.servers.get(change.target).is_database()) return;
  std::optional<SessionEnd> end;
  if (change.state == Becomes::down) end = SessionEnd::lost;
  if (change.state == Becomes::starting) end = SessionEnd::crashed;
  if (change.state == Becomes::stopped) end = SessionEnd::administrator;
  if (!end) return;
  for (auto& [name, agent] : agents_) agent.session_ends(change.target, *end);
}

void World::change(const Cut& change) {
  scene_.servers.cut(change);
}

void World::change(const PoolerChanges& change) {
  for (auto& [name, agent] : agents_) {
    if (change.agent.empty() || change.agent == name) agent.change_pooler(change);
  }
}

void World::change(const ActsEnd& change) {
  scene_.acts_end[{change.kind, change.of}] = change;
}

void World::change(const AgentKilled& change) {
  if (Agent* agent = find(change.agent)) agent->kill_after(change);
}

void World::change(const AgentStarted& change) {
  Agent* agent = find(change.agent);
  if (agent) agent->start_if_dead();
}

void World::change(const ClockFails& change) {
  if (Agent* agent = find(change.agent)) agent->fail_clock(change);
}

void World::change(const Commanded& change) {
  if (Agent* agent = find(change.agent)) agent->command(change);
}

void World::change(const PolicyChanges& change) {
  if (Agent* agent = find(change.agent)) agent->reload(change.policy);
}

Agent* World::find(const std::string& agent) {
  const auto it = agents_.find(agent);
  return it == agents_.end() ? nullptr : &it->second;
}

std::vector<std::string> World::agents() const {
  std::vector<std::string> names;
  for (const auto& [name, agent] : agents_) names.push_back(name);
  return names;
}

std::shared_ptr<const Snapshot> World::snapshot(const std::string& agent) const {
  return agents_.at(agent).snapshot();
}

}  // namespace pointsman::sim
