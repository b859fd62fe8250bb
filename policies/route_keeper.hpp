// Keeps one route where it should lead: level-triggered, at every step it compares what is desired
// with what is in effect and asks for what is missing (SPEC section 6, the form that follows).
//
// Pure. Owned by the engine. It asks for one act at a time, and after an act it waits for a fresh
// look at the pooler before it asks for another. It never leads a route to nothing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "policies/candidate.hpp"
#include "policies/diagnose.hpp"
#include "policies/guards.hpp"
#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"
#include "policies/model/snapshot.hpp"
#include "policies/probe_entry.hpp"

namespace pointsman {

class RouteKeeper;

/// What a keeper sees around it during one step, and where its effects go.
struct RouteContext {
  MonoTime now{};
  Mode mode = Mode::act;
  const std::map<ProbeName, ProbeEntry>& probes;
  const RouteKeeper* fallback = nullptr;   ///< the keeper of RoutePolicy::fallback
  std::optional<MonoTime> distrust_since;  ///< samples started before do not count
  std::vector<Effect>& effects;
  std::uint64_t& last_action_id;
};

class RouteKeeper {
 public:
  explicit RouteKeeper(RoutePolicy policy);

  /// A reload changed the route: targets and memory stay, the proof does not.
  void reload(RoutePolicy policy);
  void restore(const RouteMemory& memory);

  void take_sample(const RouteContext& context, const ProbeName& probe);
  void take_session_end(const RouteContext& context, const ProbeName& probe, SessionEnd how);
  void take_observation(const RouteContext& context, const RouteObserved& observed);
  void take_outcome(const RouteContext& context, const ActionFinished& finished);
  /// Compares, decides, asks. Called after the takes, and at least once a second.
  void evaluate(const RouteContext& context);

  const RoutePolicy& policy() const { return policy_; }
  const std::vector<ProbeName>& targets() const { return targets_; }
  State state() const { return state_; }
  bool in_trouble() const { return trouble_since_.has_value(); }
  /// When it next wants to be evaluated though nothing happened.
  MonoTime wake_at() const { return wake_at_; }
  RouteView view(MonoTime now) const;

 private:
  struct Track {  ///< one candidate, as this route judges it
    int fit_streak = 0, unfit_streak = 0;
    std::optional<MonoTime> fit_since;
    std::optional<std::uint64_t> lsn_at_trouble;
  };
  struct Choice {  ///< what a step wants
    std::vector<ProbeName> targets;
    SwitchCause cause = SwitchCause::verify;
    OldTargets old_targets = OldTargets::alive;
  };

  bool managed() const;
  bool balanced() const { return policy_.balance != Balance::none; }
  const ProbeEntry* entry(const RouteContext& context, const ProbeName& name) const;
  const Sample* evidence(const RouteContext& context, const ProbeName& name) const;
  std::optional<Lag> max_lag(const ProbeEntry& entry) const;
  bool foreign(const Sample& sample) const;

  void begin_trouble(const RouteContext& context);
  void learn_from_target(const RouteContext& context);
  void adopt_observed_targets(const RouteContext& context);
  bool shows(const RouteContext& context, const std::vector<ProbeName>& targets) const;

  TrustFact trust_fact(const RouteContext& context) const;
  PoolerFact pooler_fact(const RouteContext& context) const;
  TargetFact target_fact(const RouteContext& context) const;
  SettledFact settled_fact(const RouteContext& context) const;
  RivalFact rival_fact(const RouteContext& context, std::vector<ProbeName>& rivals) const;
  StandbysFact standbys_fact(const RouteContext& context) const;
  ClusterFact cluster_fact(const RouteContext& context) const;

  std::optional<Choice> choose_single(const RouteContext& context);
  std::optional<Choice> choose_balanced(const RouteContext& context);
  std::optional<Choice> choose_failback(const RouteContext& context) const;
  std::vector<ProbeName> fitting_replicas(const RouteContext& context) const;
  bool in_effect(const RouteContext& context) const;
  SwitchCause repair_cause() const;
  void settle_guards(const RouteContext& context, const std::optional<Choice>& choice);
  void act(const RouteContext& context, const Choice& choice);
  void record_diagnosis(const RouteContext& context, const Diagnosis& diagnosis, std::string why);
  std::vector<std::pair<std::string, std::string>> evidence_details(
      const RouteContext& context) const;
  State judge_state(const RouteContext& context) const;
  void observe_when_due(const RouteContext& context);

  RoutePolicy policy_;
  std::vector<ProbeName> targets_;  ///< desired
  std::uint64_t epoch_ = 0;
  std::string system_id_;       ///< of the cluster that the route leads to
  std::uint32_t timeline_ = 0;  ///< the newest that it led to; 0: not known
  std::map<ProbeName, Track> tracks_;
  std::set<ProbeName> told_to_stop_;  ///< whose session was told that the server shuts down

  std::optional<MonoTime> trouble_since_;  ///< T1: only samples started since count
  MonoTime now_seen_{};

  std::vector<PoolerObservation> observation_;
  bool observing_ = false;
  bool look_first_ = false;  ///< an act ended: nothing more before a fresh look
  int observe_failures_ = 0;
  MonoTime observe_at_{};

  std::optional<SwitchRoute> acting_;
  MonoTime acting_since_{};
  std::optional<SwitchCause> pending_cause_;  ///< why what is desired is not yet in effect
  OldTargets pending_old_ = OldTargets::alive;
  Verified verified_ = Verified::no;
  int failures_ = 0;
  std::optional<MonoTime> retry_at_;
  std::optional<MonoTime> last_switch_at_;
  std::optional<SwitchView> last_switch_;

  const Diagnosis* diagnosis_ = nullptr;
  std::string why_;
  std::vector<Guard> guards_;
  std::string denied_;  ///< the denial that was recorded last
  State state_ = State::unknown;
  MonoTime since_{};
  bool effect_shown_ = false;  ///< what in_effect() was at the last step
  std::vector<ObservedTarget> observed_view_;
  MonoTime wake_at_{};
  RouteCounters counters_;
};

}  // namespace pointsman
