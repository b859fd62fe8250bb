// A journal.db, read for `simulate --history`: what the engine was told, and what was decided then.
//
// Reads only; the file may be that of a running daemon, a copy, or of an older version (then there
// is no history in it, which is an error that says so). Blocks on the disk; not for the loop.
#pragma once

#include <filesystem>
#include <vector>

#include "daemon/journal/journal.hpp"
#include "policies/model/result.hpp"
#include "policies/simulation/history.hpp"

namespace pointsman {

struct RecordedPast {
  History history;                   ///< its axis: nanoseconds since 1970
  std::vector<StoredEvent> decided;  ///< what the policy of then did, in order
  std::uint64_t unreadable = 0;      ///< rows that were left out
};

/// What ended at `since` or later.
Result<RecordedPast> read_past(const std::filesystem::path& file, WallTime since);

}  // namespace pointsman
