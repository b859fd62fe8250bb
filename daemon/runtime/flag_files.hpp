// The flags' files: RUNTIME_DIR/flags/NAME, how other programs of this host learn of a mode.
//
// Written whole or not at all (a temporary file and a rename); the content is the reason. The
// runtime folder is a tmpfs: this does not block. On the loop's thread.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/result.hpp"

namespace pointsman {

class FlagFiles {
 public:
  explicit FlagFiles(std::filesystem::path runtime_folder)
      : folder_(std::move(runtime_folder) / "flags") {}

  Status write(const WriteFlag& flag) const;
  bool is_set(const std::string& name) const;
  /// At a start: removes, and names, the files of flags that nobody remembers. A kill between a
  /// file and its record leaves one, and nothing would ever clear it.
  std::vector<std::string> forget_all_but(const std::set<std::string>& remembered) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace pointsman
