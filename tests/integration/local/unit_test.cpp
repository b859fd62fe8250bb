// The unit probe: without a bus, on a bus without systemd (both here), and with a real systemd. The
// last is run inside a booted container by tests/e2e/test_systemd.py, since it needs systemd as
// process 1.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

#include "run_probe.hpp"

using namespace pointsman;
using namespace pointsman::test;
using namespace std::chrono_literals;

namespace {

sockaddr_un socket_name(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  return name;
}

/// A dbus-daemon of our own on a socket in `folder`.
class PrivateBus {
 public:
  explicit PrivateBus(const TempFolder& folder) : socket_(folder / "bus") {
    const auto config = folder / "bus.conf";
    std::ofstream(config) << "<busconfig><listen>unix:path=" << socket_
                          << "</listen><policy context=\"default\"><allow "
                             "send_destination=\"*\"/><allow receive_sender=\"*\"/>"
                             "<allow own=\"*\"/></policy></busconfig>";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile",
               ("--config-file=" + config).c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 500 && !accepts(); ++i) std::this_thread::sleep_for(10ms);
  }
  ~PrivateBus() { stop(); }
  PrivateBus(const PrivateBus&) = delete;
  PrivateBus& operator=(const PrivateBus&) = delete;
  void signal(int number) { ::kill(pid_, number); }
  void stop() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::unlink(socket_.c_str());
    pid_ = 0;
  }

 private:
  bool accepts() const {
    const auto name = socket_name(socket_);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected =
        ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    ::close(fd);
    return connected;
  }

  std::string socket_;
  pid_t pid_ = 0;
};

class BusAddress {
 public:
  explicit BusAddress(const std::string& address) {
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1);
  }
  ~BusAddress() { ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS"); }
  BusAddress(const BusAddress&) = delete;
  BusAddress& operator=(const BusAddress&) = delete;
};

void expect(const Run& run, Outcome outcome, Reason reason, const std::string& message) {
  CHECK(run.finding->outcome == outcome);
  CHECK(run.finding->reason == reason);
  CHECK(run.finding->message == message);
}

std::string systemctl(const std::string& arguments) {
  return std::system(("systemctl --quiet " + arguments).c_str()) == 0 ? "" : arguments + " failed";
}

}  // namespace

TEST_CASE("no bus at all", "[unit]") {
  const TempFolder folder;
  const BusAddress address("unix:path=" + (folder / "none"));
  Loop loop;
  auto prober = make_unit_prober({"nginx", ""}, loop.services());
  for (int i = 0; i < 3; ++i) {
    expect(run_once(loop, *prober, 2s), Outcome::inconclusive, Reason::prober_error,
           "no system bus at unix:path=" + (folder / "none") + ": No such file or directory");
  }
}

TEST_CASE("a bus without systemd, that goes, comes back and hangs", "[unit]") {
  const TempFolder folder;
  const BusAddress address("unix:path=" + (folder / "bus"));
  Loop loop;
  auto prober = make_unit_prober({"nginx", ""}, loop.services());
  auto second = make_unit_prober({"redis", ""}, loop.services());
  const auto no_systemd = [&](Prober& one) {
    const auto run = run_once(loop, one, 5s);
    CHECK(run.finding->outcome == Outcome::inconclusive);
    CHECK(run.finding->reason == Reason::prober_error);
    CHECK_THAT(run.finding->message, Catch::StartsWith("systemd: "));
  };
  {
    PrivateBus bus(folder);
    no_systemd(*prober);
    no_systemd(*second);
    no_systemd(*prober);
    bus.signal(SIGSTOP);
    expect(run_once(loop, *prober, 200ms), Outcome::inconclusive, Reason::timeout,
           "systemd did not answer in time");
    expect(run_once(loop, *second, 200ms), Outcome::inconclusive, Reason::timeout,
           "systemd did not answer in time");
    bus.signal(SIGCONT);
    no_systemd(*prober);
  }
  const auto gone = run_once(loop, *prober, 5s);
  CHECK(gone.finding->outcome == Outcome::inconclusive);
  CHECK(gone.finding->reason == Reason::prober_error);
  PrivateBus again(folder);
  run_once(loop, *prober, 5s);  // may still find the old connection broken
  no_systemd(*prober);
  prober->close();
  second->close();
  loop.io.restart();
  CHECK(loop.io.run() < 100);  // nothing waits on the bus any more
}

