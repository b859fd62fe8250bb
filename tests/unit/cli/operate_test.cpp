// What operators change: what is asked of the daemon, what is printed, exit codes.
#include "tests/unit/cli/test_daemon.hpp"

using namespace pointsman;
using namespace pointsman::test;
using Catch::Contains;

namespace {

Reply request(const std::string& state, const std::string& lines) {
  return {200, fmt::format(R"({{"id":7,"route":"bud","state":"{}","lines":[{}]}})", state, lines)};
}

}  // namespace

TEST_CASE("the simple ones: what is asked, and what the daemon says") {
  TestDaemon daemon;
  Command command;
  struct Case {
    std::vector<std::string> arguments;
    std::string path, body;
  };
  const std::vector<Case> cases{
      {{"pause", "--reason", "moving racks", "--for", "30m"},
       "pause",
       R"({"reason":"moving racks","for":"30m"})"},
      {{"pause"}, "pause", "{}"},
      {{"resume"}, "resume", "{}"},
      {{"drain", "--reason", "kernel"}, "drain", R"({"reason":"kernel"})"},
      {{"undrain"}, "undrain", "{}"},
      {{"flag", "set", "no_cache", "--for", "10m"},
       "flags/set",
       R"({"name":"no_cache","for":"10m"})"},
      {{"flag", "clear", "no_cache"}, "flags/clear", R"({"name":"no_cache"})"},
      {{"ack", "12", "--reason", "mine"}, "ack", R"({"incident":12,"reason":"mine"})"},
      {{"approve", "77"}, "approve", R"({"id":77})"},
      {{"refuse", "77"}, "refuse", R"({"id":77})"},
      {{"notify", "test", "oncall"}, "notify/test", R"({"notifier":"oncall"})"},
  };
  for (const auto& one : cases) {
    INFO(one.path);
    daemon.replies["POST /v1/" + one.path] = {200, R"({"message":"so it is"})"};
    auto arguments = one.arguments;
    arguments.insert(arguments.end(), {"--control", daemon.socket});
    CHECK(command(arguments) == 0);
    CHECK(command.out == "so it is\n");
    CHECK(daemon.asked.back() == "POST /v1/" + one.path);
    CHECK(daemon.bodies.back() == one.body);
  }
}

TEST_CASE("refusals are 1, what can not be read is 2, no daemon is 3") {
  TestDaemon daemon;
  Command command;
  const auto code = [&](int status) {
    daemon.replies["POST /v1/pause"] = {status, R"({"error":"because"})"};
    return command({"pause", "--control", daemon.socket});
  };
  CHECK(code(400) == 2);
  CHECK(code(404) == 1);
  CHECK(code(409) == 1);
  CHECK(code(422) == 1);
  CHECK(code(503) == 1);
  CHECK(command.err == "pointsman: because\n");
  CHECK(command.out.empty());
  CHECK(command({"pause", "--control", "/nonexistent/socket"}) == 3);
  daemon.replies["POST /v1/pause"] = {200, "<html>"};
  CHECK(command({"pause", "--control", daemon.socket}) == 3);
}

TEST_CASE("flag list") {
  TestDaemon daemon;
  Command command;
  daemon.replies["GET /v1/status"] = {200, R"({"flags":[],"flag_details":{}})"};
  CHECK(command({"flag", "list", "--control", daemon.socket}) == 0);
  CHECK(command.out == "no flag is set\n");
  daemon.replies["GET /v1/status"] = {
      200, R"({"flags":["a"],"flag_details":{"a":{"by":"uid 0","reason":"why not"}}})"};
  CHECK(command({"flag", "list", "--control", daemon.socket}) == 0);
  CHECK_THAT(command.out, Contains("uid 0") && Contains("why not"));
  CHECK(command({"flag", "list", "--json", "--control", daemon.socket}) == 0);
  CHECK(command.out == R"({"a":{"by":"uid 0","reason":"why not"}})"
                       "\n");
}

