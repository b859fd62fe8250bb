// The newest events in memory, numbered, for /v1/events.
//
// daemon/app adds each event as it is journalled, at the start those that the journal still has,
// and gives `since` and `last` to HttpSource. Never reads the journal: a disk that hangs does not
// hold a listener. The numbers are the journal's: they grow, also over restarts, with holes.
// Limits: event_ring_entries, event_text_bytes of each text. Loop's thread.
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
  /// With the number that it has; one that is late takes its place among the others.
  void add(StoredEventView event);

  /// With a greater number than `seq`, oldest first, at most `limit`.
  std::vector<StoredEventView> since(std::uint64_t seq, std::size_t limit) const;
  std::uint64_t last() const { return last_; }

 private:
  std::deque<StoredEventView>::const_iterator after(std::uint64_t seq) const;

  std::deque<StoredEventView> events_;
  std::uint64_t last_ = 0;
};

}  // namespace pointsman
