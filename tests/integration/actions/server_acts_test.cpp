// Promotion and demotion of real servers.
#include <signal.h>

#include <thread>

#include <catch2/catch.hpp>

#include "daemon/actions/promote_steps.hpp"
#include "daemon/actions/server_acts.hpp"
#include "tests/integration/probes/data_loop.hpp"
#include "tests/support/servers.hpp"

namespace pointsman::test {
namespace {

using Catch::Matchers::Contains;

/// A role that may promote but is no superuser, and one that may not.
constexpr const char* promoter =
    "CREATE ROLE pointsman LOGIN; GRANT pg_monitor TO pointsman;"
    "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO pointsman";

class Acts : public DataLoop {
 public:
  Acts() = default;
  void know(const std::string& name, const PostgresServer& server,
            const std::string& user = "pointsman") {
    PostgresSpec spec;
    spec.conninfo = Secret(server.conninfo(user));
    probes_[ProbeName(name)] = spec;
    acts.load(probes_);
  }
  void know(const std::string& name, const RedisServer& server) {
    RedisSpec spec;
    spec.host = "127.0.0.1";
    spec.port = server.port();
    probes_[ProbeName(name)] = spec;
    acts.load(probes_);
  }
  PromoteReport promote(PromoteServer order) {
    Intend intend = [this](std::string text) { return async_intend(std::move(text)); };
    const auto deadline = mono_now() + order.timeout + 3s;
    return run_until(acts.async_promote(std::move(order), std::move(intend)), deadline);
  }
  ActReport demote(DemoteServer order) {
    Intend intend = [this](std::string text) { return async_intend(std::move(text)); };
    return run_until(acts.async_demote(std::move(order), std::move(intend)), mono_now() + 10s);
  }

  ServerActs acts{services()};
  std::vector<std::string> intents;
  std::function<void()> on_intent;

 private:
  asio::awaitable<void> async_intend(std::string text) {
    intents.push_back(std::move(text));
    if (on_intent) on_intent();
    co_return;
  }
  std::map<ProbeName, ProbeSpec> probes_;
};

std::string system_id(const PostgresServer& server) {
  std::string text = server.sql("SELECT system_identifier FROM pg_control_system()");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

PromoteServer order_for(const PostgresServer& primary, const PostgresServer& standby) {
  PromoteServer order;
  order.route = RouteName("bud");
  order.from = {ProbeName("a"), {"127.0.0.1", primary.port()}};
  order.to = {ProbeName("b"), {"127.0.0.1", standby.port()}};
  order.system_id = system_id(standby);
  order.timeline = 1;
  order.timeout = 5s;
  return order;
}

bool in_recovery(const PostgresServer& server) {
  return server.sql("SELECT pg_is_in_recovery()") == "t\n";
}

TEST_CASE("a standby is promoted once, and a second time is no act", "[acts][postgres]") {
  PostgresServer a;
  a.sql(promoter);
  PostgresServer b(a, "");
  Acts acts;
  acts.know("b", b);
  const auto order = order_for(a, b);
  a.process().kill_all();

  const auto report = acts.promote(order);
  INFO(report.message);
  REQUIRE(report.outcome == ActionOutcome::ok);
  CHECK(report.timeline == 2u);
  CHECK(report.promotion_lsn.value_or(0) > 0);
  CHECK_FALSE(in_recovery(b));
  REQUIRE(acts.intents.size() == 1);
  CHECK(promote_steps_of_json(acts.intents[0]) == promote_steps_of(order));

  const auto again = acts.promote(order);
  INFO(again.message);
  CHECK(again.outcome == ActionOutcome::ok);
  CHECK(again.timeline == 2u);
  CHECK_THAT(again.message, Contains("already takes writes"));
  CHECK(acts.intents.size() == 1);

  // On the timeline before: it is a primary that never was promoted.
  auto two = order;
  two.timeline = 2;
  CHECK(acts.promote(two).outcome == ActionOutcome::failed);
}

TEST_CASE("what must not be promoted is refused, and nothing is asked of it", "[acts][postgres]") {
  PostgresServer a;
  a.sql(promoter);
  PostgresServer b(a, "");
  Acts acts;
  acts.know("b", b);
  auto order = order_for(a, b);

  order.system_id = "1";
  CHECK_THAT(acts.promote(order).message, Contains("belongs to another cluster"));
  order = order_for(a, b);
  for (const std::uint32_t timeline : {2u, 9u}) {
    order.timeline = timeline;
    const auto report = acts.promote(order);
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("is on timeline 1, not"));
  }
  order = order_for(a, b);
  acts.know("b", b, "plain");
  const auto denied = acts.promote(order);
  CHECK(denied.outcome == ActionOutcome::failed);
  CHECK_THAT(denied.message,
             Contains("GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO \"plain\""));

  acts.know("b", b, "nobody");
  CHECK(acts.promote(order).outcome == ActionOutcome::failed);
  order.to.probe = ProbeName("none");
  CHECK(acts.promote(order).outcome == ActionOutcome::failed);
  CHECK(acts.intents.empty());
  CHECK(in_recovery(b));
}

TEST_CASE("the right is enough, without pg_monitor", "[acts][postgres]") {
  PostgresServer a;
  a.sql("GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO plain");
  PostgresServer b(a, "");
  Acts acts;
  acts.know("b", b, "plain");
  const auto report = acts.promote(order_for(a, b));
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.timeline == 2u);
}

TEST_CASE("a frozen candidate: failed before it was asked, unknown after", "[acts][postgres]") {
  PostgresServer a;
  a.sql(promoter);
  a.sql("GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO plain");
  PostgresServer b(a, "");
  Acts acts;
  acts.know("b", b);
  auto order = order_for(a, b);
  order.timeout = 1500ms;

  SECTION("before") {
    b.process().freeze();
    const auto report = acts.promote(order);
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("nothing was asked of it"));
    CHECK(acts.intents.empty());
    b.process().thaw();
    CHECK(in_recovery(b));
  }
  SECTION("between the intent and the question") {
    acts.on_intent = [&] { b.process().freeze(); };
    const auto report = acts.promote(order);
    INFO(report.message);
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK(acts.intents.size() == 1);
    b.process().thaw();
    CHECK(in_recovery(b));
  }
  SECTION("after") {
    // It may not see how the startup process waits, so that the promotion is the next it is sent.
    acts.know("b", b, "plain");
    acts.on_intent = [&] { b.process().freeze(); };
    const auto began = mono_now();
    const auto report = acts.promote(order);
    INFO(report.message);
    CHECK(report.outcome == ActionOutcome::unknown);
    CHECK_THAT(report.message, Contains("it may still happen"));
    CHECK(mono_now() - began < 15s);
    b.process().thaw();
  }
  SECTION("gone before it was asked") {
    acts.know("b", b, "plain");
    acts.on_intent = [&] { b.process().kill_all(); };
    const auto report = acts.promote(order);
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("nothing was asked of it"));
  }
}

