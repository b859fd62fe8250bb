// What the journal keeps of a planned change under way, and what a start makes of it. Pure.
//
// The steps are written before each step, so that the last one that is found may have been done or
// not. Until `promote` the old server is the only one that may take writes: a start undoes. From
// `promote` on the new one may, now or soon: a start looks, and goes forward unless the old one
// takes writes and the new one certainly will not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "policies/model/effect.hpp"

namespace pointsman {

enum class SwitchoverStep {
  hold,      ///< the clients are held
  fence,     ///< writes on the old server are made impossible
  catch_up,  ///< the new one receives what is left
  promote,   ///< the point of no return, and what comes after it
  done,
};
std::string_view to_text(SwitchoverStep step);

struct SwitchoverSteps {
  SwitchOver order;
  SwitchoverStep step = SwitchoverStep::hold;
  std::uint64_t position = 0;  ///< last seen on the old server; 0: not read yet
  friend bool operator==(const SwitchoverSteps&, const SwitchoverSteps&) = default;
};

/// A JSON object with "act": "switchover".
std::string to_json(const SwitchoverSteps& steps);
/// Nothing where it is not one of ours.
std::optional<SwitchoverSteps> switchover_steps_of_json(const std::string& text);

/// What a start has to do. `undo`: undemote (or CLIENT UNPAUSE) where the old server may have been
/// fenced, then let the clients go. `look`: ask the servers first.
struct SwitchoverRecovery {
  enum class What { nothing, undo, look };
  What what = What::nothing;
  bool was_fenced = false;  ///< undo: the hook may have run
  std::string why;          ///< one sentence for the log
  friend bool operator==(const SwitchoverRecovery&, const SwitchoverRecovery&) = default;
};
SwitchoverRecovery recover_switchover(const SwitchoverSteps& steps);

}  // namespace pointsman
