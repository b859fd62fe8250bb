// A run of a ladder: how it begins, what each step leaves behind, how it ends, what is written down
// of it. How it goes on after a reload or a restart is in recovery_restart.cpp.
#include <algorithm>

#include "policies/explain.hpp"
#include "policies/recovery_ladder.hpp"

namespace pointsman {
namespace {

/// What can not heal by itself is not verified, unless the step says so: a message, a pause and a
/// question.
bool is_verified(const StepPolicy& step) {
  return step.kind != StepKind::notify || step.verify_within.has_value();
}

std::string print_id(ActionId id) {
  return std::to_string(static_cast<std::uint64_t>(id));
}
std::string print_id(IncidentId id) {
  return std::to_string(static_cast<std::uint64_t>(id));
}

}  // namespace

std::string describe(const StepPolicy& step) {
  const std::string kind(to_text(step.kind));
  switch (step.kind) {
    case StepKind::reconnect:
    case StepKind::switch_route:
    case StepKind::promote:
      return kind + " " + step.route.text;
    case StepKind::wait:
      return kind + " " + print_duration(step.hold.value_or(Duration::zero()));
    case StepKind::approve:
      return kind + " \"" + step.name + "\"";
    default:
      return step.name.empty() ? kind : kind + " " + step.name;
  }
}

std::string LadderKeeper::step_words() const {
  return describe(step()) + (attempt_ > 1 ? " (try " + std::to_string(attempt_) + ")" : "");
}

/// The incident that covers the subject, opened where there is none. During a run it may be another
/// one than before: a route's closes when the route is well.
void LadderKeeper::follow_incident(const LadderContext& context, const LadderSubject& subject) {
  const IncidentId before = incident_;
  incident_ = subject.incident == IncidentId{} ? open_incident(context, subject) : subject.incident;
  if (!running() || incident_ == before || !context.incidents.find(before)) return;
  if (phase_ == LadderPhase::approval) context.incidents.ask_nothing(before);
  note(context, "ladder " + policy_.name.text +
                    " goes on in this incident; what it did before is in incident " +
                    print_id(before));
}

IncidentId LadderKeeper::open_incident(const LadderContext& context,
                                       const LadderSubject& subject) const {
  OpenIncident open;
  open.subject = to_text(policy_.when.subject);
  open.cause = std::string(to_text(subject.state));
  open.why = subject.why.empty() ? open.subject + " is " + open.cause : subject.why;
  open.severity = Severity::warning;
  open.last_good = subject.last_good;
  open.first_failure = subject.first_failure;
  return context.incidents.open(context.now, open);
}

void LadderKeeper::start_run(const LadderContext& context, const LadderSubject& subject) {
  follow_incident(context, subject);
  forget_old_runs(context.now);
  runs_.push_back(context.now);
  ++runs_total_;
  step_ = 0;
  attempt_ = 1;
  last_words_.clear();
  denied_.clear();
  context.incidents.mark(incident_, Mark::claimed, context.now);
  note(context, "ladder " + policy_.name.text + " begins: " + subject.why, true);
  if (policy_.steps.empty()) {
    exhaust(context, subject, "it has no step to try");
    return;
  }
  begin_step(context, subject);
}

void LadderKeeper::begin_step(const LadderContext& context, const LadderSubject& subject) {
  follow_incident(context, subject);
  denied_.clear();
  const std::string words =
      "step " + std::to_string(step_ + 1) + " of " + std::to_string(steps()) + ": " + step_words();
  if (step().kind == StepKind::wait) {
    enter(context, LadderPhase::waiting, context.now + step().hold.value_or(Duration::zero()));
    record(context, words);
    return;
  }
  action_ = ActionId{++context.last_action_id};
  if (step().kind == StepKind::approve) {
    enter(context, LadderPhase::approval, context.now + step().hold.value_or(approval_expiry));
    record(context, words);
    ask_approval(context);
    return;
  }
  // The record comes first: after a crash it is known that the step may have happened.
  enter(context, LadderPhase::step, context.now + step().timeout + step_grace);
  record(context, words);
  context.effects.push_back(RunStep{action_, policy_.name, step_, attempt_, step(), incident_,
                                    to_text(policy_.when.subject)});
}

void LadderKeeper::ask_approval(const LadderContext& context) {
  const std::string id = print_id(action_);
  const Duration left = std::max(*until_ - context.now, Duration::zero());
  note(context, "ladder " + policy_.name.text + " asks: " + step().name);
  context.incidents.ask(incident_, step().name + " (`pointsman approve " + id +
                                       "` or `pointsman refuse " + id + "` within " +
                                       print_duration(left) + ")");
}

/// Before a restart, and somebody may have it on a page.
bool LadderKeeper::is_asked(const LadderContext& context) const {
  const auto story = context.incidents.find(incident_);
  return story && story->state == IncidentState::open && story->needs_human &&
         story->asked.find("`pointsman approve " + print_id(action_) + "`") != std::string::npos;
}

void LadderKeeper::write_attempt(const LadderContext& context, ActionOutcome outcome,
                                 const std::string& message) {
  context.incidents.attempt(incident_,
                            Attempt{since_, step_words(), context.now - since_, outcome, message});
}

void LadderKeeper::take(const LadderContext& context, const StepFinished& finished) {
  if (phase_ == LadderPhase::step && finished.id == action_) {
    end_step(context, finished.outcome, finished.message);
  } else if (late_ != ActionId{} && finished.id == late_) {
    late_ = ActionId{};
    const std::string text = late_words_ +
                             " ended late: " + std::string(to_text(finished.outcome)) +
                             (finished.message.empty() ? "" : ", " + finished.message);
    note(context, text);
    record(context, text);
  }
}

bool LadderKeeper::take(const LadderContext& context, const LadderSubject& subject,
                        const StepApproved& answer) {
  if (phase_ != LadderPhase::approval || answer.id != action_) return false;
  const std::string by = answer.by.empty() ? "" : " by " + answer.by;
  write_attempt(context, answer.approved ? ActionOutcome::ok : ActionOutcome::failed,
                (answer.approved ? "approved" : "refused") + by);
  if (!answer.approved) {
    // What comes after a question is what was asked about: it is not done.
    exhaust(context, subject, "\"" + step().name + "\" was refused" + by);
    return true;
  }
  context.incidents.ask_nothing(incident_);
  ++step_;
  go_on(context, Duration::zero(), "approved" + by);
  return true;
}

void LadderKeeper::end_step(const LadderContext& context, ActionOutcome outcome,
                            const std::string& message) {
  write_attempt(context, outcome, message);
  last_words_ = describe(step());
  const std::string text =
      step_words() + ": " + std::string(to_text(outcome)) + (message.empty() ? "" : ", " + message);
  if (retired_ || next_policy_) {
    record(context, text);
    begin_policy(context);
  } else if (outcome == ActionOutcome::failed && attempt_ <= step().retries) {
    ++attempt_;
    go_on(context, Duration::zero(), text);
  } else if (outcome == ActionOutcome::failed || !is_verified(step())) {
    const bool failed = outcome == ActionOutcome::failed;
    ++step_;
    attempt_ = 1;
    go_on(context, failed && step_ < steps() ? policy_.retry_after : Duration::zero(), text);
  } else {
    begin_verifying(context, text);
  }
}

void LadderKeeper::begin_verifying(const LadderContext& context, const std::string& text) {
  enter(context, LadderPhase::verifying,
        context.now + step().verify_within.value_or(policy_.verify_within));
  record(context, text);
}

/// To what `step_` and `attempt_` name now, after `wait`.
void LadderKeeper::go_on(const LadderContext& context, Duration wait, const std::string& text) {
  enter(context, LadderPhase::retry_wait, context.now + wait);
  record(context, text);
}

void LadderKeeper::exhaust(const LadderContext& context, const LadderSubject& subject,
                           const std::string& why) {
  follow_incident(context, subject);
  start_cooldown(context.now);
  enter(context, LadderPhase::exhausted, cooldown_until_);
  last_end_ = "exhausted: " + why;
  note(context, "ladder " + policy_.name.text + " is exhausted: " + why, true);
  call_when_exhausted(context, " (" + why + ")");
  record(context, last_end_);
}

void LadderKeeper::call_when_exhausted(const LadderContext& context, const std::string& why) {
  const Duration left = until_.value_or(context.now) - context.now;
  call_for_human(
      context, to_text(policy_.when.subject) + " is not well and ladder " + policy_.name.text +
                   " is exhausted" + why + ": put it right. Nothing automatic happens to it for " +
                   print_duration(left) + ", or until `pointsman ack " + print_id(incident_) + "`");
}

void LadderKeeper::end_run(const LadderContext& context, const std::string& how) {
  if (phase_ == LadderPhase::approval) context.incidents.ask_nothing(incident_);
  start_cooldown(context.now);
  enter(context, LadderPhase::cooldown, cooldown_until_);
  last_end_ = how;
  note(context, "ladder " + policy_.name.text + ": " + how, true);
  record(context, how);
}

void LadderKeeper::call_for_human(const LadderContext& context, const std::string& asked) {
  escalated_ = true;
  context.incidents.call_human(incident_, asked);
  for (const NotifierName& notifier : policy_.escalate) {
    context.incidents.tell(incident_, notifier);
  }
}

void LadderKeeper::acknowledge(const LadderContext& context, const LadderSubject& subject,
                               IncidentId incident) {
  const bool held = phase_ == LadderPhase::exhausted || phase_ == LadderPhase::cooldown;
  const bool its_own = incident == incident_ || incident == subject.incident;
  if (incident == IncidentId{} || !its_own || !held) return;
  cooldown_until_.reset();
  clock_.restart(context.now);
  enter(context, LadderPhase::idle, std::nullopt);
  denied_.clear();
  record(context, "acknowledged: it may run again");
}

void LadderKeeper::start_cooldown(MonoTime now) {
  cooldown_until_ = now + std::max(policy_.cooldown, shortest_cooldown);
}

void LadderKeeper::forget_old_runs(MonoTime now) {
  const auto most = std::max<std::size_t>(
      {runs_kept, static_cast<std::size_t>(std::max(policy_.max_per_hour.value_or(0), 0)),
       static_cast<std::size_t>(std::max(policy_.max_per_day.value_or(0), 0))});
  std::erase_if(runs_, [&](MonoTime run) { return now - run >= one_day; });
  while (runs_.size() >= most) runs_.erase(runs_.begin());
}

// --- what is written down ----------------------------------------------------------------------

void LadderKeeper::enter(const LadderContext& context, LadderPhase phase,
                         std::optional<MonoTime> until) {
  phase_ = phase;
  since_ = context.now;
  until_ = until;
}

void LadderKeeper::record(const LadderContext& context, std::string text, Details details) {
  context.effects.push_back(
      Record{RecordKind::ladder, policy_.name.text, std::move(text), std::move(details), memory()});
}

void LadderKeeper::note(const LadderContext& context, const std::string& text, bool with_guards) {
  Details details;
  if (with_guards) {
    for (const Guard& guard : guards_) {
      details.emplace_back("guard " + std::string(guard.name),
                           (guard.allow ? "allows: " : "denies: ") + guard.value);
    }
  }
  context.incidents.note(incident_, context.now, text, std::move(details));
}

}  // namespace pointsman
