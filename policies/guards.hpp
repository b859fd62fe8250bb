// Guards: the gates that can hold an automatic act. All are evaluated, so that all can be shown.
//
// Pure. Which gates an act must pass depends on its cause: `gates` says so in one place.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/policy.hpp"
#include "policies/model/snapshot.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

enum class GuardName {
  mode,             ///< observe: nothing is touched
  paused,           ///< an operator paused automation
  maintenance,      ///< the flag `maintenance` is set
  switch_mode,      ///< `switch: on_request`
  self_distrust,    ///< every candidate has run again since our loop was late
  candidates_seen,  ///< every candidate has been probed since the start
  evidence_fresh,   ///< the sample of the target to be is not stale
  hold_down,        ///< since the last switch
  limits,           ///< after an act that failed: wait before the next try
  promotion_limit,  ///< promotions within an hour: more is a fault of ours
  restart_grace,    ///< the primary was told to stop by its administrator and may come back
  quorum,           ///< the fleet's votes; without a fleet: sole_promoter
  lock,             ///< the route's lock; without a fleet: none is needed
  lag,              ///< what the best candidate lacks of what was last seen on the primary
  may_promote,      ///< our role's right, recovery_min_apply_delay
  unsettled,        ///< a promotion whose outcome is unknown may still happen
  sentinel,         ///< a live Redis Sentinel would act too
  machine,          ///< this host's own memory and processor
  one_act,          ///< no other act on this route is under way
};
inline constexpr int guard_count = 19;
std::string_view to_text(GuardName name);

/// What the guards look at; the route's keeper fills it in.
struct GuardInputs {
  Mode mode = Mode::act;
  bool paused = false, maintenance = false;
  SwitchMode switch_mode = SwitchMode::automatic;
  int candidates = 0, candidates_seen = 0, candidates_trusted = 0;
  std::optional<Duration> evidence_age;  ///< of the target to be; absent: none chosen
  Duration evidence_limit{};
  std::optional<MonoTime> last_switch;
  Duration hold_down{};
  int failures = 0;  ///< acts that failed in a row
  std::optional<MonoTime> retry_at;
  int promotions = 0, promotions_limit = 0;  ///< within the last hour
  std::optional<MonoTime> promotions_until;
  std::optional<MonoTime> told_to_stop;  ///< when the target's session heard of it
  Duration restart_grace{};
  bool drives = false;                             ///< the route has `promote:`
  std::optional<std::uint64_t> candidate_missing;  ///< bytes; absent: no candidate
  bool position_known = true;  ///< something was seen on the primary to measure that against
  std::optional<Lag> max_lag;
  std::optional<bool> may_promote;
  std::optional<Duration> apply_delay;
  bool console_down = false;  ///< the pooler could not be led to what is promoted
  std::string unsettled;      ///< the server whose promotion is in doubt; empty: none
  std::optional<MonoTime> unsettled_until;
  std::int64_t sentinels = 0;
  std::string machine;  ///< what is wrong with this host; empty: nothing
  bool acting = false;
  MonoTime now{};
};

/// One entry each guard, in the order of GuardName.
std::vector<Guard> evaluate_guards(const GuardInputs& inputs);

/// The gates that an act of this cause must pass.
std::span<const GuardName> gates(SwitchCause cause);

/// The gates that a promotion must pass.
std::span<const GuardName> promotion_gates();
/// Those of them that are asked once more when the fence and the second look are done: an operator
/// may have said stop meanwhile. (What the fence itself changes, a server told to stop, is not.)
std::span<const GuardName> last_moment_gates();
/// The gates that an old master's being made to follow must pass. It is no switch, so how those
/// are held does not matter, but what only it has is gone afterwards.
std::span<const GuardName> demotion_gates();
/// `switch: on_request` holds what nobody asked for; a ladder's step asks.
const Guard* first_denied_asked(const std::vector<Guard>& guards, std::span<const GuardName> names);
const Guard* first_denied_last_moment(const std::vector<Guard>& guards);
const Guard* first_denied_promotion(const std::vector<Guard>& guards);
const Guard* first_denied_demotion(const std::vector<Guard>& guards);

/// The first gate that denies, or null.
const Guard* first_denied(const std::vector<Guard>& guards, SwitchCause cause);

/// How long to wait after `failures` failed acts in a row: 1, 2, 4, … at most 30 s.
Duration retry_delay(int failures);

}  // namespace pointsman