TEST_CASE("a server that accepts and never speaks", "[unit]") {
  const TempFolder folder;
  const auto path = folder / "silent";
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto name = socket_name(path);
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
  REQUIRE(::listen(listener, 8) == 0);
  const BusAddress address("unix:path=" + path);
  Loop loop;
  auto prober = make_unit_prober({"nginx", ""}, loop.services());
  for (int i = 0; i < 3; ++i) {
    const auto run = run_once(loop, *prober, 100ms);
    CHECK(run.finding->reason == Reason::timeout);
    CHECK(run.took < 200ms);
  }
  ::close(listener);
}

// Hidden: needs systemd as process 1. tests/e2e/test_systemd.py runs it in a container.
TEST_CASE("units of a real systemd", "[.systemd]") {
  std::ofstream("/run/systemd/system/dummy.service")
      << "[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=100ms\n";
  std::ofstream("/run/systemd/system/crashing.service")
      << "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=1h\n";
  std::ofstream("/run/systemd/system/slow.service")
      << "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n";
  REQUIRE(systemctl("daemon-reload").empty());
  Loop loop;
  auto dummy = make_unit_prober({"dummy.service", "running"}, loop.services());
  expect(run_once(loop, *dummy, 5s), Outcome::fail, Reason::not_active, "inactive (dead)");
  REQUIRE(systemctl("start dummy").empty());
  expect(run_once(loop, *dummy, 5s), Outcome::pass, Reason::ok, "active (running)");
  REQUIRE(systemctl("kill -s KILL dummy").empty());
  Run run;
  for (int i = 0; i < 100; ++i) {
    run = run_once(loop, *dummy, 5s);
    if (run.finding->outcome == Outcome::pass &&
        std::get<UnitFacts>(run.finding->facts).restarts > 0)
      break;
    std::this_thread::sleep_for(50ms);
  }
  CHECK(std::get<UnitFacts>(run.finding->facts) == UnitFacts{"active", "running", 1});
  REQUIRE(systemctl("stop dummy").empty());
  expect(run_once(loop, *dummy, 5s), Outcome::fail, Reason::not_active, "inactive (dead)");

  auto crashing = make_unit_prober({"crashing", ""}, loop.services());
  REQUIRE(systemctl("start crashing").empty());
  for (int i = 0; i < 100; ++i) {
    run = run_once(loop, *crashing, 5s);
    if (run.finding->message == "activating (auto-restart)") break;
    std::this_thread::sleep_for(50ms);
  }
  expect(run, Outcome::fail, Reason::not_active, "activating (auto-restart)");

  auto slow = make_unit_prober({"slow", ""}, loop.services());
  REQUIRE(systemctl("start --no-block slow").empty());
  for (int i = 0; i < 100; ++i) {
    run = run_once(loop, *slow, 5s);
    if (run.finding->outcome == Outcome::warn) break;
    std::this_thread::sleep_for(50ms);
  }
  expect(run, Outcome::warn, Reason::not_active, "activating (start)");

  auto none = make_unit_prober({"no-such-thing", ""}, loop.services());
  expect(run_once(loop, *none, 5s), Outcome::fail, Reason::not_active,
         "no such unit: no-such-thing");
  auto mount = make_unit_prober({"-.mount", ""}, loop.services());
  expect(run_once(loop, *mount, 5s), Outcome::pass, Reason::ok, "active (mounted)");

  REQUIRE(systemctl("stop crashing slow").empty());
  // The bus restarts under us; the next runs find it again.
  REQUIRE(systemctl("restart dbus").empty());
  REQUIRE(systemctl("start dummy").empty());
  for (int i = 0; i < 100; ++i) {
    run = run_once(loop, *dummy, 5s);
    if (run.finding->outcome == Outcome::pass) break;
    std::this_thread::sleep_for(50ms);
  }
  expect(run, Outcome::pass, Reason::ok, "active (running)");
}
