// Keeps one route where it should lead: level-triggered, at every step it compares what is desired
// with what is in effect and asks for what is missing (SPEC section 6).
//
// Pure. Owned by the engine. It asks for one act at a time, and after an act it waits for a fresh
// look at the pooler before it asks for another. It never leads a route to nothing. Where the route
// drives it promotes (route_promotion.cpp): fence, a second look at every candidate, promotion; the
// promoted server is then followed as any other would be.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "policies/candidate.hpp"
#include "policies/diagnose.hpp"
#include "policies/guards.hpp"
#include "policies/incidents.hpp"
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
  const RouteKeeper* fallback = nullptr;     ///< the keeper of RoutePolicy::fallback
  bool awaited = false;                      ///< a route that its incident covers is led back yet
  std::optional<MonoTime> distrust_since;    ///< samples started before do not count
  bool paused = false, maintenance = false;  ///< by an operator
  std::string machine;                       ///< what is wrong with this host; empty: nothing
  std::vector<Effect>& effects;
  std::uint64_t& last_action_id;
  IncidentBook& incidents;
  std::map<std::pair<std::string, ActionOutcome>, std::uint64_t>& actions;  ///< counters
};

/// An answer to a request: whether it was taken, and the plan or why not, line by line.
struct RequestAnswer {
  bool accepted = false;
  bool done = false;  ///< nothing is left to do
  std::vector<std::string> lines;
};

class RouteKeeper {
 public:
  explicit RouteKeeper(RoutePolicy policy);

  /// A reload changed the route: targets and memory stay, the proof does not.
  void reload(RoutePolicy policy);
  void restore(const RouteMemory& memory, MonoTime now);
  /// A promotion that was under way when the daemon ended: unknown, so it is looked at.
  void restore(const PromotionMemory& memory, MonoTime now);

  /// After a restart: the incident of this route that was open, or whose old primary is awaited.
  void adopt_incident(const IncidentBook& incidents);
  /// After a restart: what the acts of this route's incidents still hold.
  void adopt_holds(IncidentBook& incidents, MonoTime now);

  void take_sample(const RouteContext& context, const ProbeName& probe);
  void take_session_end(const RouteContext& context, const ProbeName& probe, SessionEnd how);
  void take_observation(const RouteContext& context, const RouteObserved& observed);
  void take_outcome(const RouteContext& context, const ActionFinished& finished);
  /// A person or a ladder asks for a switch. A dry run only tells.
  RequestAnswer request(const RouteContext& context, const SwitchRequested& asked,
                        SwitchCause cause);
  /// Until the promotion of a planned switch.
  bool cancel(const RouteContext& context, RequestId request);
  /// Compares, decides, asks. Called after the takes, and at least once a second.
  void evaluate(const RouteContext& context);

  const RoutePolicy& policy() const { return policy_; }
  const std::vector<ProbeName>& targets() const { return targets_; }
  State state() const { return state_; }
  bool in_trouble() const { return trouble_since_.has_value(); }
  /// An act that changes where the route leads is under way. Repairs and proofs do not.
  bool is_switching() const;
  /// What the poolers had in effect at the last look, in the order of RoutePolicy::via.
  const std::vector<PoolerObservation>& observation() const { return observation_; }
  const std::vector<Guard>& guards() const { return guards_; }
  bool in_effect() const { return effect_shown_; }
  std::string_view diagnosis() const {
    return diagnosis_ ? diagnosis_->name(is_redis()) : "unknown";
  }
  IncidentId incident() const { return incident_; }
  /// It is down, and the incident of its fallback tells of it.
  bool is_covered() const { return covered_; }
  /// The candidates that are to run at once, since the keeper wants a second look. Cleared by it.
  bool take_look_wanted() { return std::exchange(look_wanted_, false); }
  /// A probe that is to run at once, since an act changed its server. Cleared by it.
  std::optional<ProbeName> take_run_wanted() { return std::exchange(run_wanted_, std::nullopt); }
  /// The request that ended since the last call, and how.
  struct Ended {
    RequestId request{};
    bool ok = false;
    std::string text;
  };
  std::optional<Ended> take_ended() { return std::exchange(ended_, std::nullopt); }
  /// When it next wants to be evaluated though nothing happened.
  MonoTime wake_at() const { return wake_at_; }
  RouteView view(MonoTime now) const;