TEST_CASE("switch tells each line once, as it appears, and ends as the request does") {
  TestDaemon daemon;
  Command command;
  daemon.replies["POST /v1/switch"] = {202, R"({"request":7})"};
  daemon.first["GET /v1/requests/7"] = {
      {404, R"({"error":"not yet"})"},  // before the daemon's next snapshot
      request("running", R"("1. hold")"),
      request("running", R"("1. hold","2. demote")"),
  };
  daemon.replies["GET /v1/requests/7"] = request("done", R"("1. hold","2. demote","done: moved")");
  CHECK(command({"switch", "bud", "--to", "replica-1", "--control", daemon.socket}) == 0);
  CHECK(command.out == "1. hold\n2. demote\ndone: moved\n");
  CHECK(command.err.empty());
  CHECK(command.slept == 3);
  CHECK(daemon.bodies.back() == R"({"route":"bud","to":"replica-1"})");

  daemon.replies["GET /v1/requests/7"] = request("failed", R"("x","failed: y")");
  CHECK(command({"switch", "bud", "--control", daemon.socket}) == 1);
  daemon.replies["GET /v1/requests/7"] = request("refused", R"("refused: z")");
  CHECK(command({"switch", "bud", "--control", daemon.socket}) == 1);
  CHECK(command.out == "refused: z\n");
}

TEST_CASE("switch: its options, and what does not wait") {
  TestDaemon daemon;
  Command command;
  daemon.replies["POST /v1/switch"] = {202, R"({"request":7})"};
  daemon.replies["GET /v1/requests/7"] = request("done", R"("dry run: nothing is done","guard x")");
  CHECK(command({"switch", "bud", "--dry-run", "--no-wait", "--allow-data-loss", "--unfenced",
                 "--control", daemon.socket}) == 0);
  CHECK(daemon.bodies.back() ==
        R"({"route":"bud","dry_run":true,"allow_data_loss":true,"unfenced":true})");
  CHECK_THAT(command.out, Contains("dry run: nothing is done\nguard x\n"));

  const auto asked = daemon.asked.size();
  CHECK(command({"switch", "bud", "--no-wait", "--control", daemon.socket}) == 0);
  CHECK(daemon.asked.size() == asked + 1);
  CHECK_THAT(command.out, Contains("request 7"));

  CHECK(command({"switch", "bud", "--json", "--control", daemon.socket}) == 0);
  CHECK_THAT(command.out, Contains(R"("state":"done")") && !Contains("\nguard"));

  daemon.replies["POST /v1/switch"] = {404, R"({"error":"there is no route 'bdu'; known: bud"})"};
  CHECK(command({"switch", "bdu", "--control", daemon.socket}) == 1);
  CHECK(command.err == "pointsman: there is no route 'bdu'; known: bud\n");
}

TEST_CASE("switch: a daemon that forgot the request was restarted") {
  TestDaemon daemon;
  Command command;
  daemon.replies["POST /v1/switch"] = {202, R"({"request":7})"};
  daemon.first["GET /v1/requests/7"] = {request("running", R"("1. hold")")};
  CHECK(command({"switch", "bud", "--control", daemon.socket}) == 1);
  CHECK_THAT(command.err, Contains("restarted meanwhile") && Contains("pointsman why bud"));
  CHECK(command.slept == 1);
  // One that never knew it is asked a few times, not for ever.
  CHECK(command({"switch", "bud", "--control", daemon.socket}) == 1);
  CHECK(command.slept < 40);
}

TEST_CASE("switch: Ctrl-C asks to cancel once and waits for the end, a second one does not wait") {
  TestDaemon daemon;
  Command command;
  daemon.replies["POST /v1/switch"] = {202, R"({"request":7})"};
  daemon.replies["POST /v1/switch/cancel"] = {200, R"({"message":"asked to cancel"})"};
  daemon.first["GET /v1/requests/7"] = {request("running", R"("1. hold")"),
                                        request("running", R"("1. hold")"),
                                        request("running", R"("1. hold")")};
  daemon.replies["GET /v1/requests/7"] = request("failed", R"("1. hold","cancelled: undone")");
  int looked = 0;
  command.interrupts = [&] { return looked++ == 0 ? 0 : 1; };
  CHECK(command({"switch", "bud", "--control", daemon.socket}) == 1);
  CHECK(command.out == "1. hold\ncancelled: undone\n");
  CHECK_THAT(command.err, Contains("asked to cancel"));
  CHECK(std::count(daemon.asked.begin(), daemon.asked.end(), "POST /v1/switch/cancel") == 1);
  CHECK(daemon.bodies.back() == R"({"request":7})");

  daemon.replies["GET /v1/requests/7"] = request("running", R"("1. hold")");
  looked = 0;
  command.interrupts = [&] { return looked++; };
  CHECK(command({"switch", "bud", "--control", daemon.socket}) == 1);
  CHECK_THAT(command.err, Contains("not waited for any longer"));
}
