// The daemon: joins configuration, engine, probes, routes, journal and HTTP, and runs until told to
// stop.
//
// The only place that sees all parts. One thread; blocks until SIGTERM or SIGINT, then ends
// everything it started within `stop_limit`.
#pragma once

#include <filesystem>

#include "policies/model/time.hpp"

namespace pointsman {

inline constexpr Duration stop_limit = std::chrono::seconds{4};

/// Exit codes of SPEC section 12.
enum ExitCode : int { exit_fine = 0, exit_unhealthy = 1, exit_usage = 2, exit_config = 78 };

/// `pointsman run`. 0 after a stop that was asked for, 1 when it can not start (the port is taken),
/// 78 when the configuration is wrong.
int run_daemon(const std::filesystem::path& config_file);

}  // namespace pointsman
