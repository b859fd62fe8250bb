// The line that answers HAProxy's agent-check (its configuration manual, "agent-check").
//
// "up" and "down #REASON" only: "ready" would also cancel a drain or a maintenance that a person
// set in HAProxy itself. Words that are not said change nothing there.
#pragma once

#include <string>

#include "policies/model/snapshot.hpp"

namespace pointsman {

/// One line, printable ASCII, with its line feed.
std::string agent_check_line(const Serving& serving);

}  // namespace pointsman
