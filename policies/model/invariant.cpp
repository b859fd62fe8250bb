#include "policies/model/invariant.hpp"

#include <cstdio>
#include <cstdlib>

namespace pointsman {

void invariant_broken(const char* text, const char* file, int line) noexcept {
  std::fprintf(stderr, "pointsman: invariant broken: %s (%s:%d)\n", text, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace pointsman
