// Slow, silent, many and rude clients: they end in time, and /health is answered all the while.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <list>

#include "tests/integration/http/running_server.hpp"

using namespace pointsman;
using namespace pointsman::test;
using Clock = std::chrono::steady_clock;

namespace {

/// The slowest of a few answers, each over a new connection.
double slowest_health(int port, int questions) {
  double slowest = 0;
  for (int i = 0; i < questions; ++i) {
    const auto start = Clock::now();
    REQUIRE(Client(port).ask(get("/health")).status == 200);
    slowest = std::max(slowest, seconds_since(start));
  }
  return slowest;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

TEST_CASE("a header that drips in is ended at its deadline with 408") {
  RunningServer server;
  Client slow(server.port());
  const auto start = Clock::now();
  REQUIRE(slow.send("GET /health HTTP/1.1\r\n"));
  double health = 0;
  while (seconds_since(start) < 5 && slow.send("X: y\r\n")) {
    health = std::max(health, slowest_health(server.port(), 1));
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    if (seconds_since(start) > 0.7) break;  // past the deadline: what comes now is the answer
  }
  CHECK(slow.read_reply().status == 408);
  CHECK(seconds_since(start) < 3);
  CHECK(health < 0.5);
}

TEST_CASE("a connection that never says anything is ended") {
  RunningServer server;
  Client silent(server.port());
  const auto start = Clock::now();
  CHECK(silent.read_to_end() == "");
  CHECK(seconds_since(start) >= 0.5);
  CHECK(seconds_since(start) < 3);
}

TEST_CASE("a body that does not come is ended with 408") {
  RunningServer server;
  Client slow(server.control_path());
  slow.send("POST /v1/reload HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhal");
  CHECK(slow.read_reply().status == 408);
  CHECK(server.reloads == 0);
}

TEST_CASE("an idle connection is kept for a while, then ended") {
  RunningServer server;
  Client client(server.port());
  const auto start = Clock::now();
  REQUIRE(client.ask(get("/health")).status == 200);
  CHECK(client.read_to_end() == "");
  CHECK(seconds_since(start) >= 1.1);
  CHECK(seconds_since(start) < 5);
}

TEST_CASE("clients that never read are cut and cost the others nothing") {
  RunningServer server;
  std::list<Client> deaf;
  for (int i = 0; i < 20; ++i) {
    deaf.emplace_back(server.port(), 4096);
    std::string requests;
    for (int k = 0; k < 100; ++k) requests += get("/v1/status");
    REQUIRE(deaf.back().send(requests));
  }
  CHECK(slowest_health(server.port(), 20) < 1);
  const auto start = Clock::now();
  bool all_cut = false;
  while (!all_cut && seconds_since(start) < 10) {  // a cut connection refuses what is sent to it
    all_cut = true;
    for (Client& client : deaf) all_cut = !client.send("\r\n") && all_cut;
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  CHECK(all_cut);
}

TEST_CASE("two thousand connections are all answered, and silent ones make room") {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  REQUIRE(limit.rlim_cur >= 4096);
  HttpLimits limits = short_limits();
  limits.idle = limits.header_deadline = std::chrono::seconds{30};
  RunningServer server(HttpSettings{{"127.0.0.0/8"}, {}, limits});
  std::list<Client> clients;
  for (int i = 0; i < 2000; ++i) clients.emplace_back(server.port());  // and say nothing
  CHECK(slowest_health(server.port(), 3) < 3);
  int answered = 0;
  for (Client& client : clients) {
    if (client.connected() && client.ask(get("/health")).status == 200) ++answered;
  }
  CHECK(answered >= 900);  // those that were not let go for the later ones
  CHECK(answered <= 1024);
}

TEST_CASE("many times more silent connections than there is room for delay others but briefly") {
  HttpLimits limits = short_limits();
  limits.connections = 16;
  limits.idle = limits.header_deadline = std::chrono::seconds{30};
  limits.sweep = std::chrono::seconds{1};
  RunningServer server(HttpSettings{{"127.0.0.0/8"}, {}, limits});
  std::list<Client> clients;
  for (int i = 0; i < 16 * 20; ++i) clients.emplace_back(server.port());  // and say nothing
  CHECK(slowest_health(server.port(), 1) < 10);  // a sweep for each sixteen would take 20 s
}

TEST_CASE("the port being full does not shut out the operator") {
  HttpLimits limits = short_limits();
  limits.connections = 4;
  limits.quiet = std::chrono::seconds{30};
  limits.idle = limits.header_deadline = std::chrono::seconds{30};
  RunningServer server(HttpSettings{{"127.0.0.0/8"}, {}, limits});
  std::list<Client> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back(server.port());
    REQUIRE(clients.back().ask(get("/health")).status == 200);
  }
  Client waits(server.port());  // stays in the kernel's backlog
  REQUIRE(waits.send(get("/health")));
  CHECK(Client(server.control_path()).ask(get("/v1/status")).status == 200);
  clients.pop_front();  // one goes, the waiting one is served
  CHECK(waits.read_reply().status == 200);
}

TEST_CASE("connections that are reset in the middle leave nothing behind") {
  RunningServer server;
  for (int i = 0; i < 100; ++i) {
    Client client(server.port());
    client.send(i % 3 == 0 ? get("/v1/status") : i % 3 == 1 ? "GET /hea" : get("/health"));
    client.reset();
  }
  CHECK(slowest_health(server.port(), 5) < 1);
}

TEST_CASE("out of descriptors the server waits instead of spinning, and comes back") {
  RunningServer server;
  REQUIRE(Client(server.port()).ask(get("/health")).status == 200);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);

  // A socket for the client first; then nothing is left for the server to accept it with.
  const int highest = ::dup(0);
  ::close(highest);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(highest) + 1;
  Client waits = [&] {
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
    return Client(server.port());
  }();
  const bool connected = waits.connected();
  const bool sent = connected && waits.send(get("/health"));
  const double cpu = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds{500});
  const double spent = cpu_seconds() - cpu;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(connected);
  REQUIRE(sent);
  CHECK(waits.read_reply().status == 200);
  CHECK(spent < 0.25);
  CHECK(server.warnings == 1);  // said once, not each time
}
