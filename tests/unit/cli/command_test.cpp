// The whole command line but the daemon: arguments, the socket's search, answers, exit codes. What
// answers on the socket is a few lines here; tests/e2e asks the real daemon.
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <map>
#include <thread>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "daemon/cli/cli.hpp"
#include "daemon/cli/control_client.hpp"
#include "probes/clock.hpp"

using namespace pointsman;
using Catch::Contains;

namespace {

struct Reply {
  int status = 200;
  std::string body;
};

/// Answers each connection with what is set for "GET /path", then closes it.
class TestDaemon {
 public:
  std::string folder, socket;
  std::map<std::string, Reply> replies;
  std::vector<std::string> asked;
  std::atomic<bool> silent{false};  ///< takes connections, reads nothing, says nothing

  TestDaemon() {
    std::string name = (std::filesystem::temp_directory_path() / "cli-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    socket = folder + "/control.sock";
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket.c_str(), socket.size());
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 8) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~TestDaemon() {
    stop_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    if (held_ >= 0) ::close(held_);
    std::filesystem::remove_all(folder);
  }

 private:
  void serve() {
    while (!stop_) {
      const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) continue;
      if (silent) {
        held_ = peer;
        continue;
      }
      std::string request;
      char part[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const auto got = ::read(peer, part, sizeof part);
        if (got <= 0) break;
        request.append(part, static_cast<std::size_t>(got));
      }
      const auto key = request.substr(0, request.find(" HTTP/"));
      asked.push_back(key);
      const auto found = replies.find(key);
      const Reply reply = found == replies.end()
                              ? Reply{404, R"({"error":"there is nothing here"})"}
                              : found->second;
      const auto text = fmt::format(
          "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
          "Connection: close\r\n\r\n{}",
          reply.status, reply.body.size(), reply.body);
      (void)!::write(peer, text.data(), text.size());
      ::close(peer);
    }
  }

  int listener_ = -1;
  int held_ = -1;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Command {
  CliHooks hooks;
  std::map<std::string, std::string> environment;
  int pictures = 1;
  bool terminal = false;
  std::string out, err;
  std::vector<std::string> called;

  Command() {
    hooks.version = "1.2.3";
    hooks.commit = "abc1234";
    hooks.run = [this](const RunOptions& given) {
      called.push_back("run " + given.config);
      return 0;
    };
    hooks.check = [this](const CheckOptions& given) {
      called.push_back(fmt::format("check {} {} {}", given.file, given.json, given.strict));
      return exit_code::configuration;
    };
    hooks.probe = [this](const ProbeOptions& given) {
      called.push_back(
          fmt::format("probe {} {} {} {}", given.name, given.config, given.verbose, given.json));
      return exit_code::unhealthy;
    };
  }

  int operator()(const std::vector<std::string>& arguments) {
    char *out_text = nullptr, *err_text = nullptr;
    std::size_t out_size = 0, err_size = 0;
    Surroundings around;
    around.out = ::open_memstream(&out_text, &out_size);
    around.err = ::open_memstream(&err_text, &err_size);
    around.terminal = terminal;
    around.columns = 100;
    around.environment = [this](const char* name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      if (found == environment.end()) return std::nullopt;
      return found->second;
    };
    around.now = wall_now;
    around.pause = [this] { return --pictures > 0; };
    const int code = run_cli(arguments, hooks, around);
    std::fclose(around.out);
    std::fclose(around.err);
    out.assign(out_text, out_size);
    err.assign(err_text, err_size);
    ::free(out_text);
    ::free(err_text);
    return code;
  }
};

const std::string well =
    R"({"node":"n","overall":"healthy","serving":{"ok":true},"routes":{"bud":{},"bud_ro":{}}})";
const std::string unwell = R"({"node":"n","overall":"unhealthy","serving":{"ok":true}})";
const std::string degraded = R"({"node":"n","overall":"degraded","serving":{"ok":true}})";

}  // namespace

TEST_CASE("the hooked commands get their options, and give the exit code") {
  Command command;
  CHECK(command({"run", "--config", "x.yaml"}) == 0);
  CHECK(command({"run"}) == 0);
  CHECK(command({"check"}) == 78);
  CHECK(command({"check", "y.yaml", "--strict", "--json"}) == 78);
  CHECK(command({"probe", "primary", "-v", "--config", "z.yaml"}) == 1);
  CHECK(command({"probe", "--json", "primary"}) == 1);
  CHECK(command.called ==
        std::vector<std::string>{"run x.yaml", "run /etc/pointsman/pointsman.yaml",
                                 "check /etc/pointsman/pointsman.yaml false false",
                                 "check y.yaml true true", "probe primary z.yaml true false",
                                 "probe primary /etc/pointsman/pointsman.yaml false true"});
}

