// A world whose route `bud` drives: it promotes by itself.
#pragma once

#include <algorithm>
#include <set>
#include <string>

#include "world.hpp"

namespace pointsman::testing {

struct Drive : World {
  explicit Drive(std::set<HookKind> with = {}, PromotePolicy promote = policy()) {
    set_up_bud();
    set_ = bud_policy();
    set_.routes[RouteName("bud")].promote = std::move(promote);
    set_.routes[RouteName("bud")].hooks = std::move(with);
    load(set_);
    pass_time(90s + 30ms);  // past any hold-down, and while no probe runs
    switches.clear();
    records.clear();
  }
  static PromotePolicy policy() {
    PromotePolicy promote;
    promote.when = {"primary_dead", "primary_frozen"};
    promote.max_lag = std::uint64_t{1} << 20;
    promote.sole_promoter = true;
    return promote;
  }
  std::string target() { return route("bud").targets.at(0).text; }
  std::string diagnosis() { return std::string(route("bud").diagnosis); }
  bool has_denied(const std::string& guard) {
    return std::any_of(records.begin(), records.end(), [&](const Record& r) {
      return r.kind == RecordKind::denied && r.text.find("guard " + guard) != std::string::npos;
    });
  }
  PolicySet set_;
};

}  // namespace pointsman::testing
