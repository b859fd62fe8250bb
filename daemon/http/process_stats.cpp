#include "daemon/http/process_stats.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace pointsman {
namespace {

/// The fields of /proc/self/stat from the third on; the second may contain anything but ends in
/// ')'.
std::vector<std::string> stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  std::vector<std::string> fields;
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(line.substr(name_end + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

std::optional<double> boot_time_seconds() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> count_descriptors() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return std::nullopt;
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] != '.') ++count;
  }
  ::closedir(folder);
  return count - 1;  // the folder itself was one
}

std::optional<std::uint64_t> soft_limit(decltype(RLIMIT_AS) resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

}  // namespace

ProcessStats read_process_stats() {
  // proc(5): utime 14, stime 15, num_threads 20, starttime 22, vsize 23, rss 24; ours begin at 3.
  constexpr std::size_t utime = 11, stime = 12, threads = 17, starttime = 19, vsize = 20, rss = 21;
  ProcessStats stats;
  const auto fields = stat_fields();
  if (fields.size() > rss) {
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto number = [&](std::size_t i) { return std::stoull(fields[i]); };
    stats.cpu_seconds = static_cast<double>(number(utime) + number(stime)) / ticks;
    stats.threads = number(threads);
    stats.virtual_bytes = number(vsize);
    stats.resident_bytes = number(rss) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    if (const auto boot = boot_time_seconds()) {
      stats.start_time_seconds = *boot + static_cast<double>(number(starttime)) / ticks;
    }
  }
  stats.open_descriptors = count_descriptors();
  stats.descriptors_most = soft_limit(RLIMIT_NOFILE);
  stats.virtual_bytes_most = soft_limit(RLIMIT_AS);
  return stats;
}

}  // namespace pointsman
