// Operators' commands: over the control socket, and nowhere else.
#include <unistd.h>
#include <catch2/catch.hpp>

#include "tests/integration/http/running_server.hpp"

using namespace pointsman;
using namespace pointsman::test;
using Clock = std::chrono::steady_clock;

namespace {
std::string post(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

/// The callback of notify/test, once it has been asked for.
CommandCallback wait_for_question(RunningServer& server) {
  const auto start = Clock::now();
  CommandCallback waiting;
  while (!(waiting = server.take_waiting()) && seconds_since(start) < 5) std::this_thread::yield();
  return waiting;
}
const std::string notify_test = post("/v1/notify/test", R"({"notifier":"oncall"})");
}  // namespace

TEST_CASE("a command over the control socket is carried out, and says by whom") {
  RunningServer server;
  Client client(server.control_path());
  const Reply reply = client.ask(post("/v1/pause", R"({"reason":"racks"})"));
  CHECK(reply.status == 200);
  CHECK(reply.body == "{\"message\":\"done\"}\n");
  CHECK(client.ask(post("/v1/flags/set", R"({"name":"a"})")).status == 200);
  const std::string me = " by uid " + std::to_string(::geteuid());
  CHECK(server.commands() == std::vector<std::string>{R"(pause {"reason":"racks"})" + me,
                                                      R"(flags/set {"name":"a"})" + me});
}

TEST_CASE("no command is taken over TCP, whoever asks") {
  HttpSettings settings{{"127.0.0.0/8", "::1/128"}, Secret{"s3cret"}, short_limits()};
  RunningServer server(settings);
  for (const char* path :
       {"/v1/switch", "/v1/switch/cancel", "/v1/pause", "/v1/resume", "/v1/drain", "/v1/undrain",
        "/v1/flags/set", "/v1/flags/clear", "/v1/ack", "/v1/approve", "/v1/refuse",
        "/v1/notify/test", "/v1/reload"}) {
    INFO(path);
    Client client(server.port());
    const std::string with_token = "POST " + std::string(path) +
                                   " HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer s3cret\r\n"
                                   "Content-Length: 2\r\n\r\n{}";
    const Reply reply = client.ask(with_token);
    CHECK(reply.status == 403);
    CHECK(reply.body.find("control socket") != std::string::npos);
  }
  CHECK(server.commands().empty());
  CHECK_FALSE(server.take_waiting());
  CHECK(server.reloads == 0);
}

TEST_CASE("a body over 16 KiB is refused before it is read whole") {
  RunningServer server;
  Client large(server.control_path());
  CHECK(large.ask("POST /v1/pause HTTP/1.1\r\nHost: t\r\nContent-Length: 16385\r\n\r\n").status ==
        413);
  Client chunked(server.control_path());
  chunked.send("POST /v1/pause HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "1000\r\n" + std::string(0x1000, ' ') + "\r\n";
  for (int i = 0; i < 5; ++i) chunked.send(chunk);
  CHECK(chunked.read_reply().status == 413);
  Client fits(server.control_path());
  CHECK(fits.ask(post("/v1/pause", std::string(16 * 1024 - 2, ' ') + "{}")).status == 200);
  CHECK(server.commands().size() == 1);
}

TEST_CASE("what is no JSON object is 400") {
  RunningServer server;
  Client client(server.control_path());
  CHECK(client.ask(post("/v1/pause", "reason=x")).status == 400);
  CHECK(client.ask(post("/v1/pause", "[1]")).status == 400);
  CHECK(client.ask(post("/v1/pause", std::string(10'000, '['))).status == 400);
  CHECK(server.commands().empty());
}

TEST_CASE("an answer that takes a while comes when it is there, and the next request after it") {
  RunningServer server;
  Client client(server.control_path());
  REQUIRE(client.send(notify_test + get("/livez")));
  const CommandCallback waiting = wait_for_question(server);
  REQUIRE(waiting);
  CHECK(Client(server.control_path()).ask(get("/livez")).status == 200);  // others do not wait
  server.on_loop([&] { waiting(CommandAnswer{200, {{"message", "taken"}}}); });
  CHECK(client.read_reply().body == "{\"message\":\"taken\"}\n");
  CHECK(client.read_reply().body == "{\"status\":\"ok\"}\n");
}

TEST_CASE("an answer that does not come in time is 504; one that comes too late hurts nobody") {
  RunningServer server;
  Client client(server.control_path());
  client.send(notify_test);
  const CommandCallback waiting = wait_for_question(server);
  CHECK(client.read_reply().status == 504);
  CHECK(client.read_to_end());
  server.on_loop([&] { waiting(CommandAnswer{}); });
  server.on_loop([&] { waiting(CommandAnswer{}); });
  CHECK(Client(server.control_path()).ask(get("/livez")).status == 200);
}

TEST_CASE("who hangs up meanwhile is forgotten") {
  RunningServer server;
  CommandCallback waiting;
  {
    Client client(server.control_path());
    client.send(notify_test);
    waiting = wait_for_question(server);
    REQUIRE(waiting);
  }
  server.on_loop([&] { waiting(CommandAnswer{200, {{"message", "taken"}}}); });
  CHECK(Client(server.control_path()).ask(get("/livez")).status == 200);
}

TEST_CASE("an answer that is under way at the close is still given") {
  RunningServer server;
  Client client(server.control_path());
  client.send(notify_test);
  const CommandCallback waiting = wait_for_question(server);
  REQUIRE(waiting);
  std::atomic<bool> closed{false};
  server.on_loop([&] { server.server().close([&] { closed = true; }); });
  server.on_loop([&] { waiting(CommandAnswer{200, {{"message", "taken"}}}); });
  const Reply reply = client.read_reply();
  CHECK(reply.status == 200);
  CHECK(reply.head.find("Connection: close") != std::string::npos);
  CHECK(client.read_to_end());
  const auto start = Clock::now();
  while (!closed && seconds_since(start) < 5) std::this_thread::yield();
  CHECK(closed);
}

TEST_CASE("a server can be destroyed while an answer is waited for") {
  CommandCallback waiting;
  {
    RunningServer server;
    Client client(server.control_path());
    client.send(notify_test);
    waiting = wait_for_question(server);
    REQUIRE(waiting);
    server.on_loop([&] { waiting = nullptr; });  // as the daemon's task group does
  }
  CHECK_FALSE(waiting);
}