 private:
  struct Track {  ///< one candidate, as this route judges it
    int fit_streak = 0, unfit_streak = 0;
    std::optional<MonoTime> fit_since;
    std::optional<std::uint64_t> position_at_trouble;
    std::optional<MonoTime> last_answer;  ///< start of the last run that its host answered at all
    std::uint32_t timeline = 0;  ///< last known; a standby without a receiver does not tell
    std::optional<MonoTime> promotion_failed_at;
  };
  struct Choice {  ///< what a step wants
    std::vector<ProbeName> targets;
    SwitchCause cause = SwitchCause::verify;
    OldTargets old_targets = OldTargets::alive;
  };
  struct Candidate {  ///< a standby that could be promoted
    ProbeName name;
    std::uint64_t position = 0;
    std::uint64_t missing = 0;  ///< bytes of what was last seen on the primary
  };
  /// A person's word stands in for the automatic guards; a ladder is automatic too.
  enum class AskedBy { nobody, person, ladder };
  struct Promotion {
    enum class Phase { fencing, looking, promoting };
    Phase phase = Phase::looking;
    ProbeName to;
    MonoTime since{};  ///< of the phase; a second look wants runs that began after it
    ActionId action{};
    bool fenced = false;
    AskedBy asked_by = AskedBy::nobody;
    bool allow_data_loss = false;  ///< the standby may lack more than `promote.max_lag`
  };
  struct Request {
    SwitchRequested asked;
    SwitchCause cause = SwitchCause::request;
    ProbeName to;
    ActionId action{};
  };
  struct RequestPlan {  ///< what would be done, and why it is refused all the same
    ProbeName to;
    std::vector<std::string> lines{};
    std::string refusal{};
    bool is_there = false;
    RequestPlan& refuse(std::string why) {
      refusal = std::move(why);
      return *this;
    }
  };
  struct Position {
    MonoTime started{};  ///< of the run that saw it
    std::uint64_t lsn = 0;
  };

  bool is_redis() const {
    return policy_.require == Require::master || policy_.require == Require::replica;
  }
  bool balanced() const { return policy_.balance != Balance::none; }
  bool is_candidate(const ProbeName& name) const;
  bool is_target(const ProbeName& name) const;
  const ProbeEntry* entry(const RouteContext& context, const ProbeName& name) const;
  const Sample* evidence(const RouteContext& context, const ProbeName& name) const;
  /// evidence that was taken since the trouble began
  const Sample* fresh_evidence(const RouteContext& context, const ProbeName& name) const;
  std::optional<Lag> max_lag(const ProbeEntry& entry) const;
  bool foreign(const Sample& sample) const;
  bool is_outdated(const Sample& sample) const;

  void begin_trouble(const RouteContext& context);
  void note_stopping(const RouteContext& context, const ProbeName& probe);
  void learn_history(const RouteContext& context, const Finding& finding);
  void learn_from_target(const RouteContext& context);
  void adopt_observed_targets(const RouteContext& context);
  void remember(const RouteContext& context);
  void remember_failing(const RouteContext& context);
  bool shows(const RouteContext& context, const std::vector<ProbeName>& targets) const;
  void take_switch_outcome(const RouteContext& context, const ActionFinished& finished);
  void count_switch(const SwitchRoute& order, const ActionFinished& finished, Duration took);

