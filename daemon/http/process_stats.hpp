// Figures of our own process for the standard process_* metrics, read from /proc/self.
//
// A few short reads of files that the kernel makes up; none touches a disk. What can not be read is
// absent. On the loop's thread, once for each scrape.
#pragma once

#include <cstdint>
#include <optional>

namespace pointsman {

struct ProcessStats {
  std::optional<double> cpu_seconds;
  std::optional<double> start_time_seconds;  ///< since 1970
  std::optional<std::uint64_t> virtual_bytes, resident_bytes;
  std::optional<std::uint64_t> virtual_bytes_most;  ///< absent: no limit
  std::optional<std::uint64_t> open_descriptors, descriptors_most, threads;
};

ProcessStats read_process_stats();

}  // namespace pointsman
