#include "probes/fault_point.hpp"

#ifdef POINTSMAN_FAULT_POINTS
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace pointsman {

void fault_point(const char* name) {
  const char* wanted = std::getenv("POINTSMAN_FAULT");  // NOLINT(concurrency-mt-unsafe)
  if (wanted != nullptr && std::strcmp(wanted, name) == 0) std::raise(SIGKILL);
}

}  // namespace pointsman
#endif
