// A hash over everything that a probe or a route was made from, secrets included: when it is equal
// after a reload, nothing changed. SHA-256, so that it tells nothing of what went in. Pure; any
// thread.
#pragma once

#include <string>
#include <string_view>

#include "daemon/config/yaml_tree.hpp"

namespace pointsman {

class Fingerprint {
 public:
  void add(std::string_view text);
  /// The values, with references replaced; keys in their order by name, positions left out.
  void add(const YamlNode& node);
  /// 32 hexadecimal digits.
  std::string text() const;

 private:
  std::string all_;
};

}  // namespace pointsman
