// The commands that ask a daemon: status, why, reload. Each gives the exit code.
#pragma once

#include <optional>
#include <string>

#include "daemon/cli/cli.hpp"

namespace pointsman {

struct StatusOptions {
  bool watch = false;
  bool json = false;
};
struct WhyOptions {
  std::string route;
  bool json = false;
};

/// SPEC section 12: --control, then POINTSMAN_CONTROL, then the configuration, then the default.
std::string find_control_socket(const std::string& from_option, const CliHooks& hooks,
                                const Surroundings& around);

int show_status(const std::string& socket, const StatusOptions& options,
                const Surroundings& around);
int explain_route(const std::string& socket, const WhyOptions& options, const Surroundings& around);
int reload(const std::string& socket, const Surroundings& around);

}  // namespace pointsman
