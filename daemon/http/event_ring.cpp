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
  if (events_.size() >= event_ring_entries) events_.pop_front();
  StoredEventView event{++last_,          at, std::string(to_text(record.kind)), record.subject,
                        cut(record.text), {}};
  for (const auto& [name, value] : record.details) event.details.emplace_back(name, cut(value));
  events_.push_back(std::move(event));
}

std::vector<StoredEventView> EventRing::since(std::uint64_t seq, std::size_t limit) const {
  if (seq >= last_ || events_.empty()) return {};
  const std::uint64_t first = events_.front().seq;
  const std::size_t skip = seq < first ? 0 : static_cast<std::size_t>(seq - first + 1);
  const std::size_t count = std::min(limit, events_.size() - std::min(skip, events_.size()));
  const auto begin = events_.begin() + static_cast<std::ptrdiff_t>(skip);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace pointsman
