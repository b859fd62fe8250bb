// Listeners to /v1/events: what they get, what slow and rude ones cost, how they end.
#include <catch2/catch.hpp>

#include "tests/integration/http/running_server.hpp"

using namespace pointsman;
using namespace pointsman::test;
using Clock = std::chrono::steady_clock;

namespace {
int count(const std::string& text, const std::string& what) {
  int found = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}
}  // namespace

TEST_CASE("a listener is told of each new event at once") {
  RunningServer server;
  server.say("before");
  Client client(server.port());
  REQUIRE(client.send(get("/v1/events")));
  const std::string head = client.read_until("\r\n\r\n");
  CHECK(head.find("HTTP/1.1 200 OK\r\n") == 0);
  CHECK(head.find("Content-Type: text/event-stream\r\n") != std::string::npos);
  CHECK(head.find("Cache-Control: no-store\r\n") != std::string::npos);
  CHECK(head.find("Content-Length") == std::string::npos);
  for (const char* text : {"one", "two", "three"}) {
    const auto start = Clock::now();
    server.say(text);
    const std::string event = client.read_until("\n\n");
    CHECK(event.find(std::string("\"text\":\"") + text) != std::string::npos);
    CHECK(seconds_since(start) < 1);
  }
  CHECK(server.commands().empty());
}

TEST_CASE("?since and Last-Event-ID resume without a loss; what is gone is said") {
  RunningServer server;
  for (int i = 1; i <= 5; ++i) server.say("event " + std::to_string(i));
  Client by_query(server.port());
  by_query.send(get("/v1/events?since=3"));
  CHECK(by_query.read_until("event 4\"").find("event 3\"") == std::string::npos);
  CHECK_FALSE(by_query.read_until("event 5\"").empty());

  Client by_field(server.port());
  by_field.send(get("/v1/events?since=1", "Last-Event-ID: 4\r\n"));
  CHECK(by_field.read_until("event 5\"").find("event 4\"") == std::string::npos);

  server.restart_ring(1000);
  server.say("a new life");
  Client old(server.port());
  old.send(get("/v1/events?since=5"));
  CHECK(old.read_until("a new life\"").find("event: gap\ndata: {\"after\":5,\"next\":1001}") !=
        std::string::npos);
}

TEST_CASE("a quiet stream has a heartbeat, and outlives every deadline of other connections") {
  RunningServer server;
  Client client(server.port());
  client.send(get("/v1/events"));
  client.read_until("\r\n\r\n");
  const auto start = Clock::now();
  for (int i = 0; i < 6; ++i) REQUIRE(client.read_until(":\n\n") == ":\n\n");
  CHECK(seconds_since(start) > 1.4);  // longer than idle and header_deadline
  CHECK(seconds_since(start) < 10);
  server.say("still");
  CHECK_FALSE(client.read_until("still\"").empty());
}

TEST_CASE("HEAD has no stream behind it, and limit makes a document") {
  RunningServer server;
  server.say("one");
  Client client(server.port());
  client.send("HEAD /v1/events HTTP/1.1\r\nHost: t\r\n\r\n");
  const auto all = client.read_to_end();
  REQUIRE(all);
  CHECK(all->substr(all->size() - 4) == "\r\n\r\n");
  Client other(server.port());
  CHECK(other.ask(get("/v1/events?limit=5")).body.find("\"text\":\"one\"") != std::string::npos);
}

TEST_CASE("there are only so many listeners, and room again when one has gone") {
  RunningServer server;
  std::vector<Client> listeners;
  for (int i = 0; i < 3; ++i) {
    listeners.emplace_back(server.port());
    listeners.back().send(get("/v1/events"));
    REQUIRE_FALSE(listeners.back().read_until("\r\n\r\n").empty());
  }
  CHECK(Client(server.port()).ask(get("/v1/events")).status == 503);
  CHECK(Client(server.port()).ask(get("/health")).status == 200);
  listeners.pop_back();
  std::string head;
  for (int i = 0; i < 200 && head.find(" 200 ") == std::string::npos; ++i) {
    Client next(server.port());
    next.send(get("/v1/events"));
    head = next.read_until("\r\n\r\n");
  }
  CHECK(head.find(" 200 ") != std::string::npos);
}

