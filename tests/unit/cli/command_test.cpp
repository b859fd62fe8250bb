// The whole command line but the daemon: arguments, the socket's search, answers, exit codes. What
// answers on the socket is a few lines here; tests/e2e asks the real daemon.
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cli/control_client.hpp"
#include "tests/unit/cli/test_daemon.hpp"

using namespace pointsman;
using namespace pointsman::test;
using Catch::Contains;

namespace {

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
  CHECK(command({"check", "--live", "y.yaml"}) == 78);
  CHECK(command({"probe", "primary", "-v", "--config", "z.yaml"}) == 1);
  CHECK(command({"probe", "--json", "primary"}) == 1);
  CHECK(command.called ==
        std::vector<std::string>{"run x.yaml", "run /etc/pointsman/pointsman.yaml",
                                 "check /etc/pointsman/pointsman.yaml false false",
                                 "check y.yaml true true", "check y.yaml false false live",
                                 "probe primary z.yaml true false",
                                 "probe primary /etc/pointsman/pointsman.yaml false true"});
}

TEST_CASE("simulate wants one of scenario and history, and of a history the configuration to try") {
  Command command;
  CHECK(command({"simulate", "--scenario", "a.yaml", "b.yaml", "--json"}) == 0);
  CHECK(command({"simulate", "--history", "j.db", "--config", "c.yaml", "--since", "2d"}) == 0);
  CHECK(command.called == std::vector<std::string>{"simulate  a.yaml b.yaml  30d true",
                                                   "simulate c.yaml j.db 2d false"});
  CHECK(command({"simulate"}) == 2);
  CHECK_THAT(command.err, Contains("--scenario FILE or --history DB"));
  CHECK(command({"simulate", "--history", "j.db"}) == 2);
  CHECK_THAT(command.err, Contains("--config FILE"));
  CHECK(command({"simulate", "--scenario", "a.yaml", "--history", "j.db", "--config", "c"}) == 2);
  CHECK(command({"simulate", "--scenario", "a.yaml", "--since", "2d"}) == 2);
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
  CHECK(command({"switch"}) == 2);
  CHECK(command({"flag"}) == 2);
  CHECK(command({"flag", "set"}) == 2);
  CHECK_THAT(command.err, Contains("See: pointsman flag set --help"));
  CHECK(command({"notify", "tset", "a"}) == 2);
  CHECK(command({"ack", "x"}) == 2);
  CHECK(command({"approve", "-1"}) == 2);
  CHECK(command({"incidents", "x"}) == 2);
  CHECK(command({"events", "--limit", "1001"}) == 2);
  CHECK(command({"status", "why", "bud"}) == 2);
  CHECK(command.out.empty());
}

TEST_CASE("each command has help with an example; version is told") {
  Command command;
  CHECK(command({"--help"}) == 0);
  CHECK_THAT(command.out, Contains("Exit: 0 fine") && Contains("POINTSMAN_CONTROL"));
  for (const char* name :
       {"run",    "check",   "probe",  "simulate", "status", "why",     "incidents",
        "events", "switch",  "pause",  "resume",   "drain",  "undrain", "flag",
        "ack",    "approve", "refuse", "notify",   "reload", "version"}) {
    CHECK(command({name, "--help"}) == 0);
    CHECK_THAT(command.out, Contains("Example") && Contains(std::string("pointsman ") + name));
  }
  CHECK(command({"flag", "set", "--help"}) == 0);
  CHECK_THAT(command.out, Contains("pointsman flag set no_cache") && Contains("--for"));
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
      200, R"({"message":"acts at once:","at_once":["bud: target_lost: from a to b","r: began"]})"};
  CHECK(command({"reload", "--control", daemon.socket}) == 0);
  CHECK(command.out == "acts at once:\n  bud: target_lost: from a to b\n  r: began\n");
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
