// What waits or stands, as files outside SQLite hold it: JSON, read with distrust, each file
// replaced whole and synced. May block: not on the loop's thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "daemon/journal/rows.hpp"

namespace pointsman {

inline constexpr std::size_t max_entry_bytes = 4 << 20;  ///< a file is read up to these

/// What one file holds.
struct RuntimeEntry {
  std::filesystem::path file;
  std::string raw;  ///< to see whether it was written again since
  std::optional<Intent> intent;
  std::optional<OutcomeRow> outcome;
  std::vector<MemoryRow> memories;
  std::optional<KeptRow> kept;
};

/// Fills the rest from `raw`, which may be anybody's. False: it is not ours. Pure.
bool read_entry(RuntimeEntry& entry);

boost::json::object json_of(const Intent& intent);
boost::json::object json_of(const OutcomeRow& outcome);
boost::json::object json_of(const MemoryRow& row);
boost::json::object json_of(const KeptRow& row);
/// Back. Throw what Boost.JSON throws where the value is no such row.
MemoryRow held_memory_of(const boost::json::value& value);
KeptRow held_kept_of(const boost::json::value& value);

/// Nothing: it can not be opened.
std::optional<std::string> contents_of(const std::filesystem::path& file);
/// By way of FILE.new, so that a kill leaves the old or the new one. Creates its folder.
bool replace_file(const std::filesystem::path& file, const std::string& text);

}  // namespace pointsman