TEST_CASE("a listener that does not read is dropped, the others and /health do not notice") {
  RunningServer server;
  Client slow(server.port(), 4096);
  slow.send(get("/v1/events?since=0"));
  Client quick(server.port());
  quick.send(get("/v1/events"));
  quick.read_until("\r\n\r\n");
  const std::string large(2000, 'x');
  double slowest = 0;
  const auto start = Clock::now();
  int said = 0;
  while (seconds_since(start) < 2.5) {
    for (int i = 0; i < 50; ++i, ++said) server.say(large);
    REQUIRE_FALSE(quick.read_until("\"seq\":" + std::to_string(said)).empty());
    const auto asked = Clock::now();
    REQUIRE(Client(server.port()).ask(get("/health")).status == 200);
    slowest = std::max(slowest, seconds_since(asked));
  }
  CHECK(slowest < 0.5);
  // It was dropped: what it gets now ends, far from the last event.
  const auto rest = slow.read_to_end();
  REQUIRE(rest);
  CHECK(rest->find("\"seq\":" + std::to_string(said) + ",") == std::string::npos);
}

TEST_CASE("a listener that talks on is not listened to, and ended when it does not stop") {
  RunningServer server;
  Client client(server.port());
  client.send(get("/v1/events") + get("/health"));
  client.read_until("\r\n\r\n");
  server.say("one");
  const std::string event = client.read_until("\n\n");
  CHECK(event.find("one") != std::string::npos);
  CHECK(event.find("HTTP/1.1") == std::string::npos);
  bool open = true;
  const auto start = Clock::now();
  while (open && seconds_since(start) < 5) open = client.send(std::string(1000, 'x'));
  CHECK_FALSE(open);
}

TEST_CASE("a listener that hangs up is forgotten") {
  RunningServer server;
  for (int i = 0; i < 20; ++i) {
    Client client(server.port());
    std::string head;
    // The one before may not have been noticed yet: there are three places.
    client.send(get("/v1/events"));
    head = client.read_until("\r\n\r\n");
    CHECK_FALSE(head.empty());
    if (i % 2 == 0) client.reset();
  }
  server.say("into the void");
  CHECK(Client(server.port()).ask(get("/health")).status == 200);
}

TEST_CASE("closing ends the streams with a farewell, at once") {
  RunningServer server;
  Client client(server.port());
  client.send(get("/v1/events"));
  client.read_until("\r\n\r\n");
  server.say("last");
  const auto start = Clock::now();
  std::atomic<bool> closed{false};
  server.on_loop([&] { server.server().close([&] { closed = true; }); });
  const auto rest = client.read_to_end();
  REQUIRE(rest);
  CHECK(rest->substr(rest->size() - std::string(": the daemon stops\n\n").size()) ==
        ": the daemon stops\n\n");
  while (!closed && seconds_since(start) < 5) std::this_thread::yield();
  CHECK(closed);
  CHECK(seconds_since(start) < 0.4);  // not only after the drain
}

TEST_CASE("a server can be destroyed while somebody listens") {
  std::optional<Client> client;
  {
    RunningServer server;
    client.emplace(server.port());
    client->send(get("/v1/events"));
    client->read_until("\r\n\r\n");
  }
  CHECK(client->read_to_end());
}

TEST_CASE("many events reach a reader whole and in order") {
  RunningServer server;
  Client client(server.port());
  client.send(get("/v1/events"));
  client.read_until("\r\n\r\n");
  server.on_loop([] {});
  for (int i = 1; i <= 1000; ++i) server.say("n");
  const std::string all = client.read_until("\"seq\":1000,");
  CHECK(count(all, "event: decision") == 1000);
  CHECK(count(all, "event: gap") == 0);
}
