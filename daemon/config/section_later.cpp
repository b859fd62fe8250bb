// Sections that the SPEC names and this version does not act on yet: looked at, and said so once.
#include <array>

#include <fmt/format.h>

#include "daemon/config/draft.hpp"

namespace pointsman {

void read_later_sections(MapReader& root, Draft& draft) {
  static constexpr std::array<std::string_view, 5> names{"slos", "maintenance", "fleet", "backups",
                                                         "runbooks"};
  for (const auto name : names) {
    const YamlNode* section = root.find_section(name);
    if (!section) continue;
    const MapReader map(draft.findings, section, std::string(name), root.key_position(name));
    if (map.node()) root.warn(name, "read, but this version does not act on it yet");
    if (name == "fleet") draft.has_fleet = map.node() != nullptr;
    if (name == "backups" && map.node()) {
      for (const auto& entry : map.node()->entries) draft.backups.push_back(entry.key);
    }
  }
}

}  // namespace pointsman
