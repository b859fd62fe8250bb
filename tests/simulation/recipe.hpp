// What a simulated configuration is made of, as a few numbers that one line holds. Random recipes
// give random policies; a line that is kept gives the same ones again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policies/simulation/random.hpp"
#include "policies/simulation/world.hpp"

namespace pointsman::sim {

/// Names and values in one fixed list (recipe.cpp), so that it can be printed and read.
struct Recipe {
  int redis = 0;     ///< 0: PostgreSQL
  int promotes = 0;  ///< the first agent promotes; else somebody else does
  int servers = 3;   ///< 2 to 4
  int agents = 1;    ///< 1 to 3
  int reads = 0;     ///< a balanced route for reads
  int interval = 2000, fast = 500, timeout = 1000;  ///< ms
  int fall = 3, rise = 2;
  int hold_down = 20;                            ///< s
  int failback = 0;                              ///< s, of the reads; 0: at once
  int fence = 0, after_promote = 1, demote = 0;  ///< hooks
  int when_frozen = 1;                           ///< primary_frozen is in promote.when
  int max_lag = 1'000'000;                       ///< bytes
  int promote_timeout = 10;                      ///< s
  int write_rate = 20'000;                       ///< bytes a second
  int receiver_timeout = 5;                      ///< s
  int monitor = 1;
  int ladder = 0;                   ///< on the service of the database: 0 none, 1 and 2 its kinds
  int app_ladder = 0;               ///< on a probe of the host
  int cooldown = 30, per_hour = 3;  ///< of ladders; s
  int retries = 0;
  int drift = 0;  ///< of the agents' clocks, ppm
};

Recipe random_recipe(Random& random);
std::string to_text(const Recipe& recipe);
/// Empty: `line` is none.
std::optional<Recipe> recipe_of(const std::string& line);

/// The policy of an agent; only the first one promotes.
std::shared_ptr<const PolicySet> policy_of(const Recipe& recipe, int agent, Mode mode = Mode::act);
Setup setup_of(const Recipe& recipe, std::uint64_t seed);
std::string agent_name(int agent);
std::vector<std::string> server_names(const Recipe& recipe);

}  // namespace pointsman::sim
