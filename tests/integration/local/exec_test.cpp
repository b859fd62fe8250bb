// The exec probe with real commands. Needs root for the case of another user.
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

#include "run_probe.hpp"

using namespace pointsman;
using namespace pointsman::test;
using namespace std::chrono_literals;

namespace {

ExecSpec shell(const std::string& script) {
  return {{"/bin/sh", "-c", script}, "", {}};
}

Run run_spec(const ExecSpec& spec, std::chrono::nanoseconds timeout = 10s) {
  Loop loop;
  auto prober = make_exec_prober(ProbeName("my-check"), spec, loop.services());
  return run_once(loop, *prober, timeout);
}

std::string first_line(const Run& run) {
  return std::get<ExecFacts>(run.finding->facts).first_line;
}

int open_descriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

bool is_gone(pid_t pid) {
  for (int i = 0; i < 200; ++i) {
    if (::kill(pid, 0) != 0) return true;
    // A zombie of somebody else is gone for us.
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(stat, text);
    if (text.find(") Z") != std::string::npos) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

pid_t read_pid(const std::string& file) {
  pid_t pid = 0;
  std::ifstream(file) >> pid;
  return pid;
}

}  // namespace

TEST_CASE("exit codes and the first line", "[exec]") {
  auto run = run_spec(shell("echo; echo 'OK - fine'; echo more"));
  CHECK(run.finding->outcome == Outcome::pass);
  CHECK(run.finding->message == "OK - fine");
  CHECK(std::get<ExecFacts>(run.finding->facts).exit_code == 0);
  CHECK(run_spec(shell("exit 1")).finding->outcome == Outcome::warn);
  CHECK(run_spec(shell("exit 2")).finding->outcome == Outcome::fail);
  CHECK(run_spec(shell("exit 3")).finding->outcome == Outcome::inconclusive);
  run = run_spec(shell("echo to stderr >&2; exit 2"));
  CHECK(run.finding->message == "to stderr");
  CHECK(run_spec(shell("kill -SEGV $$")).finding->message == "ended by SIGSEGV");
}

TEST_CASE("what a command is given", "[exec]") {
  ::setenv("POINTSMAN_TEST_LEAK", "1", 1);
  auto spec = shell("env | sort | tr '\\n' ' '");
  spec.environment.emplace_back("TOKEN", Secret("very-secret-token"));
  spec.environment.emplace_back("N", Secret("1"));
  auto line = first_line(run_spec(spec));
  CHECK(line ==
        "N=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
        "POINTSMAN_PROBE=my-check PWD=/ TOKEN=***");
  CHECK(first_line(run_spec({{"/bin/pwd"}, "", {}})) == "/");
  CHECK(first_line(run_spec(shell("readlink /proc/self/fd/0"))) == "/dev/null");
  // No descriptor of ours, also not one that was opened without O_CLOEXEC; 3 is ls's own.
  const int careless = ::open("/etc/passwd", O_RDONLY);
  CHECK(first_line(run_spec(shell("ls /proc/self/fd | tr '\\n' ' '"))) == "0 1 2 3");
  ::close(careless);
  // Signals as after boot, and its own process group.
  ::signal(SIGPIPE, SIG_IGN);
  CHECK(first_line(run_spec(shell("grep SigIgn /proc/self/status"))) == "SigIgn: 0000000000000000");
  CHECK(first_line(run_spec(shell("[ $(ps -o pgid= -p $$) = $$ ] && echo own group"))) ==
        "own group");
  // No shell: what looks like one is an argument.
  CHECK(first_line(run_spec({{"/bin/echo", "$HOME; `id`"}, "", {}})) == "$HOME; `id`");
}

TEST_CASE("a command that cannot be started", "[exec]") {
  auto run = run_spec({{"/no/such/command"}, "", {}});
  CHECK(run.finding->outcome == Outcome::inconclusive);
  CHECK(run.finding->reason == Reason::exec_failed);
  CHECK(run.finding->message == "cannot start /no/such/command: exec: No such file or directory");
  CHECK(run_spec({{"/etc/passwd"}, "", {}}).finding->message ==
        "cannot start /etc/passwd: exec: Permission denied");
  CHECK(run_spec(shell("exit 127")).finding->message == "exit code 127");
}

TEST_CASE("another user", "[exec]") {
  auto spec = shell("id -un; exit 0");
  spec.user = "nobody";
  CHECK(first_line(run_spec(spec)) == "nobody");
  spec.command.back() = "id -G";
  CHECK(first_line(run_spec(spec)) == "65534");
  spec.user = "no-such-user";
  const auto run = run_spec(spec);
  CHECK(run.finding->reason == Reason::prober_error);
  CHECK(run.finding->message == "no such user: no-such-user");
}

TEST_CASE("at the deadline the whole group is killed and reaped", "[exec]") {
  const TempFolder folder;
  const auto run = run_spec(shell("sleep 1000 & echo $! > " + (folder / "child") + "; echo $$ > " +
                                  (folder / "leader") + "; trap '' TERM; wait"),
                            300ms);
  CHECK(run.finding->outcome == Outcome::fail);
  CHECK(run.finding->reason == Reason::timeout);
  CHECK(run.finding->message == "no end after 0.3 s, killed");
  CHECK(run.took < 500ms);
  CHECK(is_gone(read_pid(folder / "child")));
  CHECK(::kill(read_pid(folder / "leader"), 0) != 0);  // reaped, not a zombie
  CHECK(::waitpid(-1, nullptr, WNOHANG) <= 0);         // none of our children waits to be reaped
}

TEST_CASE("a grandchild that holds the pipe open does not hold the run", "[exec]") {
  const TempFolder folder;
  auto run = run_spec(shell("sleep 1000 & echo $! > " + (folder / "pid") + "; echo done"), 10s);
  CHECK(run.finding->outcome == Outcome::pass);
  CHECK(run.finding->message == "done");
  CHECK(run.took < 5s);
  CHECK(is_gone(read_pid(folder / "pid")));
  // One that left the group lives on, and holds nothing either.
  run = run_spec(
      shell("setsid sleep 1000 & echo $! > " + (folder / "pid") + "; sleep 0.2; echo done"), 10s);
  CHECK(run.finding->message == "done");
  CHECK(run.took < 5s);
  CHECK(::kill(read_pid(folder / "pid"), SIGKILL) == 0);
}

TEST_CASE("much output is dropped, endless output ends the run", "[exec]") {
  auto run = run_spec(shell("echo first; head -c 3000000 /dev/zero; echo; exit 1"));
  CHECK(run.finding->outcome == Outcome::warn);
  CHECK(run.finding->message == "first");
  run = run_spec({{"/usr/bin/yes"}, "", {}});
  CHECK(run.finding->outcome == Outcome::inconclusive);
  CHECK(run.finding->message == "wrote more than 8 MiB, killed");
  CHECK(first_line(run) == "y");
}

TEST_CASE("runs leave no descriptor behind", "[exec]") {
  Loop loop;
  auto prober = make_exec_prober(ProbeName("x"), shell("echo hello"), loop.services());
  auto slow = make_exec_prober(ProbeName("y"), shell("sleep 100"), loop.services());
  run_once(loop, *prober, 10s);
  const int before = open_descriptors();
  for (int i = 0; i < 50; ++i) run_once(loop, *prober, 10s);
  for (int i = 0; i < 5; ++i) run_once(loop, *slow, 20ms);
  loop.io.restart();
  loop.io.poll();
  CHECK(open_descriptors() == before);
}

TEST_CASE("a loop that ends kills the command that it runs", "[exec]") {
  const TempFolder folder;
  RunContext context{mono_now() + 10s, {}};
  {
    Loop loop;
    auto prober = make_exec_prober(ProbeName("x"),
                                   shell("echo $$ > " + (folder / "pid") + "; exec sleep 1000"),
                                   loop.services());
    asio::co_spawn(loop.io, prober->async_run(context),
                   [](std::exception_ptr, const Finding&) { FAIL("the run ended"); });
    for (int i = 0; i < 500 && read_pid(folder / "pid") == 0; ++i) loop.io.run_for(10ms);
  }
  const auto pid = read_pid(folder / "pid");
  REQUIRE(pid > 0);
  CHECK(is_gone(pid));
  ::waitpid(pid, nullptr, 0);
}
