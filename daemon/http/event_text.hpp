// Events as the bytes of a stream (text/event-stream, WHATWG HTML 9.2), and as one JSON document.
//
// Pure but for what HttpSource gives. A reader that asks for numbers that are no longer, or not
// yet, there is told by an event `gap` before the next one, never left to believe that it has all.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/http/source.hpp"

namespace pointsman {

inline constexpr std::size_t event_batch = 100;
inline constexpr std::size_t event_batch_bytes = 64 * 1024;
/// Appends what comes after `after`, until one of the limits is reached, and moves `after` on.
/// False: there was nothing new.
bool append_events(std::string& out, const HttpSource& source, std::uint64_t& after);

/// Where a reader stands who is to get the newest `count`.
std::uint64_t before_newest(const HttpSource& source, std::size_t count);

/// {"last":n,"gap":bool,"events":[…]}: at most `limit` after `after`.
std::string events_document(const HttpSource& source, std::uint64_t after, std::size_t limit);

}  // namespace pointsman
