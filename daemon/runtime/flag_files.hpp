// The flags' files: RUNTIME_DIR/flags/NAME, how other programs of this host learn of a mode.
//
// Written whole or not at all (a temporary file and a rename); the content is the reason. The
// runtime folder is a tmpfs: this does not block. On the loop's thread.
#pragma once

#include <filesystem>
#include <string>

#include "policies/model/effect.hpp"
#include "policies/model/result.hpp"

namespace pointsman {

class FlagFiles {
 public:
  explicit FlagFiles(std::filesystem::path runtime_folder)
      : folder_(std::move(runtime_folder) / "flags") {}

  Status write(const WriteFlag& flag) const;
  bool is_set(const std::string& name) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace pointsman
