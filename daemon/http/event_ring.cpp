#include "daemon/http/event_ring.hpp"

#include <algorithm>
#include <string>

namespace pointsman {
namespace {

/// Where it is cut within a character, the writer of JSON makes U+FFFD of the rest.
std::string cut(const std::string& text) {
  return text.size() <= event_text_bytes ? text : text.substr(0, event_text_bytes) + "…";
}

}  // namespace

void EventRing::add(const Record& record, WallTime at) {
  add({last_ + 1, at, std::string(to_text(record.kind)), record.subject, record.text,
       record.details});
}

void EventRing::add(StoredEventView event) {
  event.text = cut(event.text);
  for (auto& [name, value] : event.details) value = cut(value);
  if (events_.size() >= event_ring_entries) events_.pop_front();
  last_ = std::max(last_, event.seq);
  events_.insert(after(event.seq), std::move(event));
}

std::deque<StoredEventView>::const_iterator EventRing::after(std::uint64_t seq) const {
  return std::upper_bound(events_.begin(), events_.end(), seq,
                          [](std::uint64_t number, const auto& one) { return number < one.seq; });
}

std::vector<StoredEventView> EventRing::since(std::uint64_t seq, std::size_t limit) const {
  const auto begin = after(seq);
  const auto there = static_cast<std::size_t>(events_.end() - begin);
  return {begin, begin + static_cast<std::ptrdiff_t>(std::min(limit, there))};
}

}  // namespace pointsman
