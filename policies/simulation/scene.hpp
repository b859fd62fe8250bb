// What the agents of a simulated world share: the time, what is still to happen, the servers,
// chance, and how acts end. Owned by World, which alone lets time pass.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "policies/simulation/change.hpp"
#include "policies/simulation/random.hpp"
#include "policies/simulation/server.hpp"

namespace pointsman::sim {

struct Scene {
  Scene(std::vector<const PolicySet*> policies, const ClusterSetup& cluster, MonoTime start,
        std::uint64_t seed)
      : now(start), servers(std::move(policies), cluster, start), random(seed) {}

  MonoTime now;
  Servers servers;
  Random random;
  std::map<std::pair<ActKind, std::string>, ActsEnd> acts_end;  ///< by kind and name; "": all

  /// Of equal times in the order of the calls.
  void at(MonoTime when, std::function<void()> what) {
    queue.emplace(std::pair{when, ++counted}, std::move(what));
  }
  void after(Duration delay, std::function<void()> what) { at(now + delay, std::move(what)); }
  ActsEnd how_ends(ActKind kind, const std::string& of) const {
    for (const std::string& name : {of, std::string()}) {
      const auto it = acts_end.find({kind, name});
      if (it != acts_end.end()) return it->second;
    }
    return ActsEnd{kind};
  }

  std::map<std::pair<MonoTime, std::uint64_t>, std::function<void()>> queue;
  std::uint64_t counted = 0;
};

}  // namespace pointsman::sim
