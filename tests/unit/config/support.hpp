// What the tests of the configuration share: files in a folder of their own, and loading that must
// go well.
#pragma once

#include <catch2/catch.hpp>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "daemon/config/config.hpp"

namespace pointsman {

/// A new folder, gone with all that is in it at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "pointsman-config-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string write(const std::string& name, const std::string& text) const {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string all_text(const LoadFailure& failure) {
  std::string text;
  for (const auto& error : failure.errors) text += to_text(error, false) + "\n";
  for (const auto& warning : failure.warnings) text += to_text(warning, true) + "\n";
  return text;
}

inline Config load_fine(const std::string& file, SecretUse secrets = SecretUse::required) {
  auto result = load_config(file, secrets);
  if (const auto* failure = std::get_if<LoadFailure>(&result)) FAIL(all_text(*failure));
  return std::get<Config>(std::move(result));
}

inline LoadFailure load_broken(const std::string& file, SecretUse secrets = SecretUse::required) {
  auto result = load_config(file, secrets);
  REQUIRE(std::holds_alternative<LoadFailure>(result));
  return std::get<LoadFailure>(std::move(result));
}

}  // namespace pointsman
