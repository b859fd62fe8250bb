#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "daemon/http/event_ring.hpp"
#include "daemon/http/event_text.hpp"
#include "tests/unit/http/world.hpp"

using namespace pointsman;
using namespace pointsman::test;

namespace {

Record record(const std::string& text) {
  return Record{RecordKind::decision, "bud", text, {{"row", "primary_dead"}}, {}};
}

struct Feed {
  EventRing ring;
  HttpSource source;
  Feed() {
    source.last_event = [this] { return ring.last(); };
    source.events_since = [this](std::uint64_t seq, std::size_t limit) {
      return ring.since(seq, limit);
    };
  }
  void add(int count) {
    for (int i = 0; i < count; ++i) ring.add(record("n"), fixed_times().wall);
  }
  /// All that a reader gets who stands at `after`.
  std::string read(std::uint64_t& after) const {
    std::string all;
    for (std::string piece; append_events(piece, source, after); piece.clear()) all += piece;
    return all;
  }
};

int count(const std::string& text, const std::string& what) {
  int found = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("the ring keeps the newest, numbered without a gap") {
  EventRing ring;
  CHECK(ring.since(0, 10).empty());
  ring.start_after(500);
  for (std::size_t i = 0; i < event_ring_entries + 5; ++i) ring.add(record("x"), {});
  CHECK(ring.last() == 500 + event_ring_entries + 5);
  CHECK(ring.since(0, 1).front().seq == 506);
  CHECK(ring.since(0, 5000).size() == event_ring_entries);
  CHECK(ring.since(506, 2).front().seq == 507);
  CHECK(ring.since(ring.last() - 1, 10).size() == 1);
  CHECK(ring.since(ring.last(), 10).empty());
  CHECK(ring.since(ring.last() + 1, 10).empty());
}

TEST_CASE("numbers with holes are no gap, and one that is late takes its place") {
  Feed feed;
  for (const std::uint64_t seq : {20'001u, 20'002u, 40'001u, 40'003u, 40'002u}) {
    feed.ring.add({seq, fixed_times().wall, "decision", "bud", "x", {}});
  }
  CHECK(feed.ring.last() == 40'003);
  std::uint64_t after = 20'002;
  const std::string all = feed.read(after);
  CHECK(count(all, "event: gap") == 0);
  CHECK(count(all, "id: ") == 3);
  CHECK(all.find("id: 40002") < all.find("id: 40003"));
  CHECK(after == 40'003);
  CHECK(before_newest(feed.source, 2) == 40'001);
  CHECK(before_newest(feed.source, 4) == 20'001);
  CHECK(before_newest(feed.source, 5) == 20'000);
  CHECK(before_newest(feed.source, 50) == 20'000);
  CHECK(before_newest(Feed().source, 50) == 0);
  // From before what is in memory.
  CHECK(boost::json::parse(events_document(feed.source, 5, 10)).at("gap").as_bool());
}

TEST_CASE("a long text is cut, so that memory is bounded") {
  EventRing ring;
  ring.add(record(std::string(100'000, 'x')), {});
  CHECK(ring.since(0, 1).front().text.size() < event_text_bytes + 10);
}

TEST_CASE("events are written as a browser's EventSource reads them") {
  Feed feed;
  feed.ring.add(record("two\nlines"), fixed_times().wall);
  std::uint64_t after = 0;
  CHECK(feed.read(after) ==
        "id: 1\nevent: decision\n"
        "data: {\"seq\":1,\"at\":\"2026-11-24T10:00:00.000Z\",\"kind\":\"decision\","
        "\"subject\":\"bud\",\"text\":\"two\\nlines\",\"details\":{\"row\":\"primary_dead\"}}\n\n");
  CHECK(after == 1);
  CHECK(feed.read(after).empty());
}

TEST_CASE("a reader gets each event once, in pieces, and then nothing") {
  Feed feed;
  feed.add(350);
  std::uint64_t after = 100;
  const std::string all = feed.read(after);
  CHECK(count(all, "id: ") == 250);
  CHECK(count(all, "event: gap") == 0);
  CHECK(after == 350);
}

TEST_CASE("whoever is behind the ring is told of the gap first") {
  Feed feed;
  feed.add(static_cast<int>(event_ring_entries) + 50);
  std::uint64_t after = 10;
  const std::string all = feed.read(after);
  CHECK(all.find("id: 50\nevent: gap\ndata: {\"after\":10,\"next\":51}\n\nid: 51\n") == 0);
  CHECK(count(all, "event: gap") == 1);
  CHECK(after == feed.ring.last());
}

TEST_CASE("whoever comes with a number of another life is told, and goes on from what there is") {
  Feed feed;
  std::uint64_t after = 900;
  CHECK(feed.read(after) == "id: 0\nevent: gap\ndata: {\"after\":900,\"next\":1}\n\n");
  CHECK(after == 0);
  feed.add(2);
  after = 900;
  const std::string all = feed.read(after);
  CHECK(all.find("event: gap\ndata: {\"after\":900,\"next\":1}") != std::string::npos);
  CHECK(count(all, "event: decision") == 2);
  CHECK(after == 2);
}

TEST_CASE("as a document: the events, the last number, and whether some are missing") {
  Feed feed;
  feed.add(3);
  const auto document = boost::json::parse(events_document(feed.source, 1, 10));
  CHECK(document.at("last").as_int64() == 3);
  CHECK_FALSE(document.at("gap").as_bool());
  CHECK(document.at("events").as_array().size() == 2);
  CHECK(boost::json::parse(events_document(feed.source, 99, 10)).at("gap").as_bool());
  CHECK(boost::json::parse(events_document(HttpSource{}, 0, 10)).at("events").as_array().empty());
}
