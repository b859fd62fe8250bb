// The engine's side of recovery ladders: what a ladder sees of its subject, and the steps that the
// engine does itself (switches, flags, drain, alerts). All other steps are the shell's.
#include <algorithm>

#include "policies/engine.hpp"

namespace pointsman {
namespace {

/// Requests of ladders share the numbers with those of operators, which are counted from 1.
constexpr std::uint64_t ladder_request_bit = std::uint64_t{1} << 62;

bool is_engines(StepKind kind) {
  switch (kind) {
    case StepKind::switch_route:
    case StepKind::promote:
    case StepKind::set_flag:
    case StepKind::clear_flag:
    case StepKind::drain:
    case StepKind::notify:
    case StepKind::backup:
      return true;
    default:
      return false;
  }
}

StepFinished step_end(const RunStep& step, bool ok, std::string message) {
  return {step.id, step.ladder, ok ? ActionOutcome::ok : ActionOutcome::failed, std::move(message)};
}

}  // namespace

LadderContext Engine::ladder_context() {
  return LadderContext{.now = now_,
                       .mode = policy_->mode,
                       .paused = operations_.paused(),
                       .maintenance = planned_maintenance(),
                       .incidents = incidents_,
                       .effects = effects_,
                       .last_action_id = last_action_id_};
}

/// A person's flag holds what is automatic; one that a ladder set is part of what it does.
bool Engine::planned_maintenance() const {
  const auto flags = operations_.flags();
  const auto it = flags.find(maintenance_flag);
  return it != flags.end() && !is_set_by_ladder(it->second.by, it->second.until_recovered);
}

/// Is a route under this member (itself, or a member of the service) being switched?
bool Engine::switches_under(const Member& member) const {
  if (const auto* route = std::get_if<RouteName>(&member)) {
    const auto it = routes_.find(*route);
    return it != routes_.end() && it->second.is_switching();
  }
  const auto* service = std::get_if<ServiceName>(&member);
  const auto it = service ? policy_->services.find(*service) : policy_->services.end();
  if (it == policy_->services.end()) return false;  // the configuration has no cycles
  const auto& members = it->second.members;
  return std::any_of(members.begin(), members.end(),
                     [this](const Member& inner) { return switches_under(inner); });
}

/// All probes that this member rests on (SPEC section 4): those of a service, the candidates of a
/// route and of its fallback. The configuration has no cycles.
bool Engine::has_run_since_distrust(const Member& member) const {
  if (!distrust_since_) return true;
  const auto has_run = [this](const Member& inner) { return has_run_since_distrust(inner); };
  if (const auto* probe = std::get_if<ProbeName>(&member)) {
    const auto it = probes_.find(*probe);
    if (it == probes_.end() || !it->second.policy.enabled) return true;
    return it->second.ran_since && *it->second.ran_since >= *distrust_since_;
  }
  if (const auto* service = std::get_if<ServiceName>(&member)) {
    const auto it = policy_->services.find(*service);
    if (it == policy_->services.end()) return true;
    return std::all_of(it->second.members.begin(), it->second.members.end(), has_run);
  }
  const auto it = policy_->routes.find(std::get<RouteName>(member));
  if (it == policy_->routes.end()) return true;
  const RoutePolicy& route = it->second;
  return std::all_of(route.candidates.begin(), route.candidates.end(), has_run) &&
         (!route.fallback || has_run(*route.fallback));
}

LadderSubject Engine::look_at(const LadderPolicy& ladder) const {
  const Member& subject = ladder.when.subject;
  LadderSubject seen;
  seen.state = member_state(subject);
  // What a step is to switch counts too.
  seen.trusted = has_run_since_distrust(subject) &&
                 std::all_of(ladder.steps.begin(), ladder.steps.end(),
                             [&](const auto& step) { return has_run_since_distrust(step.route); });
  seen.switch_under_way = switches_under(subject);
  if (const auto incident = covering(incidents_, to_text(subject))) seen.incident = incident->id;
  const Onset onset = onset_of(subject);
  seen.last_good = onset.last_good;
  seen.first_failure = onset.first_failure;
  const auto* service = std::get_if<ServiceName>(&subject);
  seen.why = service ? unhealthy_why(*service)
                     : to_text(subject) + " is " + std::string(to_text(seen.state));
  return seen;
}

/// Level-triggered, at each step: a ladder may ask for a step that the engine ends at once, so this
/// goes on until nothing is asked for; each round ends a step, and a ladder has only so many.
void Engine::run_ladders() {
  constexpr int rounds_limit = 100;
  const auto look = [this](const LadderPolicy& ladder) { return look_at(ladder); };
  recovery_.evaluate(ladder_context(), look);
  for (int round = 0; round < rounds_limit; ++round) {
    const auto mine = std::find_if(effects_.begin(), effects_.end(), [](const Effect& effect) {
      const auto* step = std::get_if<RunStep>(&effect);
      return step && is_engines(step->policy.kind);
    });
    if (mine == effects_.end()) break;
    const RunStep step = std::get<RunStep>(*mine);
    effects_.erase(mine);
    step_kinds_[step.id] = step.policy.kind;
    if (const auto ended = begin_step(step)) {
      count_step(*ended);
      recovery_.take(ladder_context(), look, *ended);
    }
  }
  for (const Effect& effect : effects_) {
    if (const auto* step = std::get_if<RunStep>(&effect)) step_kinds_[step->id] = step->policy.kind;
  }
  for (const auto& [name, ladder] : policy_->recovery) {
    if (recovery_.is_well(name) && operations_.recovered(name, effects_)) services_dirty_ = true;
  }
}

/// Nothing: it ends later, when the route's request does.
std::optional<StepFinished> Engine::begin_step(const RunStep& step) {
  const std::string by = "ladder " + step.ladder.text;
  switch (step.policy.kind) {
    case StepKind::set_flag: {
      FlagMemory flag{FlagName(step.policy.name), now_, step.subject, by, std::nullopt, {}};
      if (step.policy.hold) flag.until = now_ + *step.policy.hold;
      if (step.policy.until_recovered) flag.until_recovered = {step.ladder};
      services_dirty_ = true;
      const bool set = operations_.set(now_, flag, effects_);
      return step_end(step, set, set ? "set" : "too many flags are set");
    }
    case StepKind::clear_flag:
      services_dirty_ = true;
      operations_.clear(FlagName(step.policy.name), {by, step.subject}, effects_);
      return step_end(step, true, "cleared");
    case StepKind::drain:
      services_dirty_ = true;
      operations_.set(now_, DrainSet{true, step.subject, by}, effects_);
      return step_end(step, true, "drained");
    case StepKind::notify:
      incidents_.call(step.incident, NotifierName(step.policy.name));
      return step_end(step, true, "told");
    case StepKind::backup:
      return step_end(step, false, "this version makes no backups yet");
    default:
      return begin_switch_step(step);
  }
}

std::optional<StepFinished> Engine::begin_switch_step(const RunStep& step) {
  const auto it = routes_.find(step.policy.route);
  if (it == routes_.end()) return step_end(step, false, "there is no such route");
  SwitchRequested asked;
  asked.request = RequestId{ladder_request_bit | static_cast<std::uint64_t>(step.id)};
  asked.route = step.policy.route;
  asked.by = step.policy.kind == StepKind::promote ? "promote" : "ladder " + step.ladder.text;
  const RequestAnswer answer =
      it->second.request(context_for(it->second), asked, SwitchCause::recovery);
  std::string text;
  for (const std::string& line : answer.lines) text += (text.empty() ? "" : "; ") + line;
  if (!answer.accepted || answer.done) return step_end(step, answer.accepted, text);
  switch_steps_[asked.request] = step;
  evaluate_route(it->second);
  return std::nullopt;
}

/// True when it was a ladder's.
bool Engine::end_switch_step(RequestId id, bool ok, const std::string& line) {
  const auto it = switch_steps_.find(id);
  if (it == switch_steps_.end()) return false;
  ended_steps_.push_back(step_end(it->second, ok, line));
  switch_steps_.erase(it);
  return true;
}

void Engine::on(const StepFinished& event) {
  ended_steps_.push_back(event);
}

void Engine::on(const StepApproved& event) {
  const auto look = [this](const LadderPolicy& ladder) { return look_at(ladder); };
  recovery_.take(ladder_context(), look, event);
}

/// Each of them once, by its kind. What nobody asked for is not counted.
void Engine::count_step(const StepFinished& ended) {
  const auto it = step_kinds_.find(ended.id);
  if (it == step_kinds_.end()) return;
  ++actions_[{std::string(to_text(it->second)), ended.outcome}];
  step_kinds_.erase(it);
}

/// Steps that have ended since the last look, in order.
void Engine::take_ended_steps() {
  const auto look = [this](const LadderPolicy& ladder) { return look_at(ladder); };
  const std::vector<StepFinished> ended = std::exchange(ended_steps_, {});
  for (const StepFinished& one : ended) {
    count_step(one);
    recovery_.take(ladder_context(), look, one);
  }
}

}  // namespace pointsman
