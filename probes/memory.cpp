#include "probes/memory.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "probes/disk.hpp"
#include "probes/kinds.hpp"
#include "probes/pressure.hpp"
#include "probes/proc_file.hpp"

namespace pointsman {
namespace {

constexpr std::string_view own_unit_suffix = ".service";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// The mount of the hierarchy that has the memory controller.
const Mount* find_cgroup_mount(const MountTable& table, bool unified) {
  for (const auto& mount : table.mounts()) {
    if (unified && mount.fs_type == "cgroup2") return &mount;
    if (!unified && mount.fs_type == "cgroup" && ends_with(mount.mount_point, "/memory")) {
      return &mount;
    }
  }
  return nullptr;
}

/// The files of one level, kept open.
class CgroupLevel {
 public:
  CgroupLevel(const std::string& folder, bool unified)
      : unified_(unified),
        limit_(folder + (unified ? "/memory.max" : "/memory.limit_in_bytes")),
        usage_(folder + (unified ? "/memory.current" : "/memory.usage_in_bytes")),
        stat_(folder + "/memory.stat"),
        pressure_(folder + "/memory.pressure") {}

  std::optional<CgroupMemory> read();

 private:
  bool unified_;
  ProcFile limit_, usage_, stat_, pressure_;
};

std::optional<CgroupMemory> CgroupLevel::read() {
  const auto limit_text = limit_.read();
  const auto limit = limit_text ? parse_cgroup_limit(*limit_text) : std::nullopt;
  if (!limit) return std::nullopt;
  const auto usage_text = usage_.read();
  const auto usage = usage_text ? parse_number(*usage_text) : std::nullopt;
  if (!usage) return std::nullopt;
  const auto stat_text = stat_.read();
  const auto* key = unified_ ? "inactive_file" : "total_inactive_file";
  const auto cache = stat_text ? parse_stat_line(*stat_text, key).value_or(0) : 0;
  const auto pressure_text = unified_ ? pressure_.read() : std::nullopt;
  return CgroupMemory{*limit, *usage - std::min(*usage, cache),
                      pressure_text ? parse_pressure(*pressure_text) : std::nullopt};
}

class MemoryProber final : public Prober {
 public:
  explicit MemoryProber(const MemorySpec& spec);
  asio::awaitable<Finding> async_run(RunContext& context) override;

 private:
  MemorySpec spec_;
  ProcFile meminfo_{"/proc/meminfo"};
  ProcFile pressure_{"/proc/pressure/memory"};
  std::vector<CgroupLevel> levels_;
};

MemoryProber::MemoryProber(const MemorySpec& spec) : spec_(spec) {
  ProcFile cgroup("/proc/self/cgroup"), mountinfo("/proc/self/mountinfo", MountTable::max_bytes);
  const auto ours = cgroup.read();
  const auto mounts = mountinfo.read();
  if (!ours || !mounts) return;
  const auto found = find_memory_cgroup(parse_cgroup(*ours), MountTable::parse(*mounts));
  for (const auto& folder : found.folders) levels_.emplace_back(folder, found.unified);
}

asio::awaitable<Finding> MemoryProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto text = meminfo_.read();
  const auto machine = text ? parse_meminfo(*text) : std::nullopt;
  if (!machine) {
    const auto why =
        text ? "no MemAvailable in it" : std::system_category().message(meminfo_.error());
    co_return Finding{Outcome::inconclusive,
                      Reason::prober_error,
                      fmt::format("{}: {}", meminfo_.path(), why),
                      {}};
  }
  std::vector<CgroupMemory> levels;
  for (auto& level : levels_) {
    if (const auto memory = level.read()) {
      context.tell(fmt::format("a cgroup's limit is {}, {} used", to_size_text(memory->limit),
                               to_size_text(memory->used)));
      levels.push_back(*memory);
    }
  }
  const auto pressure = pressure_.read();
  co_return judge_memory(
      spec_,
      to_memory_facts(*machine, levels, pressure ? parse_pressure(*pressure) : std::nullopt));
}

}  // namespace

CgroupFolders find_memory_cgroup(const CgroupPaths& ours, const MountTable& table) {
  CgroupFolders found;
  // On a hybrid host both are there, and the memory controller is v1's.
  found.unified = !ours.memory;
  const auto& path = found.unified ? ours.unified : ours.memory;
  const Mount* mount = path ? find_cgroup_mount(table, found.unified) : nullptr;
  if (mount == nullptr) return found;
  // In a container without a cgroup namespace the mount shows our part of the hierarchy alone, and
  // the path's head is of the host: folders that are not there have no limit to be read.
  for (const auto& level : with_ancestors(*path)) {
    const bool innermost = found.folders.empty() && level == *path;
    if (innermost && ends_with(level, own_unit_suffix)) continue;
    found.folders.push_back(level == "/" ? mount->mount_point : mount->mount_point + level);
  }
  return found;
}

MemoryFacts to_memory_facts(const MemInfo& machine, const std::vector<CgroupMemory>& levels,
                            std::optional<double> machine_pressure) {
  MemoryFacts facts;
  facts.limit = machine.total;
  facts.available = std::min(machine.available, machine.total);
  facts.psi = machine_pressure;
  for (const auto& level : levels) {
    if (level.limit == 0 || level.limit >= facts.limit) continue;
    facts.limit = level.limit;
    if (level.pressure) facts.psi = level.pressure;
  }
  // A cgroup can take no more than the machine, or any level above it, has left.
  for (const auto& level : levels) {
    facts.available = std::min(facts.available, level.limit - std::min(level.limit, level.used));
  }
  facts.available = std::min(facts.available, facts.limit);
  facts.used = facts.limit - facts.available;
  facts.used_ratio = static_cast<double>(facts.used) / static_cast<double>(facts.limit);
  return facts;
}

Finding judge_memory(const MemorySpec& spec, const MemoryFacts& facts) {
  Finding finding{Outcome::pass, Reason::ok,
                  fmt::format("{:.1f}% used, {} available of {}", facts.used_ratio * 100,
                              to_size_text(facts.available), to_size_text(facts.limit)),
                  facts};
  const auto reached = [&](const std::optional<double>& limit) {
    return limit && facts.used_ratio >= *limit;
  };
  if (reached(spec.fail)) {
    finding.outcome = Outcome::fail;
    finding.reason = Reason::over_threshold;
  } else if (reached(spec.warn)) {
    finding.outcome = Outcome::warn;
    finding.reason = Reason::over_threshold;
  }
  return judge_pressure(std::move(finding), facts.psi, {spec.pressure_warn, spec.pressure_fail});
}

std::unique_ptr<Prober> make_memory_prober(const MemorySpec& spec, ProberServices) {
  return std::make_unique<MemoryProber>(spec);
}

}  // namespace pointsman
