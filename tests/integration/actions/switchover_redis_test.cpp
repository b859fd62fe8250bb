// Planned changes of a real Redis behind a real HAProxy.
#include <catch2/catch.hpp>

#include "daemon/actions/switchover.hpp"
#include "tests/integration/actions/haproxy_machine.hpp"

namespace pointsman::test {
namespace {

using Catch::Matchers::Contains;

/// The daemon's part in it.
class CachePlanner : public HaproxyMachine {
 public:
  CachePlanner(const HaproxyServer& proxy, RedisPair& pair) : HaproxyMachine(proxy), pair_(pair) {
    std::map<ProbeName, ProbeSpec> probes;
    probes[ProbeName("a")] = spec(pair.a);
    probes[ProbeName("b")] = spec(pair.b);
    acts.load(probes);
  }
  SwitchoverTools tools() {
    SwitchoverTools tools;
    tools.adapters = made_.make({route});
    tools.acts = &acts;
    tools.hooks = &hooks;
    tools.new_intent = [](const std::string&) -> Intend {
      return [](std::string) -> asio::awaitable<void> { co_return; };
    };
    return tools;
  }
  SwitchOver over() const {
    SwitchOver over;
    over.route = RouteName("cache");
    over.kind = ServerKind::redis;
    over.from = {ProbeName("a"), {"127.0.0.1", pair_.a.port()}};
    over.to = {ProbeName("b"), {"127.0.0.1", pair_.b.port()}};
    over.promote_timeout = 3s;
    return over;
  }
  ServerActs acts{services()};
  HookRunner hooks{services()};

 private:
  static RedisSpec spec(const RedisServer& server) {
    RedisSpec spec;
    spec.host = "127.0.0.1";
    spec.port = server.port();
    return spec;
  }
  RedisPair& pair_;
  ActWorker own_worker_{executor()};
  HaproxyAdapters made_{services(), own_worker_};
};

TEST_CASE("Redis: a planned change loses nothing, and the old master follows",
          "[switchover][redis]") {
  RedisPair redis;
  const HaproxyServer proxy({server_line("active", redis.a.port())});
  CachePlanner planner(proxy, redis);
  redis.a.cli({"SET", "before", "1"});
  redis.b.cli({"CONFIG", "SET", "min-replicas-to-write", "1"});
  const auto began = mono_now();
  Switchover run(planner.tools(), planner.over());
  const auto report = planner.run_until(run.async_run(), mono_now() + 20s);
  INFO(report.message);
  REQUIRE(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::query);
  CHECK(mono_now() - began < 8s);
  CHECK(planner.leads_to() == place_text(redis.b.port()));
  CHECK_THAT(redis.a.cli({"ROLE"}), Contains(std::to_string(redis.b.port())));
  CHECK_THAT(redis.b.cli({"GET", "before"}), Contains("1"));
  // Not paused any more: a write is refused at once, since it is a replica now.
  CHECK_THAT(redis.a.cli({"SET", "x", "1"}), Contains("READONLY"));
}

TEST_CASE("Redis: a replica that does not catch up: writes go on where they did",
          "[switchover][redis]") {
  RedisPair redis;
  const HaproxyServer proxy({server_line("active", redis.a.port())});
  CachePlanner planner(proxy, redis);
  auto tools = planner.tools();
  tools.limits.catch_up = 300ms;
  tools.on_step = [&](const std::string& line) {
    if (line.find("are paused at offset") == std::string::npos) return;
    redis.b.process().freeze();
  };
  Switchover run(std::move(tools), planner.over());
  const auto report = planner.run_until(run.async_run(), mono_now() + 20s);
  redis.b.process().thaw();
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK(report.rolled_back);
  CHECK_THAT(redis.a.cli({"SET", "x", "1"}), Contains("OK"));
  CHECK_THAT(redis.b.cli({"ROLE"}), Contains("slave"));
  CHECK(planner.leads_to() == place_text(redis.a.port()));
}

}  // namespace
}  // namespace pointsman::test
