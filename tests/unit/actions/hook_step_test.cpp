// What hooks and steps are called with, and what their ends mean.
#include <algorithm>

#include <catch2/catch.hpp>

#include "daemon/actions/hook_runner.hpp"
#include "daemon/actions/step_runner.hpp"

namespace pointsman {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("what a hook and a step are told", "[hook]") {
  RunHook hook;
  hook.route = RouteName("bud");
  hook.hook = HookKind::fence;
  hook.old_target = {ProbeName("primary"), {"10.0.1.10", 5432}};
  hook.new_target = {ProbeName("replica-1"), {"::1", 5432}};
  hook.incident = IncidentId{7};
  CHECK(hook_variables(hook) == CallVariables{{"POINTSMAN_HOOK", "fence"},
                                              {"POINTSMAN_ROUTE", "bud"},
                                              {"POINTSMAN_OLD", "primary"},
                                              {"POINTSMAN_NEW", "replica-1"},
                                              {"POINTSMAN_OLD_ADDRESS", "10.0.1.10:5432"},
                                              {"POINTSMAN_NEW_ADDRESS", "[::1]:5432"},
                                              {"POINTSMAN_INCIDENT", "7"}});
  RunStep step;
  step.ladder = LadderName("database");
  step.step = 2;
  step.attempt = 3;
  step.subject = "route:bud";
  CHECK(step_variables(step) == CallVariables{{"POINTSMAN_LADDER", "database"},
                                              {"POINTSMAN_STEP", "3"},
                                              {"POINTSMAN_SUBJECT", "route:bud"},
                                              {"POINTSMAN_INCIDENT", ""},
                                              {"POINTSMAN_ATTEMPT", "3"}});
}

TEST_CASE("a command's environment: ours wins, PATH may be given", "[hook]") {
  ExecSpec spec;
  spec.environment = {{"TOKEN", Secret("abc")}, {"POINTSMAN_ROUTE", Secret("mine")}};
  CHECK(call_environment(spec, {{"POINTSMAN_ROUTE", "bud"}}) ==
        std::vector<std::string>{
            "POINTSMAN_ROUTE=bud", "TOKEN=abc",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"});
  spec.environment = {{"PATH", Secret("/opt")}};
  CHECK(call_environment(spec, {}) == std::vector<std::string>{"PATH=/opt"});
}

TEST_CASE("only exit code 0 is success", "[hook]") {
  ChildEnd end;
  end.how = ChildEnd::How::exited;
  CHECK(judge_exec_call(end, "/x", "").outcome == ActionOutcome::ok);
  end.code = 1;
  auto report = judge_exec_call(end, "/x", "no such host");
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK(report.message == "/x ended with exit code 1: no such host");
  end.how = ChildEnd::How::killed;
  CHECK(judge_exec_call(end, "/x", "").outcome == ActionOutcome::failed);
  end.how = ChildEnd::How::not_started;
  CHECK(judge_exec_call(end, "/x", "").outcome == ActionOutcome::failed);
  end.how = ChildEnd::How::wrote_too_much;
  CHECK(judge_exec_call(end, "/x", "").outcome == ActionOutcome::failed);
  end.how = ChildEnd::How::lost;
  CHECK(judge_exec_call(end, "/x", "").outcome == ActionOutcome::unknown);
}

TEST_CASE("a lost answer is unknown, a request that was never sent is not", "[hook]") {
  HttpSpec spec;
  spec.status = {{200, 299}};
  HttpCallResult result;
  result.message = "POST http://x refused the connection";
  CHECK(judge_http_call(spec, "POST http://x", result).outcome == ActionOutcome::failed);
  result.was_sent = true;
  CHECK(judge_http_call(spec, "POST http://x", result).outcome == ActionOutcome::unknown);
  result.status = 204;
  CHECK(judge_http_call(spec, "POST http://x", result).outcome == ActionOutcome::ok);
  result.status = 302;
  CHECK(judge_http_call(spec, "POST http://x", result).outcome == ActionOutcome::failed);
  result.status = 500;
  result.body = "boom\nmore";
  CHECK(judge_http_call(spec, "POST http://x", result).message ==
        "POST http://x answered 500: boom");
}

TEST_CASE("an HTTP call carries the variables", "[hook]") {
  CHECK(header_name("POINTSMAN_OLD_ADDRESS") == "X-Pointsman-Old-Address");
  HttpSpec spec;
  spec.method = "POST";
  const auto sent = http_call_spec(spec, {{"POINTSMAN_ROUTE", "bud"}});
  CHECK(sent.body.reveal() == R"({"POINTSMAN_ROUTE":"bud"})");
  REQUIRE(sent.headers.size() == 2);
  CHECK(sent.headers[0].first == "X-Pointsman-Route");
  CHECK(sent.headers[1].second.reveal() == "application/json");

  spec.body = Secret("own");
  CHECK(http_call_spec(spec, {{"POINTSMAN_ROUTE", "bud"}}).body.reveal() == "own");
  spec.method = "GET";
  spec.body = Secret();
  CHECK(http_call_spec(spec, {{"POINTSMAN_ROUTE", "bud"}}).body.empty());
}

}  // namespace
}  // namespace pointsman
