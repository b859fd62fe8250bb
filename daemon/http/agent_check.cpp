#include "daemon/http/agent_check.hpp"

#include <cstddef>

namespace pointsman {

std::string agent_check_line(const Serving& serving) {
  constexpr std::size_t most = 200;
  if (serving.ok) return "up\n";
  std::string line = "down #";
  for (const char c : serving.reason) {
    if (line.size() >= most) break;
    line += c >= ' ' && c <= '~' ? c : '?';
  }
  return line + '\n';
}

}  // namespace pointsman
