#include "policies/simulation/ladder_checks.hpp"

#include <algorithm>

#include "policies/explain.hpp"
#include "policies/recovery_ladder.hpp"

namespace pointsman::sim {

namespace {

/// All that a member rests on has run since; the configuration has no cycles.
bool has_run_since(const AgentView& agent, const Member& member, MonoTime since) {
  const auto has_run = [&](const Member& inner) { return has_run_since(agent, inner, since); };
  if (const auto* probe = std::get_if<ProbeName>(&member)) {
    return agent.has_run_since(*probe, since);
  }
  if (const auto* service = std::get_if<ServiceName>(&member)) {
    const auto it = agent.policy->services.find(*service);
    if (it == agent.policy->services.end()) return true;
    return std::all_of(it->second.members.begin(), it->second.members.end(), has_run);
  }
  const auto it = agent.policy->routes.find(std::get<RouteName>(member));
  if (it == agent.policy->routes.end()) return true;
  const auto& candidates = it->second.candidates;
  return std::all_of(candidates.begin(), candidates.end(), has_run);
}

}  // namespace

void LadderChecks::report(const LadderSight& sight, const char* rule, std::string text) const {
  sight.found.push_back({sight.at, sight.agent.name, rule,
                         "ladder " + sight.ladder.name.text + ": " + std::move(text)});
}

void LadderChecks::shift(Duration by) {
  for (MonoTime& run : runs_) run += by;
  if (last_active_) *last_active_ += by;
  if (last_) last_->began += by;
}

void LadderChecks::take(const LadderSight& sight, const Event& event) {
  const auto* finished = std::get_if<StepFinished>(&event);
  if (finished && last_ && finished->id == last_->id && !last_->outcome) {
    last_->outcome = finished->outcome;
  }
  if (std::holds_alternative<IncidentAcknowledged>(event)) last_active_.reset();
  if (std::holds_alternative<MemoryRestored>(event)) {
    written_down_ = ActionId{};
    if (last_) last_->id = ActionId{};  // whatever it answers, nobody hears it
  }
  (void)sight;
}

void LadderChecks::take(const LadderSight& sight, const Effect& effect) {
  if (const auto* record = std::get_if<Record>(&effect)) {
    const auto* memory = std::get_if<LadderMemory>(&record->memory);
    if (memory && memory->ladder == sight.ladder.name) take_memory(sight, *memory);
  }
  const auto* step = std::get_if<RunStep>(&effect);
  if (step && step->ladder == sight.ladder.name) check_step(sight, *step);
}

void LadderChecks::take_memory(const LadderSight& sight, const LadderMemory& memory) {
  const bool begins =
      memory.phase == "step" || memory.phase == "waiting" || memory.phase == "approval";
  if (!memory.runs.empty() && (runs_.empty() || runs_.back() < memory.runs.back())) {
    check_run(sight, memory.runs.back());
  }
  if (begins || memory.phase == "verifying" || memory.phase == "retry_wait") {
    last_active_ = sight.agent.now;
  }
  if (memory.phase == "step") written_down_ = memory.action;
  if (!begins) return;
  if (const std::string_view why = sight.agent.hands_off(); !why.empty()) {
    // What a start resumes was begun before.
    if (memory.phase != "approval")
      report(sight, "hands_off", "a step begins though " + std::string(why));
  }
}

void LadderChecks::check_run(const LadderSight& sight, MonoTime began) {
  const auto within = [&](Duration window) {
    return std::count_if(runs_.begin(), runs_.end(),
                         [&](MonoTime run) { return began - run < window; });
  };
  if (last_active_ && began - *last_active_ < sight.ladder.cooldown) {
    report(sight, "cooldown",
           "a run begins " + print_duration(began - *last_active_) +
               " after the one before, of which it has to wait " +
               print_duration(sight.ladder.cooldown));
  }
  if (sight.ladder.max_per_hour && within(one_hour) >= *sight.ladder.max_per_hour) {
    report(sight, "ladder_limit", "more runs within an hour than max_per_hour allows");
  }
  if (sight.ladder.max_per_day && within(one_day) >= *sight.ladder.max_per_day) {
    report(sight, "ladder_limit", "more runs within a day than max_per_day allows");
  }
  runs_.push_back(began);
  last_.reset();
}

void LadderChecks::check_step(const LadderSight& sight, const RunStep& step) {
  const std::string what = "step " + std::to_string(step.step + 1);
  if (written_down_ != step.id) {
    report(sight, "intent_first", what + " begins, and no record told of it before");
  }
  const auto& distrusted = sight.agent.distrust_since;
  if (distrusted && !has_run_since(sight.agent, sight.ladder.when.subject, *distrusted)) {
    report(sight, "distrust",
           what + " begins though not every probe of its subject has run since the distrust");
  }
  if (step.attempt > step.policy.retries + 1) {
    report(sight, "retries", what + " is tried more often than its retries allow");
  }
  if (last_) {
    const bool again = step.step == last_->step;
    const bool may_again =
        last_->outcome == ActionOutcome::failed && step.attempt == last_->attempt + 1;
    if (again && !may_again) {
      report(sight, "step_twice",
             what + " is done again in one run, though it did not end as failed");
    }
    if (step.step < last_->step) report(sight, "step_order", what + " comes after a later one");
    const bool silent = !last_->outcome && last_->id != ActionId{};
    const Duration limit = sight.ladder.steps[static_cast<std::size_t>(last_->step)].timeout;
    if (silent && sight.agent.now - last_->began < limit) {
      report(sight, "one_step", what + " begins while another is under way");
    }
  }
  last_ = Step{step.id, step.step, step.attempt, sight.agent.now, std::nullopt};
}

}  // namespace pointsman::sim
