// The files of a configuration: the main one and what its `include:` globs name, read and put
// together.
//
// Sections are merged name by name (probes, services, routes, ...); anything that two files define
// is an error that names both places. Included files may not include others. A file is at most
// max_file_size, regular, readable, UTF-8. References (${...}) have not been replaced yet.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/findings.hpp"
#include "daemon/config/yaml_tree.hpp"

namespace pointsman {

inline constexpr std::size_t max_file_size = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t max_included_files = 200;

struct YamlSource {
  YamlNode root;                   ///< a map
  std::vector<std::string> files;  ///< in the order that they were read
  bool readable = false;           ///< false: some file is missing or not YAML; do not go on
};

YamlSource read_source(const std::filesystem::path& main, Findings& findings);

/// The same of a text that is at hand. What it includes is not read.
YamlSource source_of_text(std::string text, const std::string& name, Findings& findings);

/// The text of one file, checked to be UTF-8 text, without a byte order mark. An error is noted.
std::optional<std::string> read_text_file(const std::string& file, Findings& findings);

}  // namespace pointsman
