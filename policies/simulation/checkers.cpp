#include "policies/simulation/checkers.hpp"

#include <algorithm>
#include <utility>

#include "policies/candidate.hpp"
#include "policies/recovery_ladder.hpp"
#include "policies/route_words.hpp"

namespace pointsman::sim {
namespace {

bool is_for_reads(Require require) {
  return require == Require::standby || require == Require::replica;
}

/// Does a client of the pooler find there what the route is for?
bool works(const World& world, const std::string& agent, const RoutePolicy& route) {
  const Pooler& pooler = world.pooler(agent, route.name);
  if (!pooler.up || pooler.paused || pooler.disabled || pooler.leads.empty()) return false;
  const bool falls_back =
      std::none_of(pooler.leads.begin(), pooler.leads.end(), [&](const ProbeName& name) {
        return std::count(route.candidates.begin(), route.candidates.end(), name) > 0;
      });
  if (falls_back && !route.fallback) return false;
  return std::all_of(pooler.leads.begin(), pooler.leads.end(), [&](const ProbeName& name) {
    const Server& server = world.servers().get(name);
    if (!world.servers().connects(agent, name.text) || server.liveness != Liveness::up)
      return false;
    if (!server.is_database() || route.require == Require::any) return true;
    if (falls_back) return true;
    if (is_for_reads(route.require)) return server.role == Role::standby;
    return server.writable() && world.servers().newest_primary(name) == name;
  });
}

}  // namespace

void Checkers::see(const Entry& entry) {
  if (entry.agent.empty() || std::holds_alternative<Done>(entry.what)) {
    changed_at_ = entry.at;
    return;
  }
  Watched& watched = agents_[entry.agent];
  // All times that are kept are on the agent's clock, as it shows them now.
  if (const Duration shift = world_.clock_shift(entry.agent); shift != watched.shift) {
    const Duration by = shift - std::exchange(watched.shift, shift);
    for (auto& [name, route] : watched.routes) route.shift(by);
    for (auto& [name, ladder] : watched.ladders) ladder.shift(by);
  }
  watched.view.name = entry.agent;
  watched.view.now = entry.local;
  std::vector<Violation> found;
  const auto each = [&](const auto& what) {
    watched.view.take(what);
    if (!watched.view.policy) return;
    for (const auto& [name, route] : watched.view.policy->routes) {
      const RouteSight sight{.agent = watched.view,
                             .route = route,
                             .servers = world_.servers(),
                             .leads = world_.pooler(entry.agent, name).leads,
                             .at = entry.at,
                             .unchanged = entry.at - changed_at_,
                             .found = found};
      watched.routes[name].take(sight, what);
    }
    for (const auto& [name, ladder] : watched.view.policy->recovery) {
      const LadderSight sight{watched.view, ladder, entry.at, found};
      watched.ladders[name].take(sight, what);
    }
  };
  if (const auto* event = std::get_if<Event>(&entry.what)) each(*event);
  if (const auto* effect = std::get_if<Effect>(&entry.what)) each(*effect);
  for (Violation& one : found) {
    if (violations_.size() < violations_limit) violations_.push_back(std::move(one));
  }
}

std::vector<Violation> find_unserved(const World& world) {
  std::vector<Violation> found;
  for (const std::string& agent : world.agents()) {
    const auto snapshot = world.snapshot(agent);
    if (!snapshot) continue;
    for (const auto& [name, route] : world.policy(agent).routes) {
      const RouteView& view = snapshot->routes.at(name);
      if (works(world, agent, route) && view.in_effect) continue;
      found.push_back({world.now(), agent, "unserved",
                       "route " + name.text + " does not work: " + std::string(view.diagnosis) +
                           ", " + view.why + (view.in_effect ? "" : "; not in effect")});
    }
    for (const auto& [name, ladder] : snapshot->ladders) {
      if (ladder.phase == "idle" || ladder.phase == "triggered" || ladder.phase == "cooldown" ||
          ladder.phase == "exhausted") {
        continue;
      }
      found.push_back(
          {world.now(), agent, "ladder_goes_on",
           "ladder " + name.text + " is still under way: " + std::string(ladder.phase)});
    }
  }
  return found;
}

}  // namespace pointsman::sim
