// incidents, events, why --table.
#include "daemon/cli/event_reader.hpp"
#include "policies/diagnose.hpp"
#include "tests/unit/cli/test_daemon.hpp"

using namespace pointsman;
using namespace pointsman::test;
using Catch::Contains;

namespace {

std::string event(int seq) {
  return fmt::format(
      R"({{"seq":{},"at":"2026-11-24T10:00:00.000Z","kind":"decision","subject":"bud","text":"t{}","details":{{}}}})",
      seq, seq);
}
std::string streamed(int seq) {
  return fmt::format("id: {}\nevent: decision\ndata: {}\n\n", seq, event(seq));
}
std::string document(int last, const std::string& events) {
  return fmt::format(R"({{"last":{},"gap":false,"events":[{}]}})", last, events);
}

}  // namespace

TEST_CASE("incidents: a list, a story, or none of that number") {
  TestDaemon daemon;
  Command command;
  daemon.replies["GET /v1/incidents?limit=30"] = {
      200, R"({"open":1,"total":40,"incidents":[{"id":12,"state":"open","subject":"route:bud"}]})"};
  CHECK(command({"incidents", "--control", daemon.socket}) == 0);
  CHECK_THAT(command.out, Contains("route:bud") && Contains("39 more: --limit 40"));
  daemon.replies["GET /v1/incidents/12"] = {200, R"({"id":12,"state":"open","subject":"host"})"};
  CHECK(command({"incidents", "12", "--control", daemon.socket}) == 0);
  CHECK_THAT(command.out, Contains("Incident 12: host"));
  CHECK(command({"incidents", "12", "--json", "--control", daemon.socket}) == 0);
  CHECK(command.out == R"({"id":12,"state":"open","subject":"host"})"
                       "\n");
  daemon.replies["GET /v1/incidents/13"] = {404, R"({"error":"there is no incident"})"};
  CHECK(command({"incidents", "13", "--control", daemon.socket}) == 1);
  CHECK(command.err == "pointsman: there is no incident\n");
}

TEST_CASE("events: the newest, or those after a number") {
  TestDaemon daemon;
  Command command;
  daemon.replies["GET /v1/events?limit=30"] = {200, document(8, event(7) + "," + event(8))};
  CHECK(command({"events", "--control", daemon.socket}) == 0);
  CHECK(command.out ==
        "2026-11-24T10:00:00.000Z decision      bud: t7\n"
        "2026-11-24T10:00:00.000Z decision      bud: t8\n");
  CHECK(command({"events", "--json", "--control", daemon.socket}) == 0);
  CHECK(command.out == event(7) + "\n" + event(8) + "\n");
  daemon.replies["GET /v1/events?limit=5&since=2"] = {200, R"({"last":8,"gap":true,"events":[]})"};
  CHECK(command({"events", "--since", "2", "-n", "5", "--control", daemon.socket}) == 0);
  CHECK_THAT(command.err, Contains("not all events after 2"));
}

TEST_CASE("events --follow goes on where it was, over a daemon that ends, without a loss") {
  TestDaemon daemon;
  Command command;
  daemon.replies["GET /v1/events?limit=30"] = {200, document(7, event(7))};
  daemon.replies["GET /v1/events?since=7"] = {
      200, ":\n\n" + streamed(8) + streamed(9) + ": the daemon stops\n\n", true};
  daemon.replies["GET /v1/events?since=9"] = {
      200, "id: 99\nevent: gap\ndata: {\"after\":9,\"next\":100}\n\n" + streamed(100), true};
  daemon.replies["GET /v1/events?since=100"] = {200, streamed(101), true};
  command.pictures = 3;
  CHECK(command({"events", "--follow", "--json", "--control", daemon.socket}) == 3);
  CHECK(command.out == event(7) + "\n" + event(8) + "\n" + event(9) + "\n" + event(100) + "\n" +
                           event(101) + "\n");
  CHECK_THAT(command.err, Contains("has ended the stream; waiting for it to come back") &&
                              Contains("events between 9 and 100"));
  // Every daemon that goes is told once, not each second.
  daemon.replies["GET /v1/events?since=7"] = {503, R"({"error":"too many"})"};
  command.pictures = 5;
  CHECK(command({"events", "--follow", "--control", daemon.socket}) == 3);
  CHECK(command.err ==
        "pointsman: the daemon has as many listeners as it takes; waiting for it to "
        "come back\n");
  CHECK(command({"events", "--follow", "--control", "/nonexistent/socket"}) == 3);
}

TEST_CASE("events are read whatever the pieces that they come in") {
  const std::string all = ": hello\r\nid: 1\r\nevent: a\r\ndata: x\r\ndata:  y\r\n\r\n\n" +
                          std::string("id:2\ndata:z\n\nevent: none\n\n");
  for (std::size_t size = 1; size <= all.size(); ++size) {
    std::string seen;
    EventReader reader([&](const StreamEvent& one) {
      seen += fmt::format("[{}|{}|{}]", one.id, one.kind, one.data);
    });
    for (std::size_t at = 0; at < all.size(); at += size) {
      REQUIRE(reader.read(std::string_view(all).substr(at, size)));
    }
    CHECK(seen == "[1|a|x\n y][2||z]");
  }
  EventReader endless([](const StreamEvent&) {});
  bool reads = true;
  for (int i = 0; i < 100 && reads; ++i) reads = endless.read(std::string(100'000, 'x'));
  CHECK_FALSE(reads);
}

TEST_CASE("why --table needs no daemon, why alone needs a route") {
  Command command;
  CHECK(command({"why", "--table"}) == 0);
  CHECK(command.out == print_diagnosis_table());
  CHECK(command({"why"}) == 2);
  CHECK_THAT(command.err, Contains("ROUTE is required"));
}
