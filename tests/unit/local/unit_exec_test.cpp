#include <cerrno>
#include <csignal>

#include <catch2/catch.hpp>

#include "probes/exec.hpp"
#include "probes/unit.hpp"

using namespace pointsman;

namespace {

ChildEnd exited(int code) {
  ChildEnd end;
  end.how = ChildEnd::How::exited;
  end.code = code;
  return end;
}

}  // namespace

TEST_CASE("what systemd's states mean") {
  const UnitSpec any{"nginx.service", ""}, running{"nginx.service", "running"};
  CHECK(judge_unit(any, {"loaded", "active", "exited", 0}).outcome == Outcome::pass);
  CHECK(judge_unit(running, {"loaded", "active", "running", 3}).outcome == Outcome::pass);
  const auto wrong = judge_unit(running, {"loaded", "active", "exited", 0});
  CHECK(wrong.outcome == Outcome::fail);
  CHECK(wrong.message == "active (exited), not running");
  CHECK(judge_unit(any, {"loaded", "activating", "start-pre", 0}).outcome == Outcome::warn);
  CHECK(judge_unit(any, {"loaded", "reloading", "reload", 0}).outcome == Outcome::warn);
  CHECK(judge_unit(any, {"loaded", "activating", "auto-restart", 7}).outcome == Outcome::fail);
  CHECK(judge_unit(any, {"loaded", "deactivating", "stop", 0}).outcome == Outcome::fail);
  CHECK(judge_unit(any, {"loaded", "failed", "failed", 0}).reason == Reason::not_active);
  CHECK(judge_unit(any, {"masked", "inactive", "dead", 0}).message == "inactive (dead), masked");
  CHECK(judge_unit(any, {"not-found", "inactive", "dead", 0}).message ==
        "no such unit: nginx.service");
}

TEST_CASE("exit codes as monitoring plugins have them") {
  CHECK(judge_exec(exited(0), "/x", "all well").outcome == Outcome::pass);
  CHECK(judge_exec(exited(1), "/x", "").message == "exit code 1");
  CHECK(judge_exec(exited(1), "/x", "").outcome == Outcome::warn);
  CHECK(judge_exec(exited(2), "/x", "down").outcome == Outcome::fail);
  const auto unknown = judge_exec(exited(3), "/x", "usage: x");
  CHECK(unknown.outcome == Outcome::inconclusive);
  CHECK(unknown.reason == Reason::exec_failed);
  CHECK(unknown.message == "exit code 3: usage: x");
  CHECK(std::get<ExecFacts>(unknown.facts) == ExecFacts{3, "usage: x"});
  ChildEnd end;
  end.how = ChildEnd::How::killed;
  end.code = SIGSEGV;
  CHECK(judge_exec(end, "/x", "").message == "ended by SIGSEGV");
  end.how = ChildEnd::How::not_started;
  end.code = ENOENT;
  end.failed_step = "exec";
  CHECK(judge_exec(end, "/x", "").message == "cannot start /x: exec: No such file or directory");
}

TEST_CASE("the first line is made fit to be shown") {
  CHECK(printable_first_line("\n \r\nOK - fine | load=0.1\nmore") == "OK - fine | load=0.1");
  CHECK(printable_first_line("a\x1b[31mred\x07\tb\x7f") == "a[31mred b");
  CHECK(printable_first_line("\xe6\x97\xa5\xe6\x9c\xac \xff\xc3(\xed\xa0\x80") ==
        "\xe6\x97\xa5\xe6\x9c\xac (");
  CHECK(printable_first_line("x\xc2\x9by") == "xy");
  CHECK(printable_first_line("").empty());
  CHECK(printable_first_line("\n\n\n").empty());
  CHECK(printable_first_line(std::string(5000, 'x')).size() == max_first_line);
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "\xe6\x97\xa5";
  CHECK(printable_first_line(wide).size() == max_first_line / 3 * 3);
}

TEST_CASE("secrets of the environment are not shown") {
  const std::vector<Secret> secrets{Secret("hunter2-hunter2"), Secret("")};
  CHECK(redact("password hunter2-hunter2 and hunter2-hunter2", secrets) == "password *** and ***");
}
