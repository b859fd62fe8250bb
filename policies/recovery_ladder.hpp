// One ladder: waits until its trigger has held, then tries its steps in order, each verified before
// the next, and in the end asks for a human (SPEC section 7).
//
// Pure. Owned by Recovery (recovery.hpp). One run at a time and one step at a time. A step that
// ended unknown, or that was under way when the daemon died, may have happened: it is looked
// whether the subject is well, and it is never done again. Limits: every phase of a run has an end
// (`until_`, or the gates that hold it); a step that never answers is taken for unknown at its
// deadline.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policies/incidents.hpp"
#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"
#include "policies/model/policy.hpp"
#include "policies/model/snapshot.hpp"
#include "policies/recovery_guards.hpp"
#include "policies/recovery_trigger.hpp"

namespace pointsman {

/// How long after its own timeout a step's end is waited for: the shell keeps the timeout.
inline constexpr Duration step_grace = std::chrono::seconds{10};
/// How long an answer to `approve` is waited for where the step does not say.
inline constexpr Duration approval_expiry = std::chrono::hours{1};
/// A ladder without steps and without a cool-down would call for a human without end.
inline constexpr Duration shortest_cooldown = std::chrono::seconds{1};
/// Starts of runs that are remembered where no limit asks for more.
inline constexpr std::size_t runs_kept = 100;

enum class LadderPhase {
  idle,
  triggered,   ///< the trigger has not held long enough, or a gate holds the run
  step,        ///< a step is under way
  verifying,   ///< it ended; is the subject well again?
  retry_wait,  ///< before the next step, or the next try of one that failed
  waiting,     ///< a `wait` step
  approval,    ///< an `approve` step
  exhausted,   ///< a human is asked for; nothing until the cool-down ends or someone acknowledges
  cooldown,    ///< after a run
};
inline constexpr std::size_t ladder_phase_count = 9;
std::string_view to_text(LadderPhase phase);

/// "switch bud", "restart_unit app.service", "wait 30s".
std::string describe(const StepPolicy& step);

/// What a ladder is told of its subject at each look.
struct LadderSubject {
  State state = State::unknown;
  bool trusted = true;            ///< all that it rests on has run again since our loop was late
  bool switch_under_way = false;  ///< an automatic switch of a route under it
  IncidentId incident{};          ///< the open one that covers it; 0: none
  std::string why;                ///< one sentence: "service database is unhealthy: …"
  std::string other_ladder{};     ///< filled in by Recovery
  std::optional<MonoTime> last_good{}, first_failure{};  ///< T0 and T1, where they are known
};

/// What a ladder sees around it during one step of the engine, and where its effects go.
struct LadderContext {
  MonoTime now{};
  Mode mode = Mode::act;
  bool paused = false, maintenance = false;
  IncidentBook& incidents;
  std::vector<Effect>& effects;
  std::uint64_t& last_action_id;
};

class LadderKeeper {
 public:
  explicit LadderKeeper(LadderPolicy policy) : policy_(std::move(policy)) {}

  /// The same fingerprint: it goes on. Else a step under way is let end, then the new one begins.
  void reload(const LadderContext& context, LadderPolicy policy);
  /// It is no longer configured: a step under way is let end. True: it can go at once.
  bool retire(const LadderContext& context);
  bool retired() const { return retired_ && phase_ != LadderPhase::step; }
  void restore(const LadderContext& context, const LadderMemory& memory);

  /// Looks, decides, asks. Called when anything changed, at wake_at(), and after each take.
  void evaluate(const LadderContext& context, const LadderSubject& subject);
  void take(const LadderContext& context, const StepFinished& finished);
  /// False: nothing of this ladder waits for this answer.
  bool take(const LadderContext& context, const LadderSubject& subject, const StepApproved& answer);
  /// Ends the hold on the subject, when it is this incident's: the run's, or the one that covers
  /// the subject now.
  void acknowledge(const LadderContext& context, const LadderSubject& subject, IncidentId incident);