TEST_CASE("usage errors say what is wrong and where to read on: exit 2") {
  Command command;
  CHECK(command({}) == 2);
  CHECK_THAT(command.err, Contains("Run the daemon"));
  CHECK(command({"statsu"}) == 2);
  CHECK(command.err ==
        "pointsman: there is no command 'statsu', did you mean 'status'?\nSee: pointsman --help\n");
  CHECK(command({"frobnicate"}) == 2);
  CHECK_THAT(command.err, Contains("there is no command 'frobnicate'\n"));
  CHECK(command({"status", "--wacth"}) == 2);
  CHECK_THAT(command.err, Contains("--wacth") && Contains("See: pointsman status --help"));
  CHECK(command({"why"}) == 2);
  CHECK_THAT(command.err, Contains("ROUTE is required"));
  CHECK(command({"probe"}) == 2);
  CHECK(command({"why", "a", "b"}) == 2);
  CHECK(command({"run", "--config"}) == 2);
  CHECK(command({"check", "--live"}) == 2);  // not offered yet
  CHECK(command({"status", "why", "bud"}) == 2);
  CHECK(command.out.empty());
}

TEST_CASE("each command has help with an example; version is told") {
  Command command;
  CHECK(command({"--help"}) == 0);
  CHECK_THAT(command.out, Contains("Exit: 0 fine") && Contains("POINTSMAN_CONTROL"));
  for (const char* name : {"run", "check", "probe", "status", "why", "reload", "version"}) {
    CHECK(command({name, "--help"}) == 0);
    CHECK_THAT(command.out, Contains("Example") && Contains(std::string("pointsman ") + name));
  }
  CHECK(command({"version"}) == 0);
  CHECK(command.out == "pointsman 1.2.3 (abc1234)\n");
}

TEST_CASE("status: 1 only when the whole is unhealthy") {
  TestDaemon daemon;
  Command command;
  daemon.replies["GET /v1/status"] = {200, well};
  CHECK(command({"status", "--control", daemon.socket}) == 0);
  CHECK_THAT(command.out, Contains("n: healthy"));
  daemon.replies["GET /v1/status"] = {200, degraded};
  CHECK(command({"status", "--control", daemon.socket}) == 0);
  daemon.replies["GET /v1/status"] = {200, unwell};
  CHECK(command({"status", "--control", daemon.socket}) == 1);
  CHECK(command({"status", "--json", "--control", daemon.socket}) == 1);
  CHECK(command.out == unwell + "\n");
  daemon.replies["GET /v1/status"] = {503, R"({"error":"not started yet"})"};
  CHECK(command({"status", "--control", daemon.socket}) == 1);
  CHECK(command.err == "pointsman: not started yet\n");
  daemon.replies["GET /v1/status"] = {200, "<html>"};
  CHECK(command({"status", "--control", daemon.socket}) == 3);
  CHECK_THAT(command.err, Contains("something else than JSON"));
}

TEST_CASE("status --watch draws again, on a terminal over the last picture") {
  TestDaemon daemon;
  daemon.replies["GET /v1/status"] = {200, unwell};
  Command command;
  command.pictures = 3;
  CHECK(command({"status", "--watch", "--control", daemon.socket}) == 1);
  CHECK(daemon.asked.size() == 3);
  CHECK(command.out.find('\x1b') == std::string::npos);
  command.pictures = 2;
  command.terminal = true;
  CHECK(command({"status", "--watch", "--control", daemon.socket}) == 1);
  CHECK_THAT(command.out, Contains("\x1b[H") && Contains("Ctrl-C ends"));
}

TEST_CASE("colour on a terminal only, and not with NO_COLOR") {
  TestDaemon daemon;
  daemon.replies["GET /v1/status"] = {200, well};
  Command command;
  command({"status", "--control", daemon.socket});
  CHECK(command.out.find('\x1b') == std::string::npos);
  command.terminal = true;
  command({"status", "--control", daemon.socket});
  CHECK(command.out.find('\x1b') != std::string::npos);
  command.environment["NO_COLOR"] = "1";
  command({"status", "--control", daemon.socket});
  CHECK(command.out.find('\x1b') == std::string::npos);
}

