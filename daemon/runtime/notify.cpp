#include "daemon/runtime/notify.hpp"

#include <systemd/sd-daemon.h>

#include <cstdint>

namespace pointsman {

SystemdNotify::SystemdNotify() {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) > 0) {
    feed_every_ = std::chrono::microseconds{microseconds / 3};
  }
}

void SystemdNotify::ready(const std::string& status) {
  sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}
void SystemdNotify::status(const std::string& status) {
  sd_notify(0, ("STATUS=" + status).c_str());
}
void SystemdNotify::reloading() {
  sd_notify(0, "RELOADING=1");
}
void SystemdNotify::stopping() {
  sd_notify(0, "STOPPING=1");
}

void SystemdNotify::tick(MonoTime now) {
  if (feed_every_ == Duration::zero() || now - fed_at_ < feed_every_) return;
  fed_at_ = now;
  sd_notify(0, "WATCHDOG=1");
}

}  // namespace pointsman
