// The commands that ask a daemon: status, why, incidents, events, reload. Each gives the exit code.
#pragma once

#include <cstdint>
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
  bool table = false;  ///< the diagnosis tables instead; asks no daemon
};
struct IncidentsOptions {
  std::optional<std::uint64_t> id;  ///< absent: a list
  int limit = 30;
  bool json = false;
};
struct EventsOptions {
  bool follow = false;
  std::optional<std::uint64_t> since;  ///< absent: the newest
  int limit = 30;                      ///< of those that there are already
  bool json = false;                   ///< one object a line
};

/// SPEC section 12: --control, then POINTSMAN_CONTROL, then the configuration, then the default.
std::string find_control_socket(const std::string& from_option, const CliHooks& hooks,
                                const Surroundings& around);

int show_status(const std::string& socket, const StatusOptions& options,
                const Surroundings& around);
int explain_route(const std::string& socket, const WhyOptions& options, const Surroundings& around);
/// `why --table`.
int print_tables(const Surroundings& around);
int show_incidents(const std::string& socket, const IncidentsOptions& options,
                   const Surroundings& around);
/// With `follow` it goes on until it is interrupted; a daemon that goes away is waited for.
int show_events(const std::string& socket, const EventsOptions& options,
                const Surroundings& around);
int reload(const std::string& socket, const Surroundings& around);

}  // namespace pointsman
