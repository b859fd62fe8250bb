// The name of a systemd unit as the YAML writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/config/map_reader.hpp"

namespace pointsman {

/// `nginx` is nginx.service; nothing when the key is absent or the name is wrong (said).
std::optional<std::string> read_unit_name(MapReader& reader, std::string_view key);

}  // namespace pointsman
