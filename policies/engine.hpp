// The engine: step() is the only way state changes. It decides when probes run, what their samples
// add up to, where each route should lead, and what the load balancer is told.
//
// Pure: no clock, no I/O, no thread, no exception for what happens outside. The shell
// (daemon/runtime) owns one, calls step() for every event on one thread, runs the effects, and
// calls again at wake_at.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policies/incident_causes.hpp"
#include "policies/incident_evidence.hpp"
#include "policies/incidents.hpp"
#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"
#include "policies/model/snapshot.hpp"
#include "policies/operations.hpp"
#include "policies/probe_entry.hpp"
#include "policies/recovery.hpp"
#include "policies/rollup.hpp"
#include "policies/route_keeper.hpp"

namespace pointsman {

/// Our own loop is distrusted when it was late, suspended or its clock jumped by more than this.
inline constexpr Duration distrust_limit = std::chrono::milliseconds{500};
/// Staleness, held flapping, hold-downs and routes are looked at no more seldom than this.
inline constexpr Duration housekeeping_interval = std::chrono::seconds{1};

class Engine {
 public:
  /// The first event must be PolicyLoaded.
  Decision step(MonoTime now, const Event& event);
  /// For a replay that leaves out a calm stretch: as if `times` more runs of a probe had found what
  /// its last one found, the last of them this one. The next step must be later than all of them.
  void repeat_sample(const Sample& last, std::uint64_t times);

  std::shared_ptr<const Snapshot> snapshot(MonoTime now) const;
  const Serving& serving() const { return serving_; }
  std::uint64_t generation() const { return generation_; }

 private:
  void on(const Wake& event);
  void on(const SampleTaken& event);
  void on(const SessionEnded& event);
  void on(const LoopDistrusted& event);
  void on(const RouteObserved& event);
  void on(const ActionFinished& event);
  void on(const StepFinished& event);
  void on(const SwitchRequested& event);
  void on(const SwitchCancelled& event);
  void on(const RequestNoted& event);
  void on(const AutomationSet& event);
  void on(const FlagSet& event);
  void on(const DrainSet& event);
  void on(const IncidentAcknowledged& event);
  void on(const StepApproved& event);
  void on(const PolicyLoaded& event);
  void on(const MemoryRestored& event);

  void load_probes();
  void load_routes();
  void load_services();
  RouteContext context_for(const RouteKeeper& keeper);
  void serve_wishes(RouteKeeper& keeper);
  void start_request(const SwitchRequested& asked);
  void end_request(RequestId id, bool ok, std::string line);
  void store_incidents();
  void keep_evidence(IncidentId id);
  LadderContext ladder_context();
  bool planned_maintenance() const;
  LadderSubject look_at(const LadderPolicy& ladder) const;
  bool switches_under(const Member& member) const;
  bool has_run_since_distrust(const Member& member) const;
  void count_step(const StepFinished& ended);
  void tell_of_open_incidents();
  void run_ladders();
  void take_ended_steps();
  std::optional<StepFinished> begin_step(const RunStep& step);
  std::optional<StepFinished> begin_switch_step(const RunStep& step);
  bool end_switch_step(RequestId id, bool ok, const std::string& line);
  void evaluate_all_routes();
  std::string machine_trouble() const;
  void evaluate_route(RouteKeeper& keeper);
  void evaluate_routes_of(const ProbeName& probe);
  void follow_trouble(const RouteKeeper& keeper);
  void run_due();
  void keep_house();
  void schedule(ProbeEntry& entry, MonoTime at);
  void schedule_after(ProbeEntry& entry, MonoTime start);
  void run_at_once(ProbeEntry& entry);
  void update_services();
  CauseView cause_view() const;
  Onset onset_of(const Member& member) const;
  void open_service_incidents();
  void close_service_incidents();
  void probe_changed(const ProbeEntry& entry, State before);
  void end_distrust_when_all_ran();
  std::string unhealthy_why(const ServiceName& name) const;
  State member_state(const Member& member) const;
  MonoTime next_wake() const;

  MonoTime now_{};
  std::vector<Effect> effects_;
  std::shared_ptr<const PolicySet> policy_;
  std::map<ProbeName, ProbeEntry> probes_;
  std::set<std::pair<MonoTime, ProbeName>> due_;
  std::map<ProbeName, std::vector<RouteName>> routes_of_;
  std::map<RouteName, RouteKeeper> routes_;
  IncidentBook incidents_;
  std::map<IncidentId, IncidentStage> evidenced_;  ///< of the open ones, as last kept
  Operations operations_;
  Recovery recovery_;
  std::map<RequestId, RunStep> switch_steps_;  ///< a ladder's switches that are under way
  std::vector<StepFinished> ended_steps_;
  std::map<ActionId, StepKind> step_kinds_;  ///< of those that were begun and have not ended
  std::map<std::pair<std::string, ActionOutcome>, std::uint64_t> actions_;
  std::map<RequestId, RequestView> requests_;
  std::set<RouteName> troubled_;  ///< routes whose candidates run fast
  std::map<ServiceName, State> services_;
  std::map<ServiceName, MonoTime> services_since_;
  std::vector<ServiceName> service_order_;  ///< members before those that name them
  std::map<ServiceName, NodeVerdict> verdicts_;
  State overall_ = State::unknown;
  MonoTime overall_since_{};
  Serving serving_{false, "starting"};
  std::optional<MonoTime> distrust_since_;
  MonoTime housekeeping_at_{};
  std::uint64_t generation_ = 0;
  std::uint64_t last_action_id_ = 0;
  bool services_dirty_ = true;
};

}  // namespace pointsman