  // route_facts.cpp
  TargetFacts gather_facts(const RouteContext& context, std::vector<ProbeName>& rivals);
  TrustFact trust_fact(const RouteContext& context) const;
  PoolerFact pooler_fact(const RouteContext& context) const;
  TargetFact target_fact(const RouteContext& context) const;
  SettledFact settled_fact(const RouteContext& context) const;
  RivalFact rival_fact(const RouteContext& context, std::vector<ProbeName>& rivals) const;
  Duration unheard_for(const Sample& sample) const;
  void lead_to_promoted(const PromotionMemory& promotion, MonoTime now);
  StandbysFact standbys_fact(const RouteContext& context);
  ClusterFact cluster_fact(const RouteContext& context) const;
  CandidateFact candidate_fact(const RouteContext& context);
  bool exceeds_lag(std::uint64_t position, std::uint64_t missing) const;
  bool is_forked(const Sample& sample) const;
  bool is_cluster_known(const RouteContext& context) const;
  bool is_receiving(const Sample& sample, const ProbeName& name) const;

  // route_choice.cpp
  std::optional<Choice> choose_single(const RouteContext& context);
  std::optional<Choice> choose_balanced(const RouteContext& context);
  std::optional<Choice> choose_failback(const RouteContext& context) const;
  std::vector<ProbeName> fitting_replicas(const RouteContext& context) const;
  bool in_effect_now(const RouteContext& context) const;
  SwitchCause repair_cause() const;
  void record_diagnosis(const RouteContext& context, const Diagnosis& diagnosis, std::string why);
  std::vector<std::pair<std::string, std::string>> evidence_details(
      const RouteContext& context) const;
  State judge_state(const RouteContext& context) const;

  // route_promotion.cpp
  bool drives() const;
  std::optional<Candidate> best_candidate(const RouteContext& context) const;
  void settle_promoted(const RouteContext& context);
  void advance_promotion(const RouteContext& context, const TargetFacts& facts);
  bool still_promotable(const RouteContext& context, const TargetFacts& facts) const;
  bool looked_at_all(const RouteContext& context) const;
  bool looked_at(const RouteContext& context, const ProbeName& name) const;
  int rank_of(const RouteContext& context, const Sample& sample) const;
  void settle_doubt(const RouteContext& context);
  void look_again(const RouteContext& context, const TargetFacts& facts);
  void run_after_promote(const RouteContext& context, const ProbeName& old_one,
                         const ProbeName& to);
  void begin_promotion(const RouteContext& context, Promotion promotion);
  void ask_to_promote(const RouteContext& context);
  void give_up_promotion(const RouteContext& context, const std::string& why);
  void take_promotion_outcome(const RouteContext& context, const ActionFinished& finished);
  void take_hook_outcome(const RouteContext& context, const ActionFinished& finished);
  void note_replaced(const RouteContext& context, const ProbeName& old_one, const ProbeName& to);
  void demote_returned(const RouteContext& context, const ProbeName& server);
  SwitchTarget target_of(const RouteContext& context, const ProbeName& name) const;
  std::vector<SwitchTarget> others_of(const RouteContext& context, const ProbeName& name) const;
  std::uint64_t missing_of(const Sample& sample) const;

  // route_request.cpp
  RequestPlan plan_request(const RouteContext& context, const SwitchRequested& asked,
                           SwitchCause cause);
  const Guard* denied_to_ladder(const RouteContext& context);
  RequestPlan plan_switchover(const SwitchRequested& asked, RequestPlan plan) const;
  RequestPlan plan_failover(const SwitchRequested& asked, const TargetFacts& facts,
                            const Sample& sample, RequestPlan plan) const;
  bool may_live(const RouteContext& context, TargetFact target) const;
  std::optional<ProbeName> requested_target(const RouteContext& context,
                                            const SwitchRequested& asked) const;
  bool fits_now(const RouteContext& context, const ProbeName& name) const;
  bool start_request(const RouteContext& context);
  void take_switchover_outcome(const RouteContext& context, const ActionFinished& finished);
  void end_request(bool ok, std::string text);

