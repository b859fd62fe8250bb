// The log: standard error, one line an event. Under systemd without time stamps (the journal has
// its own) and with the priority that journald reads; else with them. Never told a secret.
#pragma once

#include <string_view>

#include "policies/model/effect.hpp"

namespace pointsman {

void start_log();
void log_info(std::string_view text);
void log_warn(std::string_view text);
void log_error(std::string_view text);
/// A record of the engine, as the journal keeps it: "route bud: follow: from primary to replica-1
/// …".
void log_record(const Record& record);

}  // namespace pointsman
