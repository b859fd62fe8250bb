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

Guard promotion_limit_guard(const GuardInputs& in) {
  Guard guard{to_text(GuardName::promotion_limit),
              true,
              std::to_string(in.promotions) + " in the last hour",
              std::to_string(in.promotions_limit) + " an hour",
              {}};
  if (in.drives && in.promotions >= in.promotions_limit) {
    guard.allow = false;
    guard.until = in.promotions_until;
  }
  return guard;
}

Guard restart_grace_guard(const GuardInputs& in) {
  Guard guard{to_text(GuardName::restart_grace),
              true,
              "was not told to stop",
              print_duration(in.restart_grace),
              {}};
  if (!in.told_to_stop) return guard;
  guard.value = "told to stop " + print_duration(in.now - *in.told_to_stop) + " ago";
  const MonoTime until = *in.told_to_stop + in.restart_grace;
  guard.allow = in.now >= until;
  if (!guard.allow) guard.until = until;
  return guard;
}

std::string lag_text(const std::optional<Lag>& lag) {
  if (!lag) return "none";
  if (const auto* time = std::get_if<Duration>(&*lag)) return print_duration(*time);
  return std::to_string(std::get<std::uint64_t>(*lag)) + " bytes";
}

/// A limit in time is judged by the diagnosis (no_candidate), which knows when positions were seen.
/// Where the primary was never seen there is nothing to measure against (the limit is against what
/// was last seen there), and a person would know no more: it allows, and says so.
Guard lag_guard(const GuardInputs& in) {
  Guard guard{to_text(GuardName::lag),
              in.candidate_missing.has_value(),
              "no candidate",
              lag_text(in.max_lag),
              {}};
  if (!in.candidate_missing) return guard;
  guard.value = in.position_known ? std::to_string(*in.candidate_missing) + " bytes missing"
                                  : "last position not known";
  const auto* bytes = in.max_lag ? std::get_if<std::uint64_t>(&*in.max_lag) : nullptr;
  guard.allow = !bytes || *in.candidate_missing <= *bytes;
  return guard;
}

Guard may_promote_guard(const GuardInputs& in) {
  Guard guard{to_text(GuardName::may_promote),
              true,
              "may call pg_promote",
              "the right, no apply delay, a console that answers",
              {}};
  if (in.may_promote && !*in.may_promote) {
    guard.allow = false;
    guard.value = "may not: GRANT EXECUTE ON FUNCTION pg_promote(boolean,integer) on the primary";
  } else if (in.apply_delay && *in.apply_delay > Duration::zero()) {
    guard.allow = false;
    guard.value = "recovery_min_apply_delay is " + print_duration(*in.apply_delay);
  } else if (in.console_down) {
    guard.allow = false;
    guard.value = "the pooler's console does not answer: it could not be led there";
  } else if (!in.may_promote) {
    guard.value = "not known";
  }
  return guard;
}

Guard unsettled_guard(const GuardInputs& in) {
  Guard guard{to_text(GuardName::unsettled),
              in.unsettled.empty(),
              "none in doubt",
              "the one before has shown",
              {}};
  if (!guard.allow) {
    guard.value = "the promotion of " + in.unsettled + " may still happen";
    guard.until = in.unsettled_until;
  }
  return guard;
}

}  // namespace

std::string_view to_text(GuardName name) {
  static constexpr std::array<std::string_view, guard_count> words{
      "mode",           "paused",
      "maintenance",    "switch_mode",
      "self_distrust",  "candidates_seen",
      "evidence_fresh", "hold_down",
      "limits",         "promotion_limit",
      "restart_grace",  "quorum",
      "lock",           "lag",
      "may_promote",    "unsettled",
      "sentinel",       "machine",
      "one_act"};
  return words[static_cast<std::size_t>(name)];
}

