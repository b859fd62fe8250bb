// Hooks and steps with real commands, a real HTTP server and a real bus.
#include <signal.h>
#include <sys/stat.h>

#include <fstream>

#include <catch2/catch.hpp>

#include "daemon/actions/hook_runner.hpp"
#include "daemon/actions/step_runner.hpp"
#include "tests/integration/probes/data_loop.hpp"
#include "tests/support/servers_process.hpp"
#include "tests/support/servers_proxies.hpp"

namespace pointsman::test {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

class Runners : public DataLoop {
 public:
  void set(HookSpec spec) {
    hooks.load({{RouteName("bud"), {{HookKind::fence, std::move(spec)}}}});
  }
  ActReport fence() {
    RunHook order;
    order.route = RouteName("bud");
    order.hook = HookKind::fence;
    order.old_target = {ProbeName("primary"), {"10.0.1.10", 5432}};
    order.new_target = {ProbeName("replica-1"), {"10.0.1.11", 5432}};
    return run_until(hooks.async_run(std::move(order)), mono_now() + 10s);
  }
  StepFinished step(StepKind kind, const std::string& unit = "") {
    RunStep order;
    order.id = ActionId{5};
    order.ladder = LadderName("database");
    order.policy.kind = kind;
    order.policy.name = unit;
    order.policy.timeout = 1s;
    return run_until(steps.async_run(std::move(order)), mono_now() + 10s);
  }

  HookRunner hooks{services()};
  StepRunner steps{services()};
};

HookSpec command(std::vector<std::string> argv, Duration timeout = 5s) {
  HookSpec spec;
  ExecSpec exec;
  exec.command = std::move(argv);
  spec.call = exec;
  spec.timeout = timeout;
  return spec;
}

HookSpec request(const std::string& url, Duration timeout = 2s) {
  HookSpec spec;
  HttpSpec http = http_spec_of(url).value();
  http.method = "POST";
  http.status = {{200, 299}};
  spec.call = http;
  spec.timeout = timeout;
  return spec;
}

bool is_alive(const std::string& pid) {
  return ::kill(static_cast<pid_t>(std::stol(pid)), 0) == 0;
}

TEST_CASE("a command hook: what it is told, and what its end means", "[hook]") {
  Runners runners;
  runners.set(command({"/usr/bin/env"}));
  auto report = runners.fence();
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.message == "fence: /usr/bin/env succeeded: POINTSMAN_HOOK=fence");

  runners.set(command({"/bin/ls", "/no/such/file"}));
  report = runners.fence();
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK_THAT(report.message, StartsWith("fence: /bin/ls ended with exit code 2: "));

  runners.set(command({"/no/such/command"}));
  report = runners.fence();
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK_THAT(report.message, Contains("No such file or directory"));

  RunHook missing;
  missing.route = RouteName("other");
  CHECK(runners.run_until(runners.hooks.async_run(missing), mono_now() + 1s).outcome ==
        ActionOutcome::failed);
}

TEST_CASE("a secret of a command's environment is not shown", "[hook]") {
  Runners runners;
  auto spec = command({"/usr/bin/printenv", "TOKEN"});
  std::get<ExecSpec>(spec.call).environment = {{"TOKEN", Secret("correct-horse")}};
  runners.set(spec);
  const auto report = runners.fence();
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.message.find("correct-horse") == std::string::npos);
}

TEST_CASE("a command that does not end is killed with all that it started", "[hook]") {
  Runners runners;
  Place place;
  const auto script = place.path("hook");
  place.write("hook",
              "#!/usr/bin/python3\nimport subprocess, time\n"
              "child = subprocess.Popen(['/bin/sleep', '60'])\n"
              "open('" +
                  place.path("pid") +
                  "', 'w').write(str(child.pid))\n"
                  "time.sleep(60)\n");
  ::chmod(script.c_str(), 0755);
  runners.set(command({script}, 700ms));
  const auto began = mono_now();
  const auto report = runners.fence();
  CHECK(report.outcome == ActionOutcome::unknown);
  CHECK_THAT(report.message, Contains("was killed: it had not ended after"));
  CHECK(mono_now() - began < 20s);
  const auto pid = place.read("pid");
  REQUIRE_FALSE(pid.empty());
  wait_for(
      "the grandchild is gone", [&] { return !is_alive(pid); }, 2s);
}

