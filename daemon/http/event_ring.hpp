// The newest events in memory, numbered, for /v1/events.
//
// daemon/app adds each record as it is journalled and gives `since` and `last` to HttpSource. Never
// reads the journal: a disk that hangs does not hold a listener. Numbers grow by one; the first
// after a start follows what the journal had (`start_after`), so that a listener who comes back
// with an older number is told of the gap. Limits: event_ring_entries, event_text_bytes of each
// text. Loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "daemon/http/source.hpp"
#include "policies/model/effect.hpp"

namespace pointsman {

inline constexpr std::size_t event_ring_entries = 2000;
inline constexpr std::size_t event_text_bytes = 2048;

class EventRing {
 public:
  /// Before the first: the number of the last event of the daemon's life before.
  void start_after(std::uint64_t seq) { last_ = seq; }
  void add(const Record& record, WallTime at);

  /// With a greater number than `seq`, oldest first, at most `limit`.
  std::vector<StoredEventView> since(std::uint64_t seq, std::size_t limit) const;
  std::uint64_t last() const { return last_; }

 private:
  std::deque<StoredEventView> events_;
  std::uint64_t last_ = 0;
};

}  // namespace pointsman