TEST_CASE("a promotion while the WAL receiver reconnects does not wait for its next try",
          "[acts][postgres]") {
  PostgresServer a;
  a.sql(promoter);
  // A collision costs as long as this.
  PostgresServer b(a, "wal_retrieve_retry_interval = 12s");
  Acts acts;
  acts.know("b", b);
  auto order = order_for(a, b);
  order.timeout = 20s;
  // The primary is gone and the receiver about to connect anew: for as long as the postmaster, who
  // starts it, stands still. The session that asks goes on.
  std::thread resume;
  acts.on_intent = [&] {
    b.process().send(SIGSTOP);
    a.process().kill_all();
    resume = std::thread([&b] {
      std::this_thread::sleep_for(60ms);
      b.process().send(SIGCONT);
    });
  };
  const auto began = mono_now();
  const auto report = acts.promote(order);
  resume.join();
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(mono_now() - began < 8s);
}

TEST_CASE("paused replay does not stop a promotion, and is told", "[acts][postgres]") {
  PostgresServer a;
  a.sql(promoter);
  PostgresServer b(a, "");
  b.sql("SELECT pg_wal_replay_pause()");
  wait_for("replay is paused",
           [&] { return b.sql("SELECT pg_get_wal_replay_pause_state()") == "paused\n"; });
  Acts acts;
  acts.know("b", b);
  const auto report = acts.promote(order_for(a, b));
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK_THAT(report.message, Contains("replay was paused"));
}

/// A master and two replicas in step.
struct Trio {
  RedisServer a{{"--repl-diskless-sync-delay", "0"}};
  RedisServer b{{"--replicaof", "127.0.0.1", std::to_string(a.port())}};
  RedisServer c{{"--replicaof", "127.0.0.1", std::to_string(a.port())}};
  Acts acts;
  PromoteServer order;

  Trio() {
    for (const auto* one : {&b, &c}) {
      wait_for("a replica is in step", [one] {
        return one->cli({"INFO", "replication"}).find("master_link_status:up") != std::string::npos;
      });
    }
    acts.know("a", a);
    acts.know("b", b);
    acts.know("c", c);
    order.route = RouteName("cache");
    order.kind = ServerKind::redis;
    order.from = target("a", a);
    order.to = target("b", b);
    order.others = {target("c", c), order.from};
    order.timeout = 3s;
  }
  static SwitchTarget target(const char* name, const RedisServer& server) {
    return {ProbeName(name), {"127.0.0.1", server.port()}};
  }
};

