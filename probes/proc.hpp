// Parsers of what the kernel says about memory, processors and cgroups. Pure: text in, values out.
//
// Used by the memory and cpu probes, which read the files. Unknown lines are skipped, since kernels
// add some; a value that is missing or no number makes the whole absent, never zero. References:
// proc(5), Documentation/accounting/psi.rst, cgroups(7), Documentation/admin-guide/cgroup-v2.rst.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pointsman {

/// /proc/meminfo, in bytes.
struct MemInfo {
  std::uint64_t total = 0;
  std::uint64_t available = 0;
  friend bool operator==(const MemInfo&, const MemInfo&) = default;
};
std::optional<MemInfo> parse_meminfo(std::string_view text);

/// The first line of /proc/stat, in ticks since boot. Guest time is part of user and nice.
struct CpuTimes {
  std::uint64_t idle = 0;   ///< idle and iowait
  std::uint64_t steal = 0;  ///< taken by the hypervisor for others
  std::uint64_t total = 0;
  friend bool operator==(const CpuTimes&, const CpuTimes&) = default;
};
std::optional<CpuTimes> parse_cpu_times(std::string_view stat);

/// The first number of /proc/loadavg.
std::optional<double> parse_load1(std::string_view loadavg);

/// avg10 of the `some` line of a pressure file, per cent.
std::optional<double> parse_pressure(std::string_view text);

/// /proc/self/cgroup: where we are in the unified hierarchy and in the memory controller of v1.
struct CgroupPaths {
  std::optional<std::string> unified;
  std::optional<std::string> memory;
  friend bool operator==(const CgroupPaths&, const CgroupPaths&) = default;
};
CgroupPaths parse_cgroup(std::string_view text);

/// memory.max or memory.limit_in_bytes; absent for "max" and for v1's number that means no limit.
std::optional<std::uint64_t> parse_cgroup_limit(std::string_view text);
/// A file that holds one number.
std::optional<std::uint64_t> parse_number(std::string_view text);
/// One line of memory.stat, e.g. "inactive_file".
std::optional<std::uint64_t> parse_stat_line(std::string_view text, std::string_view key);

/// "/a/b/c" gives "/a/b/c", "/a/b", "/a", "/". At most 64 of them.
std::vector<std::string> with_ancestors(std::string_view cgroup);

/// Splits off the next line, or the next field of a line; views into what was given.
std::string_view next_line(std::string_view& text);
std::string_view next_field(std::string_view& line);

}  // namespace pointsman