  const LadderPolicy& policy() const { return policy_; }
  LadderPhase phase() const { return phase_; }
  bool running() const;
  /// Its subject is known to be well: flags that it set `until: recovered` go.
  bool subject_well() const { return clock_.sight() == Sight::well; }
  /// No other ladder may act on the subject.
  bool has_subject() const { return running() || phase_ == LadderPhase::exhausted; }
  /// It still has business with this incident, though its subject is not unhealthy.
  bool holds(IncidentId incident) const;
  MonoTime wake_at() const { return wake_at_; }
  LadderView view() const;

 private:
  const StepPolicy& step() const { return policy_.steps[static_cast<std::size_t>(step_)]; }
  int steps() const { return static_cast<int>(policy_.steps.size()); }
  std::string step_words() const;

  void look(const LadderContext& context, const LadderSubject& subject);
  void settle_guards(const LadderContext& context, const LadderSubject& subject);
  void notice_trigger(const LadderContext& context);
  void keep_calling(const LadderContext& context, const LadderSubject& subject);
  bool advance(const LadderContext& context, const LadderSubject& subject);
  bool consider_starting(const LadderContext& context, const LadderSubject& subject);
  bool consider_next_step(const LadderContext& context, const LadderSubject& subject);
  void deny(const LadderContext& context, const LadderSubject& subject, const Guard& guard);

  void follow_incident(const LadderContext& context, const LadderSubject& subject);
  IncidentId open_incident(const LadderContext& context, const LadderSubject& subject) const;
  void start_run(const LadderContext& context, const LadderSubject& subject);
  void begin_step(const LadderContext& context, const LadderSubject& subject);
  void end_step(const LadderContext& context, ActionOutcome outcome, const std::string& message);
  void ask_approval(const LadderContext& context);
  bool is_asked(const LadderContext& context) const;
  void write_attempt(const LadderContext& context, ActionOutcome outcome,
                     const std::string& message);
  void begin_verifying(const LadderContext& context, const std::string& text);
  void go_on(const LadderContext& context, Duration wait, const std::string& text);
  void exhaust(const LadderContext& context, const LadderSubject& subject, const std::string& why);
  void end_run(const LadderContext& context, const std::string& how);
  void call_for_human(const LadderContext& context, const std::string& asked);
  void call_when_exhausted(const LadderContext& context, const std::string& why);
  void begin_policy(const LadderContext& context);
  void find_incident(const LadderContext& context);
  void resume(const LadderContext& context);
  void start_cooldown(MonoTime now);
  void forget_old_runs(MonoTime now);

  void enter(const LadderContext& context, LadderPhase phase, std::optional<MonoTime> until);
  void record(const LadderContext& context, std::string text, Details details = {});
  void note(const LadderContext& context, const std::string& text, bool with_guards = false);
  LadderMemory memory() const;
  void settle_wake(MonoTime now);

  LadderPolicy policy_;
  std::optional<LadderPolicy> next_policy_;  ///< came in while a step was under way
  bool retired_ = false;

  LadderPhase phase_ = LadderPhase::idle;
  MonoTime since_{};
  std::optional<MonoTime> until_;  ///< when the phase ends by itself
  int step_ = 0;                   ///< under way, or next; steps(): all were tried
  int attempt_ = 1;
  ActionId action_{};  ///< of the newest step; a number is never given again
  ActionId late_{};    ///< a step that was given up on: its end is still written down
  std::string late_words_;
  IncidentId incident_{};
  std::string last_words_;  ///< the last step that was tried, in words

  TriggerClock clock_;
  bool fired_ = false;      ///< the trigger has held, and its subject was not well since
  bool escalated_ = false;  ///< a human was called since the subject was last well
  bool held_back_ = false;  ///< paused, or planned work, at the last look
  std::string denied_;      ///< the gate whose denial was recorded last
  std::vector<Guard> guards_;
  std::optional<MonoTime> cooldown_until_;
  std::vector<MonoTime> runs_;
  std::uint64_t runs_total_ = 0, skipped_ = 0;
  std::string last_end_;
  MonoTime wake_at_ = MonoTime::max();
};

}  // namespace pointsman
