#include "probes/clock.hpp"

#include <ctime>

#include <fmt/format.h>

namespace pointsman {
namespace {

Duration read_clock(clockid_t id) {
  timespec t{};
  ::clock_gettime(id, &t);
  return std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec};
}

}  // namespace

MonoTime mono_now() {
  return MonoTime{read_clock(CLOCK_MONOTONIC)};
}

WallTime wall_now() {
  return WallTime{
      std::chrono::duration_cast<std::chrono::milliseconds>(read_clock(CLOCK_REALTIME))};
}

Duration suspended_total() {
  return read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC);
}

std::chrono::steady_clock::time_point to_steady(MonoTime at) {
  return std::chrono::steady_clock::time_point{at.time_since_epoch()};
}

WallTime to_wall(MonoTime at) {
  return wall_now() - std::chrono::duration_cast<std::chrono::milliseconds>(mono_now() - at);
}

std::string to_rfc3339(WallTime at) {
  const auto since = at.time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(since);
  const std::time_t seconds = whole.count();
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     (since - whole).count());
}

}  // namespace pointsman
