// The gates of a ladder: all are evaluated, so that all can be shown.
//
// Pure. A run begins when all allow; each later step of it only needs `holds_steps` to allow.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/policy.hpp"
#include "policies/model/snapshot.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

enum class LadderGuard {
  mode,           ///< observe: nothing is touched
  paused,         ///< an operator paused automation
  maintenance,    ///< planned work
  self_distrust,  ///< all that the subject rests on has run again since our loop was late
  subject_known,  ///< nothing triggers on unknown
  route_switch,   ///< an automatic switch of a route under the subject is under way
  subject_free,   ///< another ladder is at work on the same subject, or is exhausted
  cooldown,       ///< since the last run
  limits,         ///< runs in the last hour and the last day
  one_run,        ///< one run a ladder at a time
};
inline constexpr std::size_t ladder_guard_count = 10;
std::string_view to_text(LadderGuard name);

inline constexpr Duration one_hour = std::chrono::hours{1};
inline constexpr Duration one_day = std::chrono::hours{24};

struct LadderGuardInputs {
  MonoTime now{};
  Mode mode = Mode::act;
  bool paused = false, maintenance = false, trusted = true;
  State subject = State::unknown;
  bool switch_under_way = false;
  std::string other_ladder;  ///< that has the subject; empty: none
  std::optional<MonoTime> cooldown_until;
  std::vector<MonoTime> runs;  ///< their starts, oldest first
  std::optional<int> max_per_hour, max_per_day;
  bool running = false;
};

/// One entry each, in the order of LadderGuard.
std::vector<Guard> evaluate_ladder_guards(const LadderGuardInputs& inputs);
/// The first that denies, or null.
const Guard* first_denied(const std::vector<Guard>& guards);
/// The first that denies the next step of a run, or null.
const Guard* first_denied_step(const std::vector<Guard>& guards);

}  // namespace pointsman