TEST_CASE("a Redis replica is promoted, the other follows it at once", "[acts][redis]") {
  Trio redis;
  redis.b.cli({"CONFIG", "SET", "min-replicas-to-write", "1"});
  redis.a.process().kill_all();
  const auto report = redis.acts.promote(redis.order);
  INFO(report.message);
  REQUIRE(report.outcome == ActionOutcome::ok);
  CHECK(report.promotion_lsn.has_value());
  CHECK_THAT(redis.b.cli({"ROLE"}), Contains("master"));
  CHECK_THAT(redis.c.cli({"ROLE"}), Contains(std::to_string(redis.b.port())));
  // Started without a configuration file, as here, it cannot keep its role.
  CHECK_THAT(report.message, Contains("a restart of it undoes it"));
  CHECK_THAT(report.message, Contains("a does not follow it yet"));
  wait_for(
      "the new master takes writes, with its one replica",
      [&] {
        return redis.b.cli({"SET", "x", "1"}).find("OK") != std::string::npos;
      },
      3s);

  // A second time only looks, and points whoever does not follow yet.
  redis.a.start();
  const auto again = redis.acts.promote(redis.order);
  CHECK(again.outcome == ActionOutcome::ok);
  CHECK_THAT(again.message, Contains("and did before"));
  CHECK_THAT(redis.a.cli({"ROLE"}), Contains("slave"));
}

TEST_CASE("a Redis replica that never had a copy is not promoted", "[acts][redis]") {
  RedisServer b({"--replicaof", "127.0.0.1", std::to_string(free_port())});
  Acts acts;
  acts.know("b", b);
  PromoteServer order;
  order.kind = ServerKind::redis;
  order.to = {ProbeName("b"), {"127.0.0.1", b.port()}};
  order.timeout = 2s;
  const auto report = acts.promote(order);
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK_THAT(report.message, Contains("it would be empty"));
  CHECK_THAT(b.cli({"ROLE"}), Contains("slave"));
}

TEST_CASE("an old Redis master that comes back is made to follow", "[acts][redis]") {
  Trio redis;
  redis.b.cli({"REPLICAOF", "NO", "ONE"});
  DemoteServer order;
  order.route = RouteName("cache");
  order.server = Trio::target("a", redis.a);
  order.new_master = Trio::target("b", redis.b);
  const auto report = redis.acts.demote(order);
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK_THAT(redis.a.cli({"ROLE"}), Contains(std::to_string(redis.b.port())));
  CHECK(redis.acts.intents.size() == 1);

  // Not behind one that is no master itself.
  std::swap(order.server, order.new_master);
  const auto wrong = redis.acts.demote(order);
  CHECK(wrong.outcome == ActionOutcome::failed);
  CHECK_THAT(wrong.message, Contains("is no master"));
  CHECK_THAT(redis.b.cli({"ROLE"}), Contains("master"));

  redis.a.process().kill_all();
  std::swap(order.server, order.new_master);
  CHECK(redis.acts.demote(order).outcome == ActionOutcome::failed);
}

TEST_CASE("beside a live Sentinel nothing is promoted or demoted", "[acts][redis]") {
  Trio redis;
  Place place;
  const auto port = free_port();
  place.write("sentinel.conf", "port " + std::to_string(port) + "\nsentinel monitor m 127.0.0.1 " +
                                   std::to_string(redis.a.port()) + " 1\n");
  Process sentinel({"/usr/bin/redis-server", place.path("sentinel.conf"), "--sentinel"},
                   place.path("log"));
  wait_for("the Sentinel watches b", [&] {
    return redis.b.cli({"PUBSUB", "NUMSUB", "__sentinel__:hello"}).find("\n1") != std::string::npos;
  });
  redis.a.process().kill_all();
  const auto report = redis.acts.promote(redis.order);
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK_THAT(report.message, Contains("a live Redis Sentinel would act too"));
  CHECK(redis.acts.intents.empty());
}

TEST_CASE("a frozen Redis replica: failed before it was asked, unknown after", "[acts][redis]") {
  Trio redis;
  redis.order.timeout = 1s;
  SECTION("before") {
    redis.b.process().freeze();
    CHECK(redis.acts.promote(redis.order).outcome == ActionOutcome::failed);
  }
  SECTION("after") {
    redis.acts.on_intent = [&] { redis.b.process().freeze(); };
    const auto report = redis.acts.promote(redis.order);
    INFO(report.message);
    CHECK(report.outcome == ActionOutcome::unknown);
  }
  redis.b.process().thaw();
}

}  // namespace
}  // namespace pointsman::test