TEST_CASE("why: an answer, or the routes that there are") {
  TestDaemon daemon;
  Command command;
  daemon.replies["GET /v1/status"] = {200, well};
  daemon.replies["GET /v1/why/bud"] = {200,
                                       R"({"route":"bud","state":"healthy","diagnosis":"ok"})"};
  CHECK(command({"why", "bud", "--control", daemon.socket}) == 0);
  CHECK_THAT(command.out, Contains("Route bud: healthy"));
  CHECK(command({"why", "bdu", "--control", daemon.socket}) == 1);
  CHECK(command.err ==
        "pointsman: there is no route 'bdu', did you mean 'bud'? known: bud, bud_ro\n");
  CHECK(command({"why", "x y/z", "--control", daemon.socket}) == 1);
  CHECK(command.err == "pointsman: there is no route 'x y/z'; known: bud, bud_ro\n");
  CHECK(daemon.asked[daemon.asked.size() - 2] == "GET /v1/why/x%20y%2Fz");
}

TEST_CASE("reload: done, a bad file, refused") {
  TestDaemon daemon;
  Command command;
  daemon.replies["POST /v1/reload"] = {
      200, R"({"message":"3 probes changed","warnings":["w.yaml:1:1: warning"]})"};
  CHECK(command({"reload", "--control", daemon.socket}) == 0);
  CHECK(command.out == "3 probes changed\n");
  CHECK(command.err == "w.yaml:1:1: warning\n");
  daemon.replies["POST /v1/reload"] = {
      422, R"({"error":"1 error","errors":["x.yaml:3:1: error: unknown key"]})"};
  CHECK(command({"reload", "--control", daemon.socket}) == 78);
  CHECK(command.err ==
        "x.yaml:3:1: error: unknown key\npointsman: not reloaded, nothing has changed: 1 error\n");
  daemon.replies["POST /v1/reload"] = {503, R"({"error":"the daemon is stopping"})"};
  CHECK(command({"reload", "--control", daemon.socket}) == 1);
}

TEST_CASE(
    "the socket: --control, then POINTSMAN_CONTROL, then the configuration, then the default") {
  Command command;
  command.environment["POINTSMAN_CONTROL"] = "/nonexistent/environment";
  command.hooks.control_from_config = [] {
    return std::optional<std::string>("/nonexistent/config");
  };
  CHECK(command({"status", "--control", "/nonexistent/option"}) == 3);
  CHECK(command.err ==
        "pointsman: no daemon answers at /nonexistent/option: is it running? systemctl status "
        "pointsman; another socket: --control PATH\n");
  CHECK(command({"status"}) == 3);
  CHECK_THAT(command.err, Contains("/nonexistent/environment"));
  command.environment["POINTSMAN_CONTROL"] = "";
  CHECK(command({"reload"}) == 3);
  CHECK_THAT(command.err, Contains("/nonexistent/config"));
  command.hooks.control_from_config = [] { return std::optional<std::string>(); };
  CHECK(command({"why", "bud"}) == 3);
  CHECK_THAT(command.err, Contains("/run/pointsman/control.sock"));
}

TEST_CASE("a daemon that accepts and never answers is given up in time") {
  TestDaemon daemon;
  daemon.silent = true;
  const auto began = mono_now();
  const ControlClient client(daemon.socket, std::chrono::milliseconds{200});
  const auto answer = client.get("/v1/status");
  REQUIRE_FALSE(answer.ok());
  CHECK_THAT(answer.error().message, Contains("did not answer within 0.2 s"));
  CHECK(mono_now() - began < std::chrono::seconds{2});
}

TEST_CASE("what keeps a daemon from being reached is told apart: exit 3") {
  Command command;
  {
    TestDaemon daemon;
    std::filesystem::create_directory(daemon.folder + "/d");
    CHECK(command({"status", "--control", daemon.folder + "/d"}) == 3);
    CHECK(command({"status", "--control", std::string(200, 'x')}) == 3);
    CHECK_THAT(command.err, Contains("at most 107 bytes"));
  }
  if (::geteuid() == 0) {  // root may do anything: ask as somebody else
    TestDaemon daemon;
    daemon.replies["GET /v1/status"] = {200, well};
    ::chmod(daemon.folder.c_str(), 0755);
    ::chmod(daemon.socket.c_str(), 0600);
    REQUIRE(::seteuid(65534) == 0);
    const int code = command({"status", "--control", daemon.socket});
    REQUIRE(::seteuid(0) == 0);
    CHECK(code == 3);
    CHECK_THAT(command.err,
               Contains("permission denied") && Contains("group root") && Contains("sudo"));
  }
}
