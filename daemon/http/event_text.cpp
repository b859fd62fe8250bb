#include "daemon/http/event_text.hpp"

#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "daemon/http/json_writer.hpp"

namespace pointsman {
namespace {

void write_event(JsonWriter& json, const StoredEventView& event) {
  json.begin_object().key("seq").unsigned_integer(event.seq).key("at").time(event.at);
  json.key("kind").text(event.kind).key("subject").text(event.subject);
  json.key("text").text(event.text).key("details").details(event.details).end_object();
}

/// `after` is where the reader stands, `next` the number of the next event that there is.
void append_gap(std::string& out, std::uint64_t after, std::uint64_t next) {
  fmt::format_to(std::back_inserter(out),
                 "id: {}\nevent: gap\ndata: {{\"after\":{},\"next\":{}}}\n\n", next - 1, after,
                 next);
}

/// Are there events after `after` that are no longer in memory? Holes between numbers are none.
bool is_gap(const HttpSource& source, std::uint64_t after) {
  const auto oldest = source.events_since(0, 1);
  return !oldest.empty() && after + 1 < oldest.front().seq;
}

}  // namespace

bool append_events(std::string& out, const HttpSource& source, std::uint64_t& after) {
  if (!source.last_event || !source.events_since) return false;
  const std::uint64_t last = source.last_event();
  if (after == last) return false;
  if (after > last) {  // a number of another life of the daemon: all that there is, is new
    const auto first = source.events_since(0, 1);
    const std::uint64_t next = first.empty() ? last + 1 : first.front().seq;
    append_gap(out, after, next);
    after = next - 1;
    return true;
  }
  const auto events = source.events_since(after, event_batch);
  if (events.empty()) return false;
  if (is_gap(source, after)) append_gap(out, after, events.front().seq);
  JsonWriter json;
  for (const StoredEventView& event : events) {
    write_event(json, event);
    fmt::format_to(std::back_inserter(out), "id: {}\nevent: {}\ndata: {}\n", event.seq, event.kind,
                   json.take_line());
    after = event.seq;
    if (out.size() >= event_batch_bytes) break;
  }
  return true;
}

std::uint64_t before_newest(const HttpSource& source, std::size_t count) {
  if (!source.events_since) return 0;
  const auto all = source.events_since(0, std::numeric_limits<std::size_t>::max());
  if (all.empty()) return 0;
  if (all.size() <= count) return all.front().seq - 1;
  return all[all.size() - count - 1].seq;
}

std::string events_document(const HttpSource& source, std::uint64_t after, std::size_t limit) {
  std::vector<StoredEventView> events;
  std::uint64_t last = 0;
  bool gap = false;
  if (source.last_event && source.events_since) {
    last = source.last_event();
    gap = after > last;
    events = source.events_since(gap ? 0 : after, limit);
    gap = gap || is_gap(source, after);
  }
  JsonWriter json;
  json.begin_object().key("last").unsigned_integer(last).key("gap").boolean(gap);
  json.key("events").begin_array();
  for (const StoredEventView& event : events) write_event(json, event);
  json.end_array().end_object();
  return json.take_line();
}

}  // namespace pointsman
