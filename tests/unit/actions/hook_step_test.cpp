// What hooks and steps are called with, and what their ends mean.
#include <algorithm>
#include <optional>

#include <catch2/catch.hpp>

#include "daemon/actions/hook_runner.hpp"
#include "daemon/actions/step_runner.hpp"
#include "probes/clock.hpp"
#include "probes/http_secrets.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"

namespace pointsman {
namespace {

using Catch::Matchers::Contains;

asio::awaitable<void> async_store(OutsideCall& call, Duration limit,
                                  std::optional<ActReport>& report) {
  co_await asio::this_coro::throw_if_cancelled(false);
  CallVariables none;
  report = co_await call.async_run(std::move(none), mono_now() + limit);
}

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

TEST_CASE("only exit code 0 is success; what began and was killed may have had its effect",
          "[hook]") {
  ChildEnd end;
  end.how = ChildEnd::How::exited;
  CHECK(judge_exec_call(end, "/x", "").outcome == ActionOutcome::ok);
  end.code = 1;
  auto report = judge_exec_call(end, "/x", "no such host");
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK(report.message == "/x ended with exit code 1: no such host");
  end.how = ChildEnd::How::not_started;
  CHECK(judge_exec_call(end, "/x", "").outcome == ActionOutcome::failed);
  for (const auto how :
       {ChildEnd::How::killed, ChildEnd::How::wrote_too_much, ChildEnd::How::lost}) {
    end.how = how;
    CHECK(judge_exec_call(end, "/x", "").outcome == ActionOutcome::unknown);
  }
}

TEST_CASE("a command that is killed at its deadline is unknown, one that never began is failed",
          "[hook]") {
  constexpr Duration long_enough = std::chrono::seconds{15};
  asio::io_context loop{1};
  Resolver resolver{loop.get_executor()};
  TlsContexts tls;
  const auto run = [&](std::vector<std::string> command, Duration limit) {
    HookSpec spec;
    ExecSpec exec;
    exec.command = std::move(command);
    spec.call = exec;
    OutsideCall call({loop.get_executor(), resolver, tls}, spec);
    std::optional<ActReport> report;
    asio::co_spawn(loop, async_store(call, limit, report), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    loop.restart();
    const MonoTime end = mono_now() + std::chrono::seconds{20};
    while (!report && mono_now() < end) loop.run_one_for(std::chrono::milliseconds{10});
    REQUIRE(report.has_value());
    return *report;
  };
  const auto killed = run({"/bin/sleep", "60"}, std::chrono::milliseconds{150});
  CHECK_THAT(killed.message, Contains("was killed: it had not ended after"));
  CHECK(killed.outcome == ActionOutcome::unknown);
  CHECK(run({"/no/such/command"}, long_enough).outcome == ActionOutcome::failed);
  CHECK(run({"/bin/false"}, long_enough).outcome == ActionOutcome::failed);
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

TEST_CASE("a 5xx does not say that nothing was done, unless it says so or twice is as once",
          "[hook]") {
  const auto outcome = [](const std::string& method, int status,
                          const char* retry_after = nullptr) {
    HttpSpec spec;
    spec.method = method;
    spec.status = {{200, 299}};
    HttpCallResult result;
    result.was_sent = true;
    result.status = status;
    if (retry_after) result.headers = {{"retry-after", retry_after}};
    return judge_http_call(spec, method + " http://x", result).outcome;
  };
  for (const char* method : {"POST", "PATCH", "PURGE"}) {
    for (const int status : {500, 502, 503, 504, 599}) {
      CHECK(outcome(method, status) == ActionOutcome::unknown);
    }
    for (const int status : {301, 400, 404, 409, 429, 501}) {
      CHECK(outcome(method, status) == ActionOutcome::failed);
    }
    CHECK(outcome(method, 503, "30") == ActionOutcome::failed);
    CHECK(outcome(method, 503, "Fri, 27 Nov 2026 10:00:00 GMT") == ActionOutcome::failed);
    CHECK(outcome(method, 500, "30") == ActionOutcome::unknown);
  }
  for (const char* method : {"GET", "PUT", "DELETE"}) {
    CHECK(outcome(method, 500) == ActionOutcome::failed);
  }
}

TEST_CASE("a secret that is echoed by what was called is not shown", "[hook]") {
  HttpSpec spec;
  spec.method = "POST";
  spec.status = {{200, 299}};
  spec.headers = {{"Authorization", Secret("Bearer correct-horse")}};
  HttpCallResult result;
  result.was_sent = true;
  result.status = 401;
  result.body = "invalid token correct-horse";
  CHECK(judge_http_call(spec, "POST http://x", result, request_secrets(spec, false)).message ==
        "POST http://x answered 401: invalid token ***");
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
