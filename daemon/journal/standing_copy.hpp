// STATE_DIR/standing.json: a copy of what stands (the pause, the drain, flags, ladders) and of what
// is known of the routes, beside journal.db and in a form that any version reads. A start that
// finds journal.db damaged, gone or of a newer version takes them from here: a disk that went bad
// does not end a pause.
//
// Of the journal's thread; may block. Without incidents and alerts, which would be most of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "daemon/journal/rows.hpp"

namespace pointsman {

class StandingCopy {
 public:
  explicit StandingCopy(const std::filesystem::path& state_dir)
      : file_(state_dir / "standing.json") {}

  static bool has_place_for(const KeptRow& row) {
    return row.kind != "incident" && row.kind != "outbox";
  }

  enum class Found { nothing, garbage, rows };
  /// Adds what the file holds.
  Found read(std::vector<MemoryRow>& routes, std::vector<KeptRow>& kept) const;
  /// Does nothing where that is what it holds. False: it could not be written.
  bool write(const std::vector<MemoryRow>& routes, const std::vector<KeptRow>& kept);

 private:
  const std::filesystem::path file_;
  std::string written_;
};

}  // namespace pointsman
