// A scenario: what happens to a described world, and what must and must never come of it. Plain
// values; daemon/config reads them from YAML (etc/scenarios/README.md), scenario_run runs them.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/names.hpp"
#include "policies/model/policy.hpp"
#include "policies/model/time.hpp"
#include "policies/simulation/change.hpp"
#include "policies/simulation/server.hpp"

namespace pointsman::sim {

/// The name of the simulated daemon, in `cut` too.
inline constexpr const char* scenario_agent = "pointsman";

/// What can be asked of the daemon at a moment.
struct RouteLeads {
  RouteName route;
  std::vector<ProbeName> targets;  ///< in effect, in any order
};
struct RouteDiagnosed {
  RouteName route;
  std::string id;
};
struct StateIs {
  Member of;
  State state = State::healthy;
};
struct OverallIs {
  State state = State::healthy;
};
struct Serves {
  bool ok = true;  ///< the answer to the load balancer
};
struct FlagIs {
  FlagName flag;
  bool set = true;
};
struct LadderIs {
  LadderName ladder;
  std::string phase;
};
struct IncidentsOpen {
  int count = 0;
};
/// Something that was written down, told or ordered. All parts that are given must fit.
struct Happened {
  std::string kind;     ///< a RecordKind's word, "alert" or "act"; empty: any of them
  std::string subject;  ///< empty: whatever it is about
  std::string says;     ///< a part of the sentence
};
struct Condition {
  std::variant<RouteLeads, RouteDiagnosed, StateIs, OverallIs, Serves, FlagIs, LadderIs,
               IncidentsOpen, Happened>
      what;
  std::string where;  ///< FILE:LINE:COLUMN, for whoever reads that it failed
};
/// "route bud leads to replica-1".
std::string to_text(const Condition& condition);

/// Holds at some moment from `at` on, for no longer than `within`. What has happened counts from
/// the beginning of the scenario.
struct Expectation {
  Condition condition;
  MonoTime at{};
  Duration within{};
};
/// At no moment from `from` to `until`.
struct Prohibition {
  Condition condition;
  MonoTime from{};
  std::optional<MonoTime> until;
};

/// `approve` and `refuse`: whatever step waits for it at that moment.
struct AnswerApproval {
  bool approved = true;
};
struct PlannedChange {
  MonoTime at{};
  std::variant<Change, AnswerApproval> what;
};

/// Times are those of the world, which begins at World::start.
struct Scenario {
  std::string title, about;
  std::uint64_t seed = 1;
  ClusterSetup cluster{};
  std::vector<PlannedChange> changes;  ///< in the order of the file
  std::vector<Expectation> expectations;
  std::vector<Prohibition> prohibitions;
  MonoTime end{};
};

}  // namespace pointsman::sim
