// `pointsman probe NAME`: one run of one configured probe, outside the daemon, told step by step.
#pragma once

#include <filesystem>
#include <string>

namespace pointsman {

struct ProbeOnce {
  std::filesystem::path config_file;
  std::string name;
  bool verbose = false;
  bool json = false;
};

/// 0 when it passed or warned, 1 when it failed or could not be judged, 2 for an unknown name, 78
/// for a configuration with errors.
int probe_once(const ProbeOnce& options);

}  // namespace pointsman
