#include <catch2/catch.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include <boost/asio/local/stream_protocol.hpp>

#include "probes/dial.hpp"
#include "tests/unit/probes/net_support.hpp"

using namespace pointsman;
using namespace pointsman::testing;
using namespace std::chrono_literals;

namespace {

/// What a dial came to, without its socket.
struct Dialled {
  Reason reason = Reason::ok;
  std::string message, address;
  bool open = false;
  std::optional<Duration> dns, connect;
};

asio::awaitable<Dialled> dial(NetWorld& world, const DialTarget& target,
                              const RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Dialed dialed = co_await async_dial(world.services(), target, context);
  co_return Dialled{dialed.reason,           dialed.message, dialed.address,
                    dialed.socket.is_open(), dialed.dns,     dialed.connect};
}

Dialled dial_now(NetWorld& world, const DialTarget& target, Duration timeout = 5s) {
  const RunContext context = world.context(timeout);
  return world.run(dial(world, target, context), timeout);
}

DialTarget target_of(const std::string& host, std::uint16_t port) {
  DialTarget target;
  target.host = host;
  target.port = port;
  return target;
}

Resolved addresses(std::initializer_list<const char*> list) {
  Resolved resolved;
  for (const char* address : list) resolved.addresses.push_back(asio::ip::make_address(address));
  return resolved;
}

}  // namespace

TEST_CASE("a listening port is reached and told of") {
  NetWorld world;
  RawServer server(world.loop, silent());
  const Dialled outcome = dial_now(world, target_of("127.0.0.1", server.port()));
  CHECK(outcome.reason == Reason::ok);
  CHECK(outcome.open);
  CHECK(outcome.address == "127.0.0.1");
  CHECK(outcome.connect.has_value());
  CHECK_FALSE(outcome.dns.has_value());
  REQUIRE(world.trace.size() == 1);
  CHECK_THAT(world.trace[0], Catch::StartsWith("connected to 127.0.0.1:"));
}

TEST_CASE("a closed port is refused") {
  NetWorld world;
  const std::uint16_t port = free_port();
  const Dialled outcome = dial_now(world, target_of("127.0.0.1", port));
  CHECK(outcome.reason == Reason::connect_refused);
  CHECK(outcome.message == "cannot connect to 127.0.0.1:" + std::to_string(port) + ": refused");
  CHECK_FALSE(outcome.open);
}

TEST_CASE("no answer to the connect is a connect_timeout at the deadline") {
  NetWorld world;
  const BlackHole hole(world.loop);
  const Dialled outcome = dial_now(world, target_of("127.0.0.1", hole.port()), 50ms);
  CHECK(outcome.reason == Reason::connect_timeout);
  CHECK_THAT(outcome.message, Catch::StartsWith("no connection to 127.0.0.1:"));
}

