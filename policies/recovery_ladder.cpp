// The phases of a ladder: what is looked at, and when it goes on. What is written down and begun is
// in recovery_run.cpp.
#include "policies/recovery_ladder.hpp"

#include <algorithm>
#include <array>

#include "policies/explain.hpp"

namespace pointsman {
namespace {

/// Transitions in one evaluation: more would be a loop of ours.
constexpr int transitions_limit = 8;

}  // namespace

std::string_view to_text(LadderPhase phase) {
  static constexpr std::array<std::string_view, ladder_phase_count> words{
      "idle",    "triggered", "step",      "verifying", "retry_wait",
      "waiting", "approval",  "exhausted", "cooldown"};
  return words[static_cast<std::size_t>(phase)];
}

bool LadderKeeper::running() const {
  switch (phase_) {
    case LadderPhase::step:
    case LadderPhase::verifying:
    case LadderPhase::retry_wait:
    case LadderPhase::waiting:
    case LadderPhase::approval:
      return true;
    default:
      return false;
  }
}

bool LadderKeeper::holds(IncidentId incident) const {
  return incident != IncidentId{} && incident == incident_ &&
         (running() || clock_.sight() == Sight::failing);
}

void LadderKeeper::evaluate(const LadderContext& context, const LadderSubject& subject) {
  look(context, subject);
  settle_guards(context, subject);
  notice_trigger(context);
  keep_calling(context, subject);
  for (int i = 0; i < transitions_limit && advance(context, subject); ++i) {
    settle_guards(context, subject);
  }
  settle_wake(context.now);
}

void LadderKeeper::look(const LadderContext& context, const LadderSubject& subject) {
  clock_.take(context.now, judge_sight(policy_.when, subject.state, subject.trusted));
  const bool held_back = context.paused || context.maintenance;
  // The end of a pause triggers nothing by itself.
  if (held_back_ && !held_back) clock_.restart(context.now);
  held_back_ = held_back;
  if (clock_.sight() != Sight::well) return;
  fired_ = escalated_ = false;
  denied_.clear();
}

void LadderKeeper::settle_guards(const LadderContext& context, const LadderSubject& subject) {
  guards_ = evaluate_ladder_guards({.now = context.now,
                                    .mode = context.mode,
                                    .paused = context.paused,
                                    .maintenance = context.maintenance,
                                    .trusted = subject.trusted,
                                    .subject = subject.state,
                                    .switch_under_way = subject.switch_under_way,
                                    .other_ladder = subject.other_ladder,
                                    .cooldown_until = cooldown_until_,
                                    .runs = runs_,
                                    .max_per_hour = policy_.max_per_hour,
                                    .max_per_day = policy_.max_per_day,
                                    .running = running()});
}

void LadderKeeper::notice_trigger(const LadderContext& context) {
  if (fired_ || !clock_.has_held(context.now, policy_.when.hold)) return;
  fired_ = true;
  if (!running()) return;
  ++skipped_;
  note(context, "ladder " + policy_.name.text + ": triggered again during its run, skipped");
  record(context, "triggered again while a run is under way: skipped");
}

/// A route's incident closes when the route is well, whatever else of the subject still fails: who
/// waits for a human then says so in the incident that covers the subject now.
void LadderKeeper::keep_calling(const LadderContext& context, const LadderSubject& subject) {
  const bool waits = phase_ == LadderPhase::approval || phase_ == LadderPhase::exhausted;
  const bool over = !until_ || context.now >= *until_;
  if (!waits || over || clock_.sight() != Sight::failing) return;
  const auto called = context.incidents.find(incident_);
  if (called && called->state == IncidentState::open) return;
  follow_incident(context, subject);
  if (phase_ == LadderPhase::approval) {
    ask_approval(context);
  } else {
    note(context, "ladder " + policy_.name.text + " is exhausted", true);
    call_when_exhausted(context, "");
  }
  record(context, "a human is called in incident " +
                      std::to_string(static_cast<std::uint64_t>(incident_)) +
                      ": the one before is over, and the subject still fails");
}

/// One transition, where one is due. True: look again.
bool LadderKeeper::advance(const LadderContext& context, const LadderSubject& subject) {
  if (retired()) return false;
  const bool well = subject_well();
  const bool due = until_ && context.now >= *until_;
  if (running() && phase_ != LadderPhase::step) {
    if (well) {
      std::string how = "recovered on its own";
      if (phase_ == LadderPhase::verifying) {
        how = "recovered by " + last_words_;
      } else if (!last_words_.empty()) {
        how += " after " + last_words_;
      }
      end_run(context, how);
      return true;
    }
    if (context.mode == Mode::observe) {
      end_run(context, "stopped: the mode is observe");
      return true;
    }
  }
  switch (phase_) {
    case LadderPhase::idle:
      if (clock_.sight() != Sight::failing) return false;
      enter(context, LadderPhase::triggered, std::nullopt);
      return true;
    case LadderPhase::triggered:
      if (well) {
        enter(context, LadderPhase::idle, std::nullopt);
        return true;
      }
      return consider_starting(context, subject);
    case LadderPhase::step:
      if (!due) return false;
      late_ = action_;
      late_words_ = step_words();
      end_step(context, ActionOutcome::unknown,
               "no answer within " + print_duration(step().timeout + step_grace));
      return true;
    case LadderPhase::verifying:
      // While the subject is not known the verdict waits.
      if (!due || clock_.sight() != Sight::failing) return false;
      ++step_;
      attempt_ = 1;
      go_on(context, step_ == steps() ? Duration::zero() : policy_.retry_after,
            last_words_ + " did not help");
      return true;
    case LadderPhase::retry_wait:
      return due && consider_next_step(context, subject);
    case LadderPhase::waiting:
      if (!due) return false;
      ++step_;
      go_on(context, Duration::zero(), "the wait is over");
      return true;
    case LadderPhase::approval:
      if (!due) return false;
      write_attempt(context, ActionOutcome::failed, "nobody answered");
      exhaust(context, subject, "nobody answered \"" + step().name + "\" in time");
      return true;
    case LadderPhase::exhausted:
      if (well) {
        record(context, "well again after it was exhausted");
        enter(context, LadderPhase::cooldown, cooldown_until_);
        return true;
      }
      [[fallthrough]];
    case LadderPhase::cooldown:
      if (!due) {
        return phase_ == LadderPhase::cooldown && consider_starting(context, subject);
      }
      enter(context, LadderPhase::idle, std::nullopt);
      denied_.clear();
      return true;
  }
  return false;
}

bool LadderKeeper::consider_starting(const LadderContext& context, const LadderSubject& subject) {
  if (!clock_.has_held(context.now, policy_.when.hold)) return false;
  if (const Guard* guard = first_denied(guards_)) {
    deny(context, subject, *guard);
    return false;
  }
  start_run(context, subject);
  return true;
}

bool LadderKeeper::consider_next_step(const LadderContext& context, const LadderSubject& subject) {
  if (clock_.sight() != Sight::failing) return false;
  if (step_ == steps()) {
    exhaust(context, subject,
            steps() == 1 ? "its one step was tried"
                         : "all " + std::to_string(steps()) + " steps were tried");
    return true;
  }
  if (const Guard* guard = first_denied_step(guards_)) {
    deny(context, subject, *guard);
    return false;
  }
  if (!clock_.has_held(context.now, policy_.when.hold)) return false;
  begin_step(context, subject);
  return true;
}

/// Written down once for each gate, not at every look. Where nothing automatic will happen for long
/// a human hears of it.
void LadderKeeper::deny(const LadderContext& context, const LadderSubject& subject,
                        const Guard& guard) {
  if (denied_ == guard.name) return;
  denied_ = guard.name;
  Details details;
  for (const Guard& each : guards_) {
    details.emplace_back(std::string(each.name), (each.allow ? "allows: " : "denies: ") +
                                                     each.value + " (" + each.limit + ")");
  }
  if (guard.name == to_text(LadderGuard::mode)) {
    std::string would;
    for (const StepPolicy& step : policy_.steps) {
      would += (would.empty() ? "" : ", then ") + describe(step);
    }
    record(context,
           "would run " + (would.empty() ? "nothing, and call for a human" : would) +
               "; the mode is observe, so nothing is touched",
           std::move(details));
    return;
  }
  const std::string held = std::string(guard.name) + " holds it: " + guard.value;
  context.effects.push_back(
      Record{RecordKind::denied,
             policy_.name.text,
             (running() ? "the next step is due and " : "a run is due and ") + held,
             std::move(details),
             {}});
  const bool long_held =
      guard.name == to_text(LadderGuard::cooldown) || guard.name == to_text(LadderGuard::limits);
  if (!long_held || escalated_) return;
  follow_incident(context, subject);
  note(context, "ladder " + policy_.name.text + " may not run: " + held, true);
  call_for_human(context, to_text(policy_.when.subject) + " fails and ladder " + policy_.name.text +
                              " may not run again yet (" + held + "): put it right");
}

/// When it next wants to be looked at though nothing happened.
void LadderKeeper::settle_wake(MonoTime now) {
  wake_at_ = MonoTime::max();
  const auto consider = [&](const std::optional<MonoTime>& at) {
    if (at && *at > now) wake_at_ = std::min(wake_at_, *at);
  };
  consider(until_);
  if (!running() || phase_ == LadderPhase::retry_wait) {
    consider(clock_.holds_at(now, policy_.when.hold));
  }
  if (phase_ == LadderPhase::triggered) {
    for (const Guard& guard : guards_) consider(guard.until);
  }
}

LadderView LadderKeeper::view() const {
  LadderView view;
  view.phase = to_text(phase_);
  view.since = since_;
  view.triggered = clock_.sight() == Sight::failing;
  view.step = running() ? std::min(step_ + 1, steps()) : 0;
  view.steps = steps();
  view.attempt = running() ? attempt_ : 0;
  if (running() && step_ < steps()) view.step_text = describe(step());
  if (phase_ == LadderPhase::approval) view.approval = action_;
  view.incident = incident_;
  view.until = until_;
  view.guards = guards_;
  view.runs = runs_total_;
  view.skipped = skipped_;
  view.last_end = last_end_;
  return view;
}

}  // namespace pointsman
