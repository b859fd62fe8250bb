// The memory probe's pure half: which limit counts, and what to make of it.
//
// The machine's MemAvailable, or a cgroup's limit where that is lower (a container). The limit of
// the unit that pointsman itself runs in says nothing about the machine, so a last level named
// *.service is left out. Pressure is PSI `some avg10`, of the cgroup where its limit counts, else
// of the machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/sample.hpp"
#include "probes/mount.hpp"
#include "probes/proc.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// What one level of the cgroup hierarchy says.
struct CgroupMemory {
  std::uint64_t limit = 0;
  std::uint64_t used = 0;          ///< without the page cache that can be dropped at once
  std::optional<double> pressure;  ///< per cent; v2 only
};

MemoryFacts to_memory_facts(const MemInfo& machine, const std::vector<CgroupMemory>& levels,
                            std::optional<double> machine_pressure);
Finding judge_memory(const MemorySpec& spec, const MemoryFacts& facts);

/// The folders of our cgroup and its ancestors, below the mount that holds the memory controller.
struct CgroupFolders {
  bool unified = false;              ///< v2's file names, else v1's
  std::vector<std::string> folders;  ///< innermost first; empty: no memory controller to be seen
};
CgroupFolders find_memory_cgroup(const CgroupPaths& ours, const MountTable& table);

}  // namespace pointsman
