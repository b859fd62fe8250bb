// What `pointsman check` prints of a configuration that was found fine: what was read, what was
// inferred, and how long things will take. Plain text or JSON; no secret, no colour. Pure; any
// thread.
#pragma once

#include <string>

#include <boost/json/value.hpp>

#include "daemon/config/config.hpp"

namespace pointsman {

std::string describe(const Config& config);
/// The same; times in seconds.
boost::json::value describe_json(const Config& config);

}  // namespace pointsman
