// How a ladder goes on after a reload and after a restart. A run by a policy that has changed
// stops; a step that was under way when the daemon died may have happened and is not done again.
#include <algorithm>

#include "policies/recovery_ladder.hpp"

namespace pointsman {
namespace {

std::optional<LadderPhase> phase_of(const std::string& word) {
  for (std::size_t i = 0; i < ladder_phase_count; ++i) {
    if (word == to_text(static_cast<LadderPhase>(i))) return static_cast<LadderPhase>(i);
  }
  return std::nullopt;
}

bool is_repeatable(StepKind kind) {
  return kind == StepKind::set_flag || kind == StepKind::clear_flag || kind == StepKind::drain;
}

}  // namespace

void LadderKeeper::reload(const LadderContext& context, LadderPolicy policy) {
  retired_ = false;
  if (policy.fingerprint == policy_.fingerprint) {
    next_policy_.reset();
    policy_ = std::move(policy);
    return;
  }
  next_policy_ = std::move(policy);
  if (phase_ != LadderPhase::step) begin_policy(context);
}

bool LadderKeeper::retire(const LadderContext& context) {
  retired_ = true;
  next_policy_.reset();
  if (phase_ == LadderPhase::step) return false;
  if (running()) begin_policy(context);
  return true;
}

/// A run by the old policy stops here; the hold after a run that has ended stays.
void LadderKeeper::begin_policy(const LadderContext& context) {
  const bool stopped = running();
  if (next_policy_) {
    const bool other_trigger = next_policy_->when != policy_.when;
    policy_ = std::move(*next_policy_);
    next_policy_.reset();
    if (other_trigger) clock_ = TriggerClock{};
  }
  if (!stopped) return;
  if (phase_ == LadderPhase::approval) context.incidents.ask_nothing(incident_);
  last_end_ = retired_ ? "stopped: it is no longer configured" : "stopped: its policy was changed";
  note(context, "ladder " + policy_.name.text + " " + last_end_);
  enter(context, LadderPhase::idle, std::nullopt);
  record(context, last_end_);
}

/// Clocks may have been set back meanwhile: nothing was done later than now, and no hold is longer
/// than it would be if it began now.
void LadderKeeper::restore(const LadderContext& context, const LadderMemory& memory) {
  const LadderPhase phase = phase_of(memory.phase).value_or(LadderPhase::idle);
  action_ = memory.action;
  runs_ = memory.runs;
  for (MonoTime& run : runs_) run = std::min(run, context.now);
  forget_old_runs(context.now);
  cooldown_until_ = memory.cooldown_until;
  if (cooldown_until_) {
    const Duration longest = std::max(policy_.cooldown, shortest_cooldown);
    cooldown_until_ = std::min(*cooldown_until_, context.now + longest);
  }
  incident_ = memory.incident;
  step_ = memory.step;
  attempt_ = memory.attempt;
  phase_ = phase;
  since_ = std::min(memory.phase_since, context.now);
  if (!running()) {
    const bool held = phase == LadderPhase::exhausted || phase == LadderPhase::cooldown;
    phase_ = held && cooldown_until_ ? phase : LadderPhase::idle;
    until_ = phase_ == LadderPhase::idle ? std::nullopt : cooldown_until_;
    escalated_ = phase_ == LadderPhase::exhausted;
    return;
  }
  find_incident(context);
  const bool same = memory.fingerprint.empty() || memory.fingerprint == policy_.fingerprint;
  const int last = phase == LadderPhase::retry_wait ? steps() : steps() - 1;
  if (!same || step_ < 0 || step_ > last) {
    last_end_ = "stopped: its policy was changed while the daemon was down";
    note(context, "ladder " + policy_.name.text + " " + last_end_);
    enter(context, LadderPhase::idle, std::nullopt);
    record(context, last_end_);
    return;
  }
  fired_ = true;
  resume(context);
}

/// A kill between the two, or a journal that was lost, leaves a run whose incident nobody knows: it
/// gets one, or no human would hear of its end.
void LadderKeeper::find_incident(const LadderContext& context) {
  if (context.incidents.find(incident_)) return;
  LadderSubject subject;
  subject.state = policy_.when.state;
  subject.why = "ladder " + policy_.name.text +
                " was under way when the daemon ended, and what it had noted is lost";
  if (const auto open = context.incidents.find_open(to_text(policy_.when.subject))) {
    subject.incident = open->id;
  }
  follow_incident(context, subject);
}

/// Goes on where the daemon left off. A step that was under way may have happened.
void LadderKeeper::resume(const LadderContext& context) {
  if (step_ < steps()) last_words_ = describe(step());
  switch (phase_) {
    case LadderPhase::step:
      // Whether the flag was set before the kill is not known; setting it twice is the same.
      if (is_repeatable(step().kind)) {
        go_on(context, Duration::zero(), "begun anew after a start: " + step_words());
        break;
      }
      write_attempt(context, ActionOutcome::unknown, "the daemon ended while it was under way");
      begin_verifying(context, step_words() +
                                   ": unknown, the daemon ended while it was under way; it is "
                                   "looked whether it helped");
      break;
    case LadderPhase::verifying:
      begin_verifying(context, "verifies anew after a start");
      break;
    case LadderPhase::waiting:
      until_ = since_ + step().hold.value_or(Duration::zero());
      break;
    case LadderPhase::approval:
      // The same question has the same number: a page that tells of it stays right.
      if (action_ == ActionId{}) action_ = ActionId{++context.last_action_id};
      until_ = since_ + step().hold.value_or(approval_expiry);
      if (!is_asked(context)) ask_approval(context);
      record(context, "still asks after a start: " + step_words());
      break;
    default:
      until_ = since_ + policy_.retry_after;
      if (step_ > 0) last_words_ = describe(policy_.steps[static_cast<std::size_t>(step_ - 1)]);
      break;
  }
  if (phase_ == LadderPhase::step || phase_ == LadderPhase::verifying) attempt_ = 1;
}

LadderMemory LadderKeeper::memory() const {
  return {policy_.name, std::string(to_text(phase_)),
          step_,        attempt_,
          incident_,    action_,
          since_,       cooldown_until_,
          runs_,        policy_.fingerprint};
}

}  // namespace pointsman
