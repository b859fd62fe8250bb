// What an operator changes: switch, pause, resume, drain, undrain, flag, ack, approve, refuse,
// notify test. Each asks the daemon over its control socket and gives the exit code: 0 done or
// nothing to do, 1 refused or failed, 2 an argument that can not be read, 3 no daemon.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/cli/cli.hpp"

namespace pointsman {

struct SwitchOptions {
  std::string route, to;
  bool dry_run = false, no_wait = false, allow_data_loss = false, unfenced = false;
  bool json = false;  ///< the request as it ended, instead of its lines as they appear
};

/// What the simple ones are told; each uses what it has a use for.
struct OperateOptions {
  std::string name;      ///< of the flag or the notifier
  std::uint64_t id = 0;  ///< of the incident or the approval
  std::string reason;
  std::string hold;  ///< "30m"; the daemon reads it
  bool json = false;
};

/// Tells each line of the request as it appears, until it has ended. Ctrl-C asks to cancel; a
/// second one stops waiting.
int switch_route(const std::string& socket, const SwitchOptions& options,
                 const Surroundings& around);

/// `command` as in the API: "pause", "flags/set", "notify/test", …
int operate(const std::string& socket, const std::string& command, const OperateOptions& options,
            const Surroundings& around);

int list_flags(const std::string& socket, const OperateOptions& options,
               const Surroundings& around);

}  // namespace pointsman
