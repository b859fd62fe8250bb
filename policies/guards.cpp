#include "policies/guards.hpp"

#include <algorithm>
#include <array>

#include "policies/explain.hpp"

namespace pointsman {
namespace {

std::string count_of(int some, int all) {
  return std::to_string(some) + " of " + std::to_string(all);
}

Guard hold_down_guard(const GuardInputs& in) {
  Guard guard{
      to_text(GuardName::hold_down), true, "no switch yet", print_duration(in.hold_down), {}};
  if (!in.last_switch) return guard;
  guard.value = "switched " + print_duration(in.now - *in.last_switch) + " ago";
  const MonoTime until = *in.last_switch + in.hold_down;
  guard.allow = in.now >= until;
  if (!guard.allow) guard.until = until;
  return guard;
}

Guard limits_guard(const GuardInputs& in) {
  Guard guard{to_text(GuardName::limits),
              true,
              std::to_string(in.failures) + " failed in a row",
              "wait after a failure",
              {}};
  if (in.retry_at && in.now < *in.retry_at) {
    guard.allow = false;
    guard.until = in.retry_at;
  }
  return guard;
}

}  // namespace

std::string_view to_text(GuardName name) {
  static constexpr std::array<std::string_view, guard_count> words{
      "mode",           "switch_mode", "self_distrust", "candidates_seen",
      "evidence_fresh", "hold_down",   "limits",        "one_act"};
  return words[static_cast<std::size_t>(name)];
}

std::vector<Guard> evaluate_guards(const GuardInputs& in) {
  std::vector<Guard> guards;
  guards.reserve(guard_count);
  guards.push_back(
      {to_text(GuardName::mode), in.mode == Mode::act, std::string(to_text(in.mode)), "act", {}});
  guards.push_back({to_text(GuardName::switch_mode),
                    in.switch_mode == SwitchMode::automatic,
                    std::string(to_text(in.switch_mode)),
                    "automatic",
                    {}});
  guards.push_back({to_text(GuardName::self_distrust),
                    in.candidates_trusted == in.candidates,
                    count_of(in.candidates_trusted, in.candidates) + " probed since",
                    "all",
                    {}});
  guards.push_back({to_text(GuardName::candidates_seen),
                    in.candidates_seen == in.candidates,
                    count_of(in.candidates_seen, in.candidates) + " probed",
                    "all",
                    {}});
  guards.push_back({to_text(GuardName::evidence_fresh),
                    in.evidence_age && *in.evidence_age <= in.evidence_limit,
                    in.evidence_age ? print_duration(*in.evidence_age) + " old" : "none",
                    print_duration(in.evidence_limit),
                    {}});
  guards.push_back(hold_down_guard(in));
  guards.push_back(limits_guard(in));
  guards.push_back({to_text(GuardName::one_act),
                    !in.acting,
                    in.acting ? "an act is under way" : "none",
                    "one at a time",
                    {}});
  return guards;
}

std::span<const GuardName> gates(SwitchCause cause) {
  using enum GuardName;
  static constexpr std::array must{mode,           switch_mode, self_distrust, candidates_seen,
                                   evidence_fresh, limits,      one_act};
  static constexpr std::array preferred{mode,           switch_mode, self_distrust, candidates_seen,
                                        evidence_fresh, hold_down,   limits,        one_act};
  // What is desired does not change: only what is in effect is put right.
  static constexpr std::array repair{mode, self_distrust, evidence_fresh, limits, one_act};
  // Nothing is written: asking is allowed to whoever only observes, too.
  static constexpr std::array look{limits, one_act};
  switch (cause) {
    case SwitchCause::failback:
      return preferred;
    case SwitchCause::drift:
    case SwitchCause::adopt:
      return repair;
    case SwitchCause::verify:
      return look;
    default:
      return must;
  }
}

const Guard* first_denied(const std::vector<Guard>& guards, SwitchCause cause) {
  for (const GuardName name : gates(cause)) {
    const Guard& guard = guards[static_cast<std::size_t>(name)];
    if (!guard.allow) return &guard;
  }
  return nullptr;
}

Duration retry_delay(int failures) {
  constexpr Duration longest = std::chrono::seconds{30};
  Duration delay = std::chrono::seconds{1};
  for (int i = 1; i < failures && delay < longest; ++i) delay *= 2;
  return std::min(delay, longest);
}

}  // namespace pointsman
