// A command as the YAML writes it: argv, and beside it `user` and `env`. For the exec probe, hooks,
// steps, notifiers and whatever else runs one; no shell ever does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/map_reader.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// A list whose first is an absolute path; empty after an error.
std::vector<std::string> read_command(MapReader& reader, std::string_view key,
                                      std::string_view example);

/// `user` and `env`. Another user than ourselves is an error unless we are root or are only
/// reading.
void read_exec_surroundings(MapReader& reader, ExecSpec& spec);

}  // namespace pointsman
