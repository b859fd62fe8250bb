// disk, memory, cpu, unit and exec: what is probed on this host alone.
#include <unistd.h>

#include <fmt/format.h>

#include "daemon/config/draft.hpp"

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
  if (auto unit = reader.required_text("unit", "the systemd unit, such as `unit: nginx.service`")) {
    if (unit->find_first_of("/ \t\n") != std::string::npos) {
      reject(reader.findings(), *reader.find("unit"), reader.path_of("unit"),
             "is not the name of a systemd unit: write nginx.service");
    } else if (unit->find('.') == std::string::npos) {
      unit->append(".service");
    }
    spec.unit = std::move(*unit);
  }
  spec.substate = reader.text("substate").value_or("");
  draft.spec = std::move(spec);
}

void read_exec(MapReader& reader, ProbeDraft& draft) {
  ExecSpec spec;
  draft.local = true;
  constexpr const char* example = "[/usr/lib/nagios/plugins/check_load, -w, \"4\"]";
  if (const YamlNode* command =
          reader.require("command", fmt::format("the command as a list: {}", example))) {
    if (command->kind == YamlNode::Kind::scalar) {
      reader.error("command",
                   fmt::format("no shell runs it: write the command as a list: {}", example));
    } else {
      for (const auto& [text, node] : reader.list("command", example)) spec.command.push_back(text);
      if (spec.command.empty() && command->items.empty()) {
        reader.error("command", fmt::format("empty: write {}", example));
      } else if (!spec.command.empty() && spec.command.front().substr(0, 1) != "/") {
        reject(reader.findings(), command->items.front(), reader.path_of("command") + "[0]",
               "is not an absolute path: no PATH is searched");
      }
    }
  }
  if (const auto user = reader.text("user")) {
    spec.user = *user;
    if (::geteuid() != 0) {
      reader.error("user",
                   "only root can run a command as another user, and this does not run as root");
    }
  }
  if (const YamlNode* env = reader.find("env")) {
    MapReader map(reader.findings(), env, reader.path_of("env"), reader.key_position("env"));
    for (const auto& entry : map.node() ? map.node()->entries : std::vector<YamlEntry>{}) {
      auto value = scalar_text(reader.findings(), entry.value, map.path_of(entry.key), "text");
      if (entry.key.empty() || entry.key.find('=') != std::string::npos) {
        reader.findings().error(entry.key_at, map.path_of(entry.key),
                                "is not the name of an environment variable");
      } else if (value) {
        spec.environment.emplace_back(entry.key, Secret(std::move(*value)));
      }
    }
  }
  draft.spec = std::move(spec);
}

}  // namespace pointsman
