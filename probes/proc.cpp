#include "probes/proc.hpp"

#include <charconv>

namespace pointsman {
namespace {

constexpr std::size_t max_cgroup_levels = 64;
/// v1 has no word for "no limit": it shows the largest page count there is, about 2^63.
constexpr std::uint64_t no_limit_from = std::uint64_t{1} << 60;

template <class T>
std::optional<T> to_number(std::string_view field) {
  T value{};
  const auto [end, ec] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (ec != std::errc{} || end != field.data() + field.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> kibibytes(std::string_view line) {
  const auto value = to_number<std::uint64_t>(next_field(line));
  if (!value) return std::nullopt;
  return *value * 1024;
}

}  // namespace

std::string_view next_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return line;
}

std::string_view next_field(std::string_view& line) {
  const auto begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  const auto end = line.find_first_of(" \t\r", begin);
  const auto field = line.substr(begin, end == std::string_view::npos ? end : end - begin);
  line = end == std::string_view::npos ? std::string_view{} : line.substr(end);
  return field;
}

std::optional<MemInfo> parse_meminfo(std::string_view text) {
  std::optional<std::uint64_t> total, available;
  while (!text.empty() && !(total && available)) {
    auto line = next_line(text);
    const auto key = next_field(line);
    if (key == "MemTotal:") total = kibibytes(line);
    if (key == "MemAvailable:") available = kibibytes(line);
  }
  if (!total || !available || *total == 0) return std::nullopt;
  return MemInfo{*total, *available};
}

std::optional<CpuTimes> parse_cpu_times(std::string_view stat) {
  // cpu user nice system idle iowait irq softirq steal guest guest_nice
  auto line = next_line(stat);
  if (next_field(line) != "cpu") return std::nullopt;
  std::uint64_t ticks[8] = {};
  for (auto& tick : ticks) {
    const auto value = to_number<std::uint64_t>(next_field(line));
    if (!value) return std::nullopt;
    tick = *value;
  }
  CpuTimes times;
  times.idle = ticks[3] + ticks[4];
  times.steal = ticks[7];
  for (const auto tick : ticks) times.total += tick;
  return times;
}

std::optional<double> parse_load1(std::string_view loadavg) {
  return to_number<double>(next_field(loadavg));
}

std::optional<double> parse_pressure(std::string_view text) {
  while (!text.empty()) {
    auto line = next_line(text);
    if (next_field(line) != "some") continue;
    constexpr std::string_view key = "avg10=";
    const auto field = next_field(line);
    if (field.substr(0, key.size()) != key) return std::nullopt;
    return to_number<double>(field.substr(key.size()));
  }
  return std::nullopt;
}

CgroupPaths parse_cgroup(std::string_view text) {
  CgroupPaths paths;
  while (!text.empty()) {
    const auto line = next_line(text);  // 4:cpu,memory:/path   or   0::/path
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto path = line.substr(second + 1);
    auto controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) {
      paths.unified = std::string(path);
      continue;
    }
    while (!controllers.empty()) {
      const auto comma = controllers.find(',');
      if (controllers.substr(0, comma) == "memory") paths.memory = std::string(path);
      controllers =
          comma == std::string_view::npos ? std::string_view{} : controllers.substr(comma + 1);
    }
  }
  return paths;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  auto line = next_line(text);
  return to_number<std::uint64_t>(next_field(line));
}

std::optional<std::uint64_t> parse_cgroup_limit(std::string_view text) {
  const auto value = parse_number(text);
  if (!value || *value >= no_limit_from) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_stat_line(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    auto line = next_line(text);
    if (next_field(line) == key) return to_number<std::uint64_t>(next_field(line));
  }
  return std::nullopt;
}

std::vector<std::string> with_ancestors(std::string_view cgroup) {
  std::vector<std::string> levels;
  while (cgroup.size() > 1 && levels.size() + 1 < max_cgroup_levels) {
    levels.emplace_back(cgroup);
    cgroup = cgroup.substr(0, cgroup.rfind('/'));
  }
  levels.emplace_back("/");
  return levels;
}

}  // namespace pointsman