std::vector<Guard> evaluate_guards(const GuardInputs& in) {
  std::vector<Guard> guards;
  guards.reserve(guard_count);
  guards.push_back(
      {to_text(GuardName::mode), in.mode == Mode::act, std::string(to_text(in.mode)), "act", {}});
  guards.push_back(
      {to_text(GuardName::paused), !in.paused, in.paused ? "paused" : "on", "automation on", {}});
  guards.push_back({to_text(GuardName::maintenance),
                    !in.maintenance,
                    in.maintenance ? "the flag is set" : "none",
                    "no maintenance",
                    {}});
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
  guards.push_back(promotion_limit_guard(in));
  guards.push_back(restart_grace_guard(in));
  guards.push_back(
      {to_text(GuardName::quorum), true, in.drives ? "sole promoter" : "follows", "no fleet", {}});
  guards.push_back({to_text(GuardName::lock), true, "none is needed", "no fleet", {}});
  guards.push_back(lag_guard(in));
  guards.push_back(may_promote_guard(in));
  guards.push_back(unsettled_guard(in));
  guards.push_back({to_text(GuardName::sentinel),
                    in.sentinels == 0,
                    std::to_string(in.sentinels) + " watch",
                    "none",
                    {}});
  guards.push_back({to_text(GuardName::machine),
                    in.machine.empty(),
                    in.machine.empty() ? "well" : in.machine,
                    "memory and processor of this host not unhealthy",
                    {}});
  guards.push_back({to_text(GuardName::one_act),
                    !in.acting,
                    in.acting ? "an act is under way" : "none",
                    "one at a time",
                    {}});
  return guards;
}

std::span<const GuardName> gates(SwitchCause cause) {
  using enum GuardName;
  // Leaving a target that cannot serve for one that can is exempt from the hold-down.
  static constexpr std::array must{mode,           paused,        maintenance,
                                   switch_mode,    self_distrust, candidates_seen,
                                   evidence_fresh, limits,        one_act};
  static constexpr std::array preferred{mode,          paused,          maintenance,    switch_mode,
                                        self_distrust, candidates_seen, evidence_fresh, hold_down,
                                        limits,        one_act};
  // What is desired does not change: only what is in effect is put right.
  static constexpr std::array repair{mode, paused, self_distrust, evidence_fresh, limits, one_act};
  // A person's word, or a ladder that has passed gates of its own.
  static constexpr std::array asked{mode, one_act};
  // Nothing is written: asking is allowed to whoever only observes, too.
  static constexpr std::array look{limits, one_act};
  switch (cause) {
    case SwitchCause::failback:
      return preferred;
    case SwitchCause::drift:
    case SwitchCause::adopt:
      return repair;
    case SwitchCause::request:
    case SwitchCause::recovery:
      return asked;
    case SwitchCause::verify:
      return look;
    default:
      return must;
  }
}

std::span<const GuardName> promotion_gates() {
  using enum GuardName;
  static constexpr std::array all{
      mode,           paused,    maintenance, switch_mode,     self_distrust, candidates_seen,
      evidence_fresh, hold_down, limits,      promotion_limit, restart_grace, quorum,
      lock,           lag,       may_promote, unsettled,       sentinel,      machine,
      one_act};
  return all;
}

std::span<const GuardName> last_moment_gates() {
  using enum GuardName;
  static constexpr std::array all{mode,          paused,  maintenance, switch_mode,
                                  self_distrust, machine, lag,         may_promote};
  return all;
}

std::span<const GuardName> demotion_gates() {
  using enum GuardName;
  static constexpr std::array all{mode,          paused,          maintenance,
                                  self_distrust, candidates_seen, sentinel};
  return all;
}

namespace {

const Guard* first_of(const std::vector<Guard>& guards, std::span<const GuardName> names) {
  for (const GuardName name : names) {
    const Guard& guard = guards[static_cast<std::size_t>(name)];
    if (!guard.allow) return &guard;
  }
  return nullptr;
}

}  // namespace

const Guard* first_denied(const std::vector<Guard>& guards, SwitchCause cause) {
  return first_of(guards, gates(cause));
}

const Guard* first_denied_promotion(const std::vector<Guard>& guards) {
  return first_of(guards, promotion_gates());
}

const Guard* first_denied_demotion(const std::vector<Guard>& guards) {
  return first_of(guards, demotion_gates());
}

const Guard* first_denied_asked(const std::vector<Guard>& guards,
                                std::span<const GuardName> names) {
  for (const GuardName name : names) {
    const Guard& guard = guards[static_cast<std::size_t>(name)];
    if (!guard.allow && name != GuardName::switch_mode) return &guard;
  }
  return nullptr;
}

const Guard* first_denied_last_moment(const std::vector<Guard>& guards) {
  return first_of(guards, last_moment_gates());
}

Duration retry_delay(int failures) {
  constexpr Duration longest = std::chrono::seconds{30};
  Duration delay = std::chrono::seconds{1};
  for (int i = 1; i < failures && delay < longest; ++i) delay *= 2;
  return std::min(delay, longest);
}

}  // namespace pointsman
