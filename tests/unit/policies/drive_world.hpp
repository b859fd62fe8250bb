// A world whose route `bud` drives: it promotes by itself.
#pragma once

#include <algorithm>
#include <set>
#include <string>

#include "world.hpp"

namespace pointsman::testing {

struct Drive : World {
  explicit Drive(std::set<HookKind> with = {}, PromotePolicy promote = policy()) {
    answers[ProbeName("primary")] = primary(1);
    answers[ProbeName("replica-1")] = standby();
    answers[ProbeName("replica-2")] = standby();
    lead("bud", 5001);
    lead("bud_ro", 5002);
    pooler[RouteName("bud_ro")].addresses.push_back({"127.0.0.1", 5003});
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
  void set(const char* probe, Finding finding) { answers[ProbeName(probe)] = std::move(finding); }
  /// Refused, and no standby receives from it.
  void kill_primary() {
    set("primary", fail(Reason::connect_refused));
    set("replica-1", standby(false));
    set("replica-2", standby(false));
    give(SessionEnded{ProbeName("primary"), SessionEnd::lost});
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
