// What waits to be written, as plain values. Made on the loop's thread, turned into JSON and rows
// on the journal's. A text is cut at max_text bytes, so that a queue of 10,000 stays within memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/journal/journal.hpp"
#include "policies/simulation/recorder.hpp"

namespace pointsman {

inline constexpr std::size_t max_text = 16 * 1024;

struct EventRow {
  WallTime at{};
  std::string kind;  ///< a RecordKind's word, or "journal" for what is said of itself
  std::string subject, text;
  std::vector<std::pair<std::string, std::string>> details;
  std::uint64_t seq = 0;  ///< given when it is queued
};

struct SampleRow {
  WallTime at{};
  Sample sample;
};

/// A piece of what the engine was told; one with the key of another takes its place.
struct HistoryRow {
  RecordedRow row;
};

struct OutcomeRow {
  std::uint64_t intent_id = 0;
  ActionOutcome outcome = ActionOutcome::unknown;
  std::string message;
  WallTime at{};
};

/// On the wall clock: the times within `memory` count for nothing here (row_of, memory_of).
struct MemoryRow {
  RouteMemory memory;
  WallTime at{};
  std::optional<WallTime> last_seen_at{}, last_switch_at{}, told_to_stop_at{};
  /// Either may go backwards: the clock by hand, the epoch when a start could not read the journal.
  bool supersedes(const MemoryRow& other) const {
    return memory.epoch >= other.memory.epoch || at >= other.at;
  }
};

using KeptKey = std::pair<std::string, std::string>;

using RecordRow = std::variant<EventRow, SampleRow, HistoryRow>;
using ActRow = std::variant<Intent, OutcomeRow>;

/// One transaction.
struct Batch {
  std::vector<ActRow> acts;  ///< in order: an outcome comes after its intent
  std::vector<MemoryRow> memories;
  std::vector<KeptRow> kept;
  std::vector<RecordRow> records;
  bool empty() const { return acts.empty() && memories.empty() && kept.empty() && records.empty(); }
};

}  // namespace pointsman
