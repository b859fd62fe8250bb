// Opening and closing: clear errors, stale socket files, an end that is bounded.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstring>
#include <fstream>
#include <future>

#include "daemon/http/listen_socket.hpp"
#include "tests/integration/http/running_server.hpp"

using namespace pointsman;
using namespace pointsman::test;
using Clock = std::chrono::steady_clock;

namespace {

std::string error_of(const Result<int>& opened) {
  if (opened) ::close(opened.value());
  return opened ? "" : opened.error().message;
}

bool contains(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

/// Leaves the file of a socket on which nobody listens, as a killed daemon does.
void leave_stale_socket(const std::string& path) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  REQUIRE(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(descriptor);
}

}  // namespace

TEST_CASE("errors of listening name the address and the next step") {
  RunningServer server;
  const auto port = static_cast<std::uint16_t>(server.port());
  const std::string used = error_of(open_tcp_listener({"127.0.0.1", port}, "listen.http"));
  CHECK(contains(used, "127.0.0.1:" + std::to_string(port) + ": another program does already"));
  CHECK(contains(used, "listen.http"));
  CHECK(contains(error_of(open_tcp_listener({"192.0.2.1", 0}, "listen.http")),
                 "this machine does not have that address"));
  CHECK(contains(error_of(open_tcp_listener({"localhost", 0}, "listen.http")), "numeric address"));
}

TEST_CASE("\"::\" takes IPv4 clients, judged as IPv4") {
  const auto opened = open_tcp_listener({"::", 0}, "listen.http");
  if (!opened) {  // a machine without IPv6: then the error has to say so
    CHECK(contains(opened.error().message, "IPv6 is switched off"));
    return;
  }
  ::close(opened.value());
  RunningServer server;
  int port = 0;
  server.on_loop([&] {
    REQUIRE(server.server().listen_tcp({"::", 0}));
    port = server.server().local_endpoints().back().port;
  });
  Client client(port);
  CHECK(client.ask(get("/health")).status == 200);
  CHECK(client.ask(get("/v1/status")).status == 200);  // ::ffff:127.0.0.1 is of 127.0.0.0/8
}

TEST_CASE("the control socket's file: mode, stale, in use, no folder, no socket") {
  RunningServer server;
  struct stat found {};
  REQUIRE(::stat(server.control_path().c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0660);

  CHECK(contains(error_of(open_unix_listener(server.control_path())),
                 "another pointsman answers on it"));
  CHECK(Client(server.control_path()).ask(get("/health")).status == 200);

  CHECK(contains(error_of(open_unix_listener("/nonexistent/folder/c.sock")),
                 "the folder /nonexistent/folder"));
  CHECK(contains(error_of(open_unix_listener("/tmp/" + std::string(200, 'x'))), "1 to 107 bytes"));

  const std::string file = server.control_path() + ".txt";
  std::ofstream(file) << "precious";
  CHECK(contains(error_of(open_unix_listener(file)), "no socket"));
  CHECK(::access(file.c_str(), F_OK) == 0);

  const std::string stale = server.control_path() + ".stale";
  leave_stale_socket(stale);
  CHECK(error_of(open_unix_listener(stale)).empty());
}

TEST_CASE("closing refuses newcomers, finishes answers and ends in time") {
  RunningServer server;
  Client idle(server.port());
  REQUIRE(idle.ask(get("/health")).status == 200);
  Client reading(server.port(), 4096);
  REQUIRE(reading.send(get("/v1/status")));
  while (reading.connected() && !Client(server.port()).connected()) {
  }
  std::promise<void> closed;
  const auto start = Clock::now();
  // The large answer is under way when the loop gets to this, or not begun and then not answered.
  server.on_loop([&] { server.server().close([&] { closed.set_value(); }); });
  CHECK_FALSE(Client(server.port()).connected());
  CHECK_FALSE(Client(server.control_path()).connected());
  CHECK(idle.read_to_end() == "");
  closed.get_future().wait();
  CHECK(seconds_since(start) < 5);
  CHECK(::access(server.control_path().c_str(), F_OK) != 0);
}

TEST_CASE("async_close returns when nobody is connected any more") {
  RunningServer server;
  Client silent(server.port());
  REQUIRE(silent.ask(get("/health")).status == 200);
  std::promise<void> closed;
  server.on_loop([&] {
    asio::co_spawn(server.executor(), server.server().async_close(),
                   [&](std::exception_ptr) { closed.set_value(); });
  });
  closed.get_future().wait();
  CHECK(silent.read_to_end() == "");
}

TEST_CASE("another server can take the port at once") {
  int port = 0;
  {
    RunningServer server;
    port = server.port();
    Client client(port);
    REQUIRE(client.ask(get("/health", "Connection: close\r\n")).status == 200);
  }
  const auto again =
      open_tcp_listener({"127.0.0.1", static_cast<std::uint16_t>(port)}, "listen.http");
  CHECK(error_of(again).empty());
}
