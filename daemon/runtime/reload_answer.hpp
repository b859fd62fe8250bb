// What whoever asked for a reload is told, and the log with it.
//
// Pure but for the log. The reload itself is daemon/app's.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/http/source.hpp"

namespace pointsman {

/// From mode observe to act: only then is it told what is done at once.
bool begins_to_act(const Config& before, const Config& after);

/// 422 with {"error","errors":[…]}.
CommandAnswer reload_refused(const LoadFailure& failure);

/// 200 with {"reloaded","warnings":[…]}; where it begins to act also {"message","at_once":[…]}.
CommandAnswer reload_done(const Config& before, const Config& after,
                          const std::vector<std::string>& at_once);

}  // namespace pointsman
