// A secret that cannot be printed: no operator<<, no conversion, no formatter. reveal() is the one
// way to its text, and grep finds every use of it.
#pragma once

#include <string>
#include <utility>

namespace pointsman {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string text_;
};

}  // namespace pointsman
