// The YAML as a tree that knows where everything stands: file, line and column of each key and
// value.
//
// Made from yaml-cpp's events, not from its nodes: those keep duplicate keys silently, expand
// aliases without a limit and take an unclosed quote at the end of the file. Nothing is interpreted
// here: a scalar is text, `true` and `5` included. yaml-cpp itself is named in yaml_tree.cpp only.
// Limits: max_depth levels, max_nodes values after aliases were put in.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.hpp"

namespace pointsman {

struct YamlEntry;

struct YamlNode {
  enum class Kind { null, scalar, sequence, map };
  Kind kind = Kind::null;
  Position at;
  std::string text;     ///< scalar: its value; references have been replaced by load_config
  std::string written;  ///< scalar: as it stood in the file, with ${...}; what messages may show
  bool quoted = false;  ///< scalar in quotes or a block: never a number or a boolean
  bool secret = false;  ///< some of `text` came from a reference
  bool unresolved = false;  ///< a reference that could not be had was taken as empty
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;

  /// The value of a key of a map, or nullptr.
  const YamlNode* find(std::string_view key) const;
};

struct YamlEntry {
  std::string key;
  Position key_at;
  YamlNode value;
};

/// `root` is absent when the text is not YAML; duplicate keys leave a root and an error each.
struct YamlDocument {
  std::optional<YamlNode> root;
  std::vector<Diagnostic> errors;
};

inline constexpr std::size_t max_yaml_depth = 24;
inline constexpr std::size_t max_yaml_nodes = 100'000;

/// One document. `text` is valid UTF-8 without a byte order mark (yaml_source.hpp).
YamlDocument parse_yaml(const std::string& text, const std::string& file);

/// "a list", "a map", "text", "nothing": for messages.
std::string_view kind_text(const YamlNode& node);

/// "probes" + "primary" gives "probes.primary".
std::string join_path(std::string_view path, std::string_view key);

}  // namespace pointsman
