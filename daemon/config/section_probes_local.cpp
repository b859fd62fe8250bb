// disk, memory, cpu, unit and exec: what is probed on this host alone.
#include <fmt/format.h>

#include "daemon/config/draft.hpp"
#include "daemon/config/section_exec.hpp"
#include "daemon/config/section_units.hpp"

namespace pointsman {
namespace {

/// Says so when a warning would come after the failure.
void check_order(MapReader& reader, const std::optional<double>& warn,
                 const std::optional<double>& fail) {
  if (warn && fail && *warn >= *fail) {
    reader.error("warn", "not below `fail`: it could never warn");
  }
}

struct Limits {
  std::optional<double> warn, fail;
};

/// `KEY: {warn: 10%, fail: 30%}`.
Limits read_limits(MapReader& reader, std::string_view key) {
  Limits limits;
  const YamlNode* node = reader.find(key);
  if (!node) return limits;
  MapReader map(reader.findings(), node, reader.path_of(key), reader.key_position(key));
  limits.warn = map.percent("warn");
  limits.fail = map.percent("fail");
  check_order(map, limits.warn, limits.fail);
  map.finish();
  return limits;
}

}  // namespace

std::optional<std::string> read_unit_name(MapReader& reader, std::string_view key) {
  auto unit = reader.text(key);
  if (!unit) return std::nullopt;
  if (unit->empty() || unit->find_first_of("/ \t\n") != std::string::npos) {
    reject(reader.findings(), *reader.find(key), reader.path_of(key),
           "is not the name of a systemd unit: write nginx.service");
    return std::nullopt;
  }
  if (unit->find('.') == std::string::npos) unit->append(".service");
  return unit;
}

void read_disk(MapReader& reader, ProbeDraft& draft) {
  DiskSpec spec;
  draft.local = true;
  if (reader.require("path", "the path to watch, such as `path: /var/lib`")) {
    spec.path = reader.absolute_path("path").value_or("");
  }
  spec.warn = reader.percent("warn");
  spec.fail = reader.percent("fail");
  check_order(reader, spec.warn, spec.fail);
  const Limits inodes = read_limits(reader, "inodes");
  spec.inodes_warn = inodes.warn;
  spec.inodes_fail = inodes.fail;
  spec.free_below = reader.size("free_below");
  spec.write_test = reader.boolean("write_test").value_or(false);
  draft.spec = std::move(spec);
}

void read_memory(MapReader& reader, ProbeDraft& draft) {
  MemorySpec spec;
  draft.local = true;
  spec.warn = reader.percent("warn");
  spec.fail = reader.percent("fail");
  check_order(reader, spec.warn, spec.fail);
  const Limits pressure = read_limits(reader, "pressure");
  spec.pressure_warn = pressure.warn;
  spec.pressure_fail = pressure.fail;
  draft.spec = spec;
}

void read_cpu(MapReader& reader, ProbeDraft& draft) {
  CpuSpec spec;
  draft.local = true;
  spec.warn = reader.percent("warn");
  spec.fail = reader.percent("fail");
  check_order(reader, spec.warn, spec.fail);
  if (const auto over = reader.duration("over", std::chrono::seconds{1})) spec.over = *over;
  const Limits pressure = read_limits(reader, "pressure");
  spec.pressure_warn = pressure.warn;
  spec.pressure_fail = pressure.fail;
  draft.spec = spec;
}

void read_unit(MapReader& reader, ProbeDraft& draft) {
  UnitSpec spec;
  draft.local = true;
  (void)reader.require("unit", "the systemd unit, such as `unit: nginx.service`");
  spec.unit = read_unit_name(reader, "unit").value_or("");
  spec.substate = reader.text("substate").value_or("");
  draft.spec = std::move(spec);
}

void read_exec(MapReader& reader, ProbeDraft& draft) {
  ExecSpec spec;
  draft.local = true;
  constexpr const char* example = "[/usr/lib/nagios/plugins/check_load, -w, \"4\"]";
  (void)reader.require("command", fmt::format("the command as a list: {}", example));
  spec.command = read_command(reader, "command", example);
  read_exec_surroundings(reader, spec);
  draft.spec = std::move(spec);
}

}  // namespace pointsman
