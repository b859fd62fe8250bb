#include "daemon/config/section_exec.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include "probes/child.hpp"

namespace pointsman {
namespace {

void read_environment(MapReader& reader, ExecSpec& spec) {
  const YamlNode* env = reader.find("env");
  if (!env) return;
  MapReader map(reader.findings(), env, reader.path_of("env"), reader.key_position("env"));
  if (!map.node()) return;
  for (const auto& entry : map.node()->entries) {
    auto value = scalar_text(reader.findings(), entry.value, map.path_of(entry.key), "text");
    if (entry.key.empty() || entry.key.find('=') != std::string::npos) {
      reader.findings().error(entry.key_at, map.path_of(entry.key),
                              "is not the name of an environment variable");
    } else if (value) {
      spec.environment.emplace_back(entry.key, Secret(std::move(*value)));
    }
  }
}

bool is_ourselves(const std::string& user) {
  const auto found = find_user(user);
  return found && found.value().uid == ::geteuid();
}

}  // namespace

std::vector<std::string> read_command(MapReader& reader, std::string_view key,
                                      std::string_view example) {
  std::vector<std::string> argv;
  const YamlNode* command = reader.find(key);
  if (!command) return argv;
  if (command->kind == YamlNode::Kind::scalar) {
    reader.error(key, fmt::format("no shell runs it: write the command as a list: {}", example));
    return argv;
  }
  bool tells_secret = false;
  for (const auto& [text, node] : reader.list(key, example)) {
    argv.push_back(text);
    tells_secret = tells_secret || node->secret;
  }
  if (command->kind == YamlNode::Kind::sequence && command->items.empty()) {
    reader.error(key, fmt::format("empty: write {}", example));
  } else if (!argv.empty() && argv.front().substr(0, 1) != "/" &&
             !command->items.front().unresolved) {
    reject(reader.findings(), command->items.front(), reader.path_of(key) + "[0]",
           "is not an absolute path: no PATH is searched");
    argv.clear();
  }
  if (tells_secret) {
    reader.warn(key,
                "an argument comes from a reference, and arguments can be read by every user of "
                "this host: give it under `env:` instead");
  }
  return argv;
}

void read_exec_surroundings(MapReader& reader, ExecSpec& spec) {
  if (const auto user = reader.text("user")) {
    spec.user = *user;
    if (::geteuid() != 0 && !is_ourselves(*user) && !reader.findings().only_read()) {
      reader.error("user",
                   "only root can run a command as another user, and this does not run as root");
    }
  }
  read_environment(reader, spec);
}

}  // namespace pointsman
