#include "tests/simulation/bounds.hpp"

#include "policies/bounds.hpp"

namespace pointsman::sim {
namespace {

using namespace std::chrono_literals;

/// The network and the poolers of the simulated world, over several samples and acts.
constexpr Duration on_top = 400ms;
/// The hook of the simulated world takes 200 ms.
constexpr Duration fence_timeout = 1s;

RouteTiming timing_of(const Recipe& recipe, int agent) {
  const RouteName writes("writes");
  const auto policy = policy_of(recipe, agent);
  BoundsInput input{*policy};
  for (const std::string& name : server_names(recipe)) {
    input.watched[ProbeName(name)] = Watched::yes;
  }
  if (recipe.fence != 0) input.fence_timeouts[writes] = fence_timeout;
  return route_timing(policy->routes.at(writes), input);
}

}  // namespace

Duration worst_time(const Case& one, int agent) {
  const RouteTiming own = timing_of(one.recipe, agent);
  const auto drive = timing_of(one.recipe, 0).drive;
  Duration promoted{};
  if (drive && one.last == Last::down) promoted = drive->dead.worst;
  if (drive && one.last == Last::frozen) promoted = drive->frozen.worst;
  if (drive && one.last == Last::gone) {
    // Redis does not tell its repl-timeout: its default is taken.
    const bool tuned = one.recipe.redis == 0 &&
                       std::chrono::seconds{one.recipe.receiver_timeout} == tuned_receiver_timeout;
    promoted = tuned ? drive->lost_tuned.worst : drive->lost.worst;
    // Without pg_monitor the receivers have to give up.
    if (one.recipe.monitor == 0) promoted += std::chrono::seconds{one.recipe.receiver_timeout} / 2;
  }
  if (agent == 0 && one.last != Last::follow) return promoted + on_top;
  // It has to see that the old one fails, and then the new one, whichever comes later.
  return promoted + own.target.silent_noticed.worst + own.followed.worst + on_top;
}

Duration time_to_heal(const Recipe& recipe) {
  // A retry waits 30 s at most, a promotion in doubt its timeout and 10 s; then the hold-down.
  const Duration waits = 30s + std::chrono::seconds{recipe.promote_timeout} + 10s;
  const Duration holds = std::chrono::seconds{std::max(recipe.hold_down, recipe.failback)};
  const Duration ladders = 90s + std::chrono::seconds{recipe.cooldown};
  return waits + holds + ladders + 20 * std::chrono::milliseconds{recipe.interval};
}

}  // namespace pointsman::sim