TEST_CASE("an HTTP hook: 2xx, anything else, nobody there, an answer that is lost", "[hook]") {
  Runners runners;
  {
    NginxAnswer well("done");
    runners.set(request("http://127.0.0.1:" + std::to_string(well.port()) + "/fence"));
    const auto report = runners.fence();
    INFO(report.message);
    CHECK(report.outcome == ActionOutcome::ok);
    auto strict = request("http://127.0.0.1:" + std::to_string(well.port()) + "/fence");
    std::get<HttpSpec>(strict.call).status = {{204, 204}};
    runners.set(strict);
    CHECK(runners.fence().outcome == ActionOutcome::failed);
    well.process().freeze();
    runners.set(request("http://127.0.0.1:" + std::to_string(well.port()) + "/fence", 300ms));
    const auto lost = runners.fence();
    INFO(lost.message);
    CHECK(lost.outcome == ActionOutcome::unknown);
    well.process().thaw();
  }
  runners.set(request("http://127.0.0.1:" + std::to_string(free_port()) + "/fence"));
  CHECK(runners.fence().outcome == ActionOutcome::failed);
}

TEST_CASE("an HTTP step is signed, and a step is one try", "[step]") {
  Runners runners;
  Place place;
  const auto port = free_port();
  place.write("server.py",
              "import http.server\n"
              "class H(http.server.BaseHTTPRequestHandler):\n"
              "    def do_POST(self):\n"
              "        body = self.rfile.read(int(self.headers['Content-Length'])).decode()\n"
              "        open('" +
                  place.path("got") +
                  "', 'a').write(str(self.headers) + body)\n"
                  "        self.send_response(500); self.end_headers(); self.wfile.write(b'busy')\n"
                  "http.server.HTTPServer(('127.0.0.1', " +
                  std::to_string(port) +
                  "), H)"
                  ".serve_forever()\n");
  Process server({"/usr/bin/python3", place.path("server.py")}, place.path("log"));
  wait_for("it listens", [&] {
    try {
      run({"/usr/bin/python3", "-c",
           "import socket; socket.create_connection(('127.0.0.1', " + std::to_string(port) + "))"});
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  StepSpec step;
  step.call = request("http://127.0.0.1:" + std::to_string(port) + "/scale");
  step.call->hmac_key = Secret("key");
  runners.steps.load({{LadderName("database"), {step}}});
  const auto finished = runners.step(StepKind::http);
  CHECK(finished.id == ActionId{5});
  CHECK(finished.ladder == LadderName("database"));
  CHECK(finished.outcome == ActionOutcome::unknown);  // whether it has scaled nobody knows
  CHECK_THAT(finished.message, Contains("answered 500: busy"));
  const auto got = place.read("got");
  CHECK_THAT(got, Contains("X-Pointsman-Signature: sha256="));
  CHECK_THAT(got, Contains("X-Pointsman-Ladder: database"));
  CHECK_THAT(got, Contains("\"POINTSMAN_STEP\":\"1\""));
  CHECK(got.find("X-Pointsman-Signature") == got.rfind("X-Pointsman-Signature"));
}

TEST_CASE("a step that is not there any more, and one that is not ours", "[step]") {
  Runners runners;
  CHECK(runners.step(StepKind::exec).outcome == ActionOutcome::failed);
  CHECK(runners.step(StepKind::wait).outcome == ActionOutcome::failed);
  StepSpec step;
  step.call = command({"/usr/bin/printenv", "POINTSMAN_LADDER"});
  runners.steps.load({{LadderName("database"), {step}}});
  const auto finished = runners.step(StepKind::exec);
  CHECK(finished.outcome == ActionOutcome::ok);
  CHECK_THAT(finished.message, Contains("succeeded: database"));
}

TEST_CASE("units: no bus, a bus without systemd, one that hangs", "[step]") {
  Place place;
  Runners runners;
  ::setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + place.path("bus")).c_str(), 1);
  auto finished = runners.step(StepKind::restart_unit, "app");
  CHECK(finished.outcome == ActionOutcome::failed);
  CHECK_THAT(finished.message, StartsWith("restart app.service: no system bus at "));

  place.write("bus.conf", "<busconfig><listen>unix:path=" + place.path("bus") +
                              "</listen><policy context=\"default\"><allow send_destination=\"*\"/>"
                              "<allow own=\"*\"/></policy></busconfig>");
  Process bus({"/usr/bin/dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
               "--config-file=" + place.path("bus.conf")},
              place.path("log"));
  wait_for("the bus is there", [&] {
    finished = runners.step(StepKind::reload_unit, "nginx.service");
    return finished.message.find("no system bus") == std::string::npos;
  });
  CHECK(finished.outcome == ActionOutcome::failed);
  CHECK_THAT(finished.message, StartsWith("reload nginx.service: systemd: "));

  bus.freeze();
  finished = runners.step(StepKind::restart_unit, "app");
  // Nothing was asked of the manager yet: only the look before it.
  CHECK(finished.outcome == ActionOutcome::failed);
  CHECK_THAT(finished.message, Contains("did not answer in time"));
  bus.thaw();
  ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
}

}  // namespace
}  // namespace pointsman::test
