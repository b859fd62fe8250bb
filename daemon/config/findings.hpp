// Errors and warnings, collected while reading goes on, so that all are told at once.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.hpp"

namespace pointsman {

class Findings {
 public:
  static constexpr std::size_t max_each = 1000;  ///< further ones are dropped

  void error(const Position& at, std::string path, std::string text) {
    if (errors_.size() < max_each) errors_.push_back({at, std::move(path), std::move(text)});
  }
  void warn(const Position& at, std::string path, std::string text) {
    if (warnings_.size() < max_each) warnings_.push_back({at, std::move(path), std::move(text)});
  }
  void error(Diagnostic diagnostic) {
    if (errors_.size() < max_each) errors_.push_back(std::move(diagnostic));
  }
  /// Nobody will run what is read (SecretUse::ignored): whether this process could does not matter.
  void set_only_read(bool yes) { only_read_ = yes; }
  bool only_read() const { return only_read_; }
  bool failed() const { return !errors_.empty(); }
  std::size_t error_count() const { return errors_.size(); }

  /// By file (in the order that they were read), line and column; what is equal is told once.
  std::vector<Diagnostic> sorted_errors(const std::vector<std::string>& files) const;
  std::vector<Diagnostic> sorted_warnings(const std::vector<std::string>& files) const;

 private:
  std::vector<Diagnostic> errors_, warnings_;
  bool only_read_ = false;
};

}  // namespace pointsman
