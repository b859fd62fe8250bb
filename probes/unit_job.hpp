// Restarting or reloading a systemd unit over D-Bus, and waiting for what came of it.
//
// The manager answers with a job; it is asked for until it is gone, then the unit says how it is. A
// restart counts only when the unit has another invocation than before. Needs the right to manage
// that unit (etc/polkit): refused, the message says so. Nothing is asked for twice. Its deadline is
// the coroutine's cancellation: once the manager may have the request that is `unknown`. Loop's
// thread.
#pragma once

#include <memory>
#include <string>

#include "probes/asio.hpp"
#include "probes/system_bus.hpp"

namespace pointsman {

enum class UnitVerb { restart, reload };

struct UnitJobResult {
  enum class End { done, failed, unknown };
  End end = End::unknown;
  std::string message;  ///< one line
};

/// `unit` as systemctl takes it: without a suffix it is a service.
asio::awaitable<UnitJobResult> async_unit_job(std::shared_ptr<SystemBus> bus, UnitVerb verb,
                                              std::string unit);

}  // namespace pointsman
