// What systemd is told: ready, reloading, stopping, and that the engine's loop is alive.
// Does nothing when systemd did not start us. Never blocks: one datagram each.
#pragma once

#include <string>

#include "policies/model/time.hpp"

namespace pointsman {

class SystemdNotify {
 public:
  SystemdNotify();
  void ready(const std::string& status);
  void status(const std::string& status);
  void reloading();
  void stopping();
  /// Called at each tick of the engine's loop; feeds the watchdog at a third of its interval.
  void tick(MonoTime now);

 private:
  Duration feed_every_{};
  MonoTime fed_at_{};
};

}  // namespace pointsman