  // route_incident.cpp
  void follow_incident(const RouteContext& context, const TargetFacts* facts);
  IncidentId ensure_incident(const RouteContext& context);
  bool covered_by_fallback(const RouteContext& context) const;
  void mark(const RouteContext& context, Mark mark, MonoTime at);
  void mark_arrival(const RouteContext& context, const ActionFinished& finished);
  void settle_rpo(const RouteContext& context, std::optional<std::uint64_t> promotion_lsn);
  std::optional<std::uint64_t> promotion_point(const RouteContext& context,
                                               const ProbeName& name) const;
  void extend_rpo(const RouteContext& context);
  void see_old_primary(const RouteContext& context);
  void list_what_to_rebuild(const RouteContext& context);

  void settle_guards(const RouteContext& context, const std::optional<Choice>& choice);
  void consider_acting(const RouteContext& context, const std::optional<Choice>& choice);
  void record_denial(const RouteContext& context, const Guard& denied, const std::string& act);
  void act(const RouteContext& context, const Choice& choice);
  void observe_when_due(const RouteContext& context);
  void show_observed(const RouteContext& context);

  RoutePolicy policy_;
  std::vector<ProbeName> targets_;  ///< desired
  std::uint64_t epoch_ = 0;
  std::string system_id_;       ///< of the cluster that the route leads to
  std::uint32_t timeline_ = 0;  ///< the newest that it led to; 0: not known
  /// Redis: the replication ids of the master that it leads to, when it was last seen serving.
  std::string replid_, replid2_;
  MonoTime replid_since_{};
  std::set<ProbeName> replaced_;  ///< Redis: masters that a promotion of ours has replaced
  std::map<ProbeName, Track> tracks_;
  std::map<ProbeName, MonoTime> told_to_stop_;  ///< whose session heard that the server shuts down
  std::deque<Position> positions_;  ///< of the target, the newest last; of before a restart too
  std::vector<ProbeName> remembered_targets_;  ///< those that the journal knows of
  std::optional<MonoTime> last_good_;          ///< of the target

  std::optional<MonoTime> trouble_since_;  ///< T1: only samples started since count
  std::optional<MonoTime> quiet_since_;    ///< since no standby is known to receive
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
  std::optional<MonoTime> switched_over_at_;  ///< what the target was before says nothing of it
  std::optional<SwitchView> last_switch_;

  std::optional<Promotion> promotion_;
  MonoTime promotion_since_{};
  std::optional<PromotionMemory> unsettled_;  ///< a promotion that may or may not have happened
  std::vector<MonoTime> promotions_;          ///< of the last hour
  std::optional<Candidate> candidate_;        ///< the best one at this step
  std::optional<ProbeName> promoted_;         ///< by us just now, and not yet in effect
  MonoTime promoted_at_{};
  std::string old_target_;  ///< of the failover that the incident is about
  std::optional<std::uint64_t> promotion_lsn_;
  std::optional<DemoteServer> demoting_;
  std::optional<MonoTime> demote_again_at_;
  std::optional<Request> request_;
  std::optional<SwitchOver> switchover_;
  std::optional<Ended> ended_;
  bool look_wanted_ = false;
  std::optional<ProbeName> run_wanted_;

  IncidentId incident_{};  ///< the open one; 0: none
  IncidentId watched_{};   ///< the last failover's, until the old primary has been seen again
  bool covered_ = false;

  const Diagnosis* diagnosis_ = nullptr;
  std::string why_;
  std::vector<Guard> guards_;
  std::string denied_;  ///< the denial that was recorded last
  State state_ = State::unknown;
  MonoTime since_{};
  bool effect_shown_ = false;  ///< what in_effect_now() was at the last step
  std::vector<ObservedTarget> observed_view_;
  MonoTime wake_at_{};
  RouteCounters counters_;
};

}  // namespace pointsman
