// One look at everything that a configuration names, for `pointsman check --live`: every enabled
// probe runs once, every pooler is asked what only its administrator may ask, every folder that
// would be written is looked at.
//
// Changes nothing: no file is written, no command of a hook or a step is run, nobody is notified.
// Runs a loop of its own until all have answered, at most `live_limit` after the longest probe's
// timeout; not inside a daemon. What it finds is judged by daemon/config/live_report.
#pragma once

#include "daemon/config/live_report.hpp"

namespace pointsman {

inline constexpr Duration live_limit = std::chrono::seconds{5};

LiveLook look_live(const Config& config);

}  // namespace pointsman
