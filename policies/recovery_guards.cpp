#include "policies/recovery_guards.hpp"

#include <algorithm>

#include "policies/explain.hpp"

namespace pointsman {
namespace {

Guard gate(LadderGuard name, bool allow, std::string value, std::string limit) {
  return {to_text(name), allow, std::move(value), std::move(limit), {}};
}

Guard cooldown_gate(const LadderGuardInputs& in) {
  Guard guard = gate(LadderGuard::cooldown, true, "over", "after each run");
  if (in.cooldown_until && in.now < *in.cooldown_until) {
    guard.allow = false;
    guard.value = print_duration(*in.cooldown_until - in.now) + " left";
    guard.until = in.cooldown_until;
  }
  return guard;
}

/// When so few of the runs are younger than `window` that one more is allowed; absent: it is now.
std::optional<MonoTime> allowed_again(const LadderGuardInputs& in, int most, Duration window) {
  const auto young = std::count_if(in.runs.begin(), in.runs.end(),
                                   [&](MonoTime run) { return in.now - run < window; });
  if (young < most) return std::nullopt;
  if (most <= 0) return in.now + window;
  return in.runs[in.runs.size() - static_cast<std::size_t>(most)] + window;
}

Guard limits_gate(const LadderGuardInputs& in) {
  const auto within = [&](Duration window) {
    return std::to_string(std::count_if(in.runs.begin(), in.runs.end(),
                                        [&](MonoTime run) { return in.now - run < window; }));
  };
  Guard guard = gate(LadderGuard::limits, true, "", "");
  const auto consider = [&](const std::optional<int>& most, Duration window, const char* unit) {
    if (!most) return;
    guard.value += (guard.value.empty() ? "" : ", ") + within(window) + " in the last " + unit;
    guard.limit += (guard.limit.empty() ? "" : ", ") + std::to_string(*most) + " each " + unit;
    if (const auto at = allowed_again(in, *most, window)) {
      guard.allow = false;
      guard.until = guard.until ? std::max(*guard.until, *at) : *at;
    }
  };
  consider(in.max_per_hour, one_hour, "hour");
  consider(in.max_per_day, one_day, "day");
  if (guard.value.empty()) {
    guard.value = within(one_day) + " in the last day";
    guard.limit = "none";
  }
  return guard;
}

}  // namespace

std::string_view to_text(LadderGuard name) {
  static constexpr std::array<std::string_view, ladder_guard_count> words{
      "mode",         "paused",       "maintenance", "self_distrust", "subject_known",
      "route_switch", "subject_free", "cooldown",    "limits",        "one_run"};
  return words[static_cast<std::size_t>(name)];
}

std::vector<Guard> evaluate_ladder_guards(const LadderGuardInputs& in) {
  using enum LadderGuard;
  std::vector<Guard> guards;
  guards.reserve(ladder_guard_count);
  guards.push_back(gate(mode, in.mode == Mode::act, std::string(to_text(in.mode)), "act"));
  guards.push_back(gate(paused, !in.paused, in.paused ? "automation is paused" : "no", "no"));
  guards.push_back(gate(maintenance, !in.maintenance,
                        in.maintenance ? "planned work is under way" : "no", "no"));
  guards.push_back(gate(self_distrust, in.trusted,
                        in.trusted ? "trusted" : "not all has run again since our loop was late",
                        "trusted"));
  guards.push_back(
      gate(subject_known, in.subject != State::unknown, std::string(to_text(in.subject)), "known"));
  guards.push_back(gate(route_switch, !in.switch_under_way,
                        in.switch_under_way ? "a route is being switched" : "none", "none"));
  guards.push_back(gate(subject_free, in.other_ladder.empty(),
                        in.other_ladder.empty() ? "free" : "ladder " + in.other_ladder + " has it",
                        "one ladder at a time"));
  guards.push_back(cooldown_gate(in));
  guards.push_back(limits_gate(in));
  guards.push_back(
      gate(one_run, !in.running, in.running ? "a run is under way" : "none", "one at a time"));
  return guards;
}

const Guard* first_denied(const std::vector<Guard>& guards) {
  for (const Guard& guard : guards) {
    if (!guard.allow) return &guard;
  }
  return nullptr;
}

const Guard* first_denied_step(const std::vector<Guard>& guards) {
  using enum LadderGuard;
  static constexpr std::array holds_steps{mode,          paused,        maintenance,
                                          self_distrust, subject_known, route_switch};
  for (const LadderGuard name : holds_steps) {
    const Guard& guard = guards[static_cast<std::size_t>(name)];
    if (!guard.allow) return &guard;
  }
  return nullptr;
}

}  // namespace pointsman