TEST_CASE("a name without an answer is a dns_timeout, one without an address dns_failed") {
  NetWorld slow([](const std::string&, IpVersion) {
    ::usleep(200'000);
    return Resolved{};
  });
  const Dialled late = dial_now(slow, target_of("slow.example", 80), 20ms);
  CHECK(late.reason == Reason::dns_timeout);
  CHECK_THAT(late.message, Catch::StartsWith("no answer for the name slow.example within "));

  NetWorld none([](const std::string&, IpVersion) {
    Resolved resolved;
    resolved.error = ResolveError::not_found;
    resolved.message = "Name or service not known";
    return resolved;
  });
  const Dialled failed = dial_now(none, target_of("no.example", 80));
  CHECK(failed.reason == Reason::dns_failed);
  CHECK(failed.message == "cannot resolve no.example: Name or service not known");
}

TEST_CASE("an overloaded resolver is a fault of ours") {
  NetWorld world([](const std::string&, IpVersion) {
    Resolved resolved;
    resolved.error = ResolveError::overloaded;
    return resolved;
  });
  const Dialled outcome = dial_now(world, target_of("a.example", 80));
  CHECK(outcome.reason == Reason::prober_error);
  CHECK(finding_of_failure(outcome.reason, {}, {}).outcome == pointsman::Outcome::inconclusive);
}

TEST_CASE("a dead first address leaves time for the second") {
  NetWorld world([](const std::string&, IpVersion) {
    return addresses({"127.0.0.2", "127.0.0.1"});
  });
  RawServer server(world.loop, silent());
  const BlackHole hole(world.loop, "127.0.0.2", server.port());
  const Dialled outcome = dial_now(world, target_of("two.example", server.port()), 400ms);
  CHECK(outcome.reason == Reason::ok);
  CHECK(outcome.address == "127.0.0.1");
  CHECK(outcome.dns.has_value());
}

TEST_CASE("when every address fails, the most telling failure is reported") {
  NetWorld world([](const std::string&, IpVersion) {
    return addresses({"127.0.0.1", "127.0.0.2"});
  });
  const std::uint16_t port = free_port();
  const BlackHole hole(world.loop, "127.0.0.2", port);
  const Dialled outcome = dial_now(world, target_of("two.example", port), 60ms);
  CHECK(outcome.reason == Reason::connect_refused);
  CHECK(outcome.message ==
        "cannot connect to 127.0.0.1:" + std::to_string(port) + ": refused (2 addresses tried)");
}

TEST_CASE("a numeric host of the other IP version is told without a lookup") {
  NetWorld world;
  DialTarget target = target_of("127.0.0.1", 1);
  target.ip = IpVersion::v6;
  const Dialled outcome = dial_now(world, target);
  CHECK(outcome.reason == Reason::dns_failed);
  CHECK(outcome.message == "127.0.0.1 is not an IPv6 address");
}

TEST_CASE("unix sockets") {
  NetWorld world;
  const std::string folder = std::filesystem::temp_directory_path() / "pointsman-dial-XXXXXX";
  std::string made = folder;
  REQUIRE(::mkdtemp(made.data()) != nullptr);
  DialTarget target;
  target.unix_socket = made + "/s";
  const Dialled missing = dial_now(world, target);
  CHECK(missing.reason == Reason::unreachable);
  CHECK(missing.message == "cannot connect to " + made + "/s: there is no such socket");
  {
    asio::local::stream_protocol::acceptor acceptor(
        world.loop, asio::local::stream_protocol::endpoint(target.unix_socket));
    CHECK(dial_now(world, target).reason == Reason::ok);
  }
  CHECK(dial_now(world, target).reason == Reason::connect_refused);
  target.unix_socket = "/" + std::string(200, 'x');
  CHECK(dial_now(world, target).reason == Reason::prober_error);
  std::filesystem::remove_all(made);
}

TEST_CASE("without a file descriptor the probe is inconclusive") {
  NetWorld world;
  RawServer server(world.loop, silent());
  const std::uint16_t port = server.port();
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 3;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const Dialled outcome = dial_now(world, target_of("127.0.0.1", port));
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(outcome.reason == Reason::prober_error);
  CHECK_THAT(outcome.message, Catch::EndsWith("we have no file descriptor left"));
}

TEST_CASE("what an errno means") {
  CHECK(fault_of_connect(EHOSTUNREACH, true).reason == Reason::unreachable);
  CHECK(fault_of_connect(ENETUNREACH, true).reason == Reason::unreachable);
  CHECK(fault_of_connect(ECONNRESET, true).reason == Reason::connect_refused);
  CHECK(fault_of_connect(ENFILE, true).reason == Reason::prober_error);
  CHECK(fault_of_connect(ENOBUFS, true).reason == Reason::prober_error);
  CHECK(fault_of_connect(EADDRNOTAVAIL, true).reason == Reason::prober_error);
  CHECK(fault_of_connect(EADDRNOTAVAIL, false).reason == Reason::unreachable);
  CHECK(fault_of_io(asio::error::eof).reason == Reason::protocol_error);
  CHECK(fault_of_io(asio::error::no_memory).reason == Reason::prober_error);
}

TEST_CASE("durations and endpoints in words") {
  CHECK(duration_text(1500us) == "1.5 ms");
  CHECK(duration_text(350ms) == "350 ms");
  CHECK(duration_text(2s) == "2.0 s");
  CHECK(endpoint_text("::1", 80) == "[::1]:80");
  CHECK(endpoint_text("a", 80) == "a:80");
}
