// Switching a Redis master behind a real HAProxy: crash, freeze, entries in maintenance, HAProxy's
// own check, what is written, and what is told when it cannot be done.
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "haproxy_machine.hpp"

using namespace pointsman;
using namespace pointsman::test;
using Catch::Contains;

namespace {

/// A session through HAProxy that has been used.
std::unique_ptr<Client> session(const HaproxyServer& proxy) {
  auto client = std::make_unique<Client>(proxy.port());
  client->send("PING\r\n");
  REQUIRE(client->receive() == "+PONG\r\n");
  return client;
}

std::string write_through(const HaproxyServer& proxy, const std::string& key) {
  const Client client(proxy.port());
  client.send("SET " + key + " written\r\n");
  return client.receive();
}

}  // namespace

TEST_CASE("after kill -9 of the master HAProxy leads to the new one", "[haproxy]") {
  RedisPair redis;
  const HaproxyServer proxy({server_line("active", redis.a.port())});
  HaproxyMachine machine(proxy);
  CHECK(machine.leads_to() == place_text(redis.a.port()));
  const auto old = session(proxy);

  redis.a.process().kill_all();
  redis.promote_b();
  machine.order.old_targets = OldTargets::dead;
  const auto begun = mono_now();
  const auto report = machine.switch_to(redis.b.port());
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::query);
  CHECK(mono_now() - begun < 6s);
  CHECK(machine.steps.size() == 1);
  CHECK(machine.leads_to() == place_text(redis.b.port()));
  CHECK(old->is_cut());
  CHECK(write_through(proxy, "after") == "+OK\r\n");
  CHECK_THAT(redis.b.cli({"GET", "after"}), Contains("written"));
  CHECK(redis.b.cli({"KEYS", "pointsman:*"}).find("pointsman:") == std::string::npos);

  SECTION("the same once more changes nothing, and breaks no session") {
    const auto kept = session(proxy);
    const auto again = machine.switch_to(redis.b.port());
    CHECK(again.outcome == ActionOutcome::ok);
    CHECK(machine.steps.size() == 1);
    kept->send("PING\r\n");
    CHECK(kept->receive() == "+PONG\r\n");
  }
  SECTION("verify only looks") {
    machine.order.cause = SwitchCause::verify;
    CHECK(machine.switch_to(redis.b.port()).verified == Verified::query);
    const auto other = machine.switch_to(redis.a.port());
    CHECK(other.outcome == ActionOutcome::failed);
    CHECK_THAT(other.message, Contains("HAProxy leads redis to"));
    CHECK(machine.leads_to() == place_text(redis.b.port()));
    CHECK(machine.steps.size() == 1);
  }
}

TEST_CASE("sessions that hang on a frozen master are cut", "[haproxy]") {
  RedisPair redis;
  const HaproxyServer proxy({server_line("active", redis.a.port())});
  HaproxyMachine machine(proxy);
  const auto stuck = session(proxy);
  redis.a.process().freeze();
  stuck->send("PING\r\n");
  CHECK(stuck->receive(200ms).empty());
  CHECK_FALSE(stuck->is_cut(1ms));

  redis.promote_b();
  machine.order.old_targets = OldTargets::dead;
  const auto report = machine.switch_to(redis.b.port());
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::query);
  CHECK(stuck->is_cut());
  CHECK(write_through(proxy, "after") == "+OK\r\n");
  redis.a.process().thaw();
}

TEST_CASE("what is not proven goes back where the old master lives", "[haproxy]") {
  RedisPair redis;
  const HaproxyServer proxy({server_line("active", redis.a.port())});
  HaproxyMachine machine(proxy);

  SECTION("the new server is still a replica, the old one is alive") {
    const auto report = machine.switch_to(redis.b.port());
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK(report.rolled_back);
    CHECK(report.verified == Verified::no);
    CHECK_THAT(report.message, Contains("reached a server that is not master") &&
                                   Contains("rolled back to active"));
    CHECK(machine.leads_to() == place_text(redis.a.port()));
    CHECK(write_through(proxy, "back") == "+OK\r\n");
  }
  SECTION("the old one is dead: it stays") {
    redis.a.process().kill_all();
    machine.order.old_targets = OldTargets::dead;
    const auto report = machine.switch_to(redis.b.port());
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_FALSE(report.rolled_back);
    CHECK(machine.leads_to() == place_text(redis.b.port()));
    // Once it is promoted the next try finds all as it should be.
    redis.promote_b();
    CHECK(machine.switch_to(redis.b.port()).verified == Verified::query);
  }
  SECTION("a promotion under way is waited for") {
    asio::steady_timer later(machine.executor(), 300ms);
    later.async_wait([&redis](const error_code& ec) {
      if (!ec) redis.promote_b();
    });
    const auto report = machine.switch_to(redis.b.port());
    INFO(report.message);
    CHECK(report.verified == Verified::query);
  }
  SECTION("the frontend that is asked leads elsewhere") {
    redis.promote_b();
    const HaproxyServer other({server_line("active", redis.a.port())});
    machine.route.verify->frontend.port = other.port();
    machine.make();
    const auto report = machine.switch_to(redis.b.port());
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK(report.rolled_back);
    CHECK_THAT(report.message, Contains("reached another server"));
  }
}

TEST_CASE("two entries: one serves, the other is in maintenance", "[haproxy]") {
  RedisPair redis;
  const HaproxyServer proxy(
      {server_line("one", redis.a.port()), server_line("two", 1, "disabled")});
  HaproxyMachine machine(proxy, {"one", "two"});
  CHECK(machine.leads_to() == place_text(redis.a.port()));
  const auto old = session(proxy);
  redis.promote_b();

  const auto report = machine.switch_to(redis.b.port());
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::query);
  CHECK(old->is_cut());
  CHECK(machine.leads_to() == place_text(redis.b.port()));

  const auto kept = session(proxy);
  machine.order.require = Require::any;
  CHECK(machine.switch_to(redis.a.port()).outcome == ActionOutcome::ok);
  CHECK(kept->is_cut());
  CHECK(machine.leads_to() == place_text(redis.a.port()));
  // Both at once, for reads.
  machine.order.require = Require::any;
  const auto both = machine.switch_to(
      std::vector<Endpoint>{{"127.0.0.1", redis.a.port()}, {"127.0.0.1", redis.b.port()}});
  INFO(both.message);
  CHECK(both.outcome == ActionOutcome::ok);
  CHECK(machine.leads_to() == place_text(redis.a.port()) + ", " + place_text(redis.b.port()));
  CHECK(machine.switch_to(std::vector<Endpoint>(3, Endpoint{"127.0.0.1", 1})).outcome ==
        ActionOutcome::failed);
}

TEST_CASE("HAProxy's own check does not delay the new master", "[haproxy]") {
  RedisPair redis;
  // By itself it would take a minute to believe in it.
  const HaproxyServer proxy(
      {server_line("active", redis.a.port(), "check inter 100ms fall 1 rise 600")});
  HaproxyMachine machine(proxy);
  redis.a.process().kill_all();
  wait_for("HAProxy sees that it is down", [&] {
    return machine.observe().error.find("health check holds redis/active down") !=
           std::string::npos;
  });
  redis.promote_b();
  machine.order.old_targets = OldTargets::dead;
  const auto report = machine.switch_to(redis.b.port());
  INFO(report.message);
  CHECK(report.verified == Verified::query);
  CHECK_THAT(report.message, Contains("it was told that it is up"));
  CHECK(machine.observe().error.empty());
}

TEST_CASE("a reload of HAProxy", "[haproxy]") {
  RedisPair redis;
  HaproxyServer proxy({server_line("active", redis.a.port())});
  HaproxyMachine machine(proxy);
  redis.promote_b();

  SECTION("loses the address, which is seen and repaired") {
    CHECK(machine.switch_to(redis.b.port()).outcome == ActionOutcome::ok);
    proxy.reload();
    CHECK(machine.leads_to() == place_text(redis.a.port()));
    machine.order.cause = SwitchCause::drift;
    CHECK(machine.switch_to(redis.b.port()).verified == Verified::query);
    CHECK(machine.leads_to() == place_text(redis.b.port()));
  }
  SECTION("keeps it where the state file is written") {
    machine.route.state_file = proxy.state_file();
    machine.make();
    CHECK(machine.observe().file == FileState::missing);
    // HAProxy has to be able to read it; its owner is kept.
    proxy.place().write("state", "");
    CHECK(machine.observe().file == FileState::differs);
    CHECK(machine.switch_to(redis.b.port()).outcome == ActionOutcome::ok);
    CHECK(machine.observe().file == FileState::as_wanted);
    proxy.reload();
    CHECK(machine.leads_to() == place_text(redis.b.port()));
    CHECK(machine.observe().file == FileState::as_wanted);
    // Somebody else moves it: what is in the file is no longer what is in effect.
    proxy.ask("set server redis/active addr 127.0.0.1 port 1");
    CHECK(machine.observe().file == FileState::differs);
  }
  SECTION("a state file that cannot be written does not stop the switch") {
    machine.route.state_file = proxy.place().path("none/state");
    machine.make();
    const auto report = machine.switch_to(redis.b.port());
    CHECK(report.verified == Verified::query);
    CHECK_THAT(report.message, Contains("a reload of HAProxy would go back"));
    const auto seen = machine.observe();
    CHECK(seen.file == FileState::unknown);
    CHECK_THAT(seen.error, Contains("none has to be a folder"));
  }
}

TEST_CASE("maintenance by a person is told", "[haproxy]") {
  RedisPair redis;
  const HaproxyServer proxy({server_line("active", redis.a.port())});
  HaproxyMachine machine(proxy);
  CHECK_FALSE(machine.observe().disabled);
  proxy.ask("set server redis/active state maint");
  CHECK(machine.observe().disabled);
  // Where a person asks for a switch it ends.
  CHECK(machine.switch_to(redis.a.port()).verified == Verified::query);
  CHECK_FALSE(machine.observe().disabled);
}

TEST_CASE("a start finds a switch half done", "[haproxy]") {
  RedisPair redis;
  const HaproxyServer proxy({server_line("active", redis.a.port())});
  std::string steps;
  {
    HaproxyMachine machine(proxy);
    redis.promote_b();
    CHECK(machine.switch_to(redis.b.port()).outcome == ActionOutcome::ok);
    steps = machine.steps.front();
  }
  // As if it had been killed between the address and the cut, or before the address.
  const bool is_moved = GENERATE(true, false);
  proxy.ask("set server redis/active addr 127.0.0.1 port " + std::to_string(redis.a.port()));
  const auto old = session(proxy);
  if (is_moved) {
    proxy.ask("set server redis/active addr 127.0.0.1 port " + std::to_string(redis.b.port()));
  }
  HaproxyMachine machine(proxy);
  machine.recover(R"({"adapter":"pgbouncer"})");
  machine.recover(steps);
  CHECK(old->is_cut(200ms) == is_moved);
  CHECK(machine.steps.empty());
}

TEST_CASE("reconnect drops the sessions; hold says that it cannot", "[haproxy]") {
  RedisPair redis;
  const HaproxyServer proxy({server_line("active", redis.a.port())});
  HaproxyMachine machine(proxy);
  const auto old = session(proxy);
  const auto held = machine.hold();
  CHECK(held.ok);
  CHECK_FALSE(held.held);
  const auto report = machine.reconnect();
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::servers);
  CHECK(old->is_cut());
  session(proxy);
}

TEST_CASE("names are resolved, and told back as they are written", "[haproxy]") {
  RedisPair redis;
  const HaproxyServer proxy({server_line("active", redis.b.port())});
  HaproxyMachine machine(proxy);
  const Endpoint named{"localhost", redis.a.port()};
  machine.route.known = {named, {"localhost", redis.b.port()}};
  machine.make();
  CHECK(machine.leads_to() == to_text(Endpoint{"localhost", redis.b.port()}));
  CHECK(machine.switch_to(std::vector<Endpoint>{named}).verified == Verified::query);
  CHECK(machine.leads_to() == to_text(named));
  const auto report = machine.switch_to(std::vector<Endpoint>{{"nowhere.invalid", 1}});
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK_THAT(report.message, Contains("nowhere.invalid does not resolve here"));
}

TEST_CASE("passwords", "[haproxy]") {
  const RedisServer redis(Argv{"--requirepass", "right"});
  const HaproxyServer proxy({server_line("active", 1)});
  HaproxyMachine machine(proxy);
  machine.route.verify->password = Secret("right");
  machine.make();
  CHECK(machine.switch_to(redis.port()).verified == Verified::query);
  machine.route.verify->password = Secret("wr0ng");
  machine.make();
  const auto report = machine.switch_to(redis.port());
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::servers);
  CHECK_THAT(report.message, Contains("no query could be asked") && !Contains("wr0ng"));
}

TEST_CASE("a connection alone, where there is nothing to ask", "[haproxy]") {
  const RedisServer redis;
  const HaproxyServer proxy({server_line("active", redis.port())});
  HaproxyLimits limits;
  limits.prove = 1s;
  HaproxyMachine machine(proxy, {"active"}, limits);
  machine.route.verify->talk = HaproxyVerify::Talk::tcp;
  machine.make();
  machine.order.require = Require::any;
  CHECK(machine.switch_to(redis.port()).verified == Verified::servers);
  const auto report = machine.switch_to(free_port());
  CHECK(report.outcome == ActionOutcome::failed);
  CHECK(report.rolled_back);
  CHECK_THAT(report.message, Contains("hangs up at once"));
}

TEST_CASE("PostgreSQL behind HAProxy", "[haproxy]") {
  const PostgresServer a;
  const PostgresServer b(a, "");
  const HaproxyServer proxy({server_line("active", b.port())});
  HaproxyMachine machine(proxy);
  machine.route.verify->talk = HaproxyVerify::Talk::postgres;
  machine.route.verify->user = "plain";
  machine.make();
  machine.order.require = Require::writable;
  const auto report = machine.switch_to(a.port());
  INFO(report.message);
  CHECK(report.verified == Verified::query);
  const auto back = machine.switch_to(b.port());
  CHECK(back.outcome == ActionOutcome::failed);
  CHECK(back.rolled_back);
  CHECK_THAT(back.message, Contains("not writable"));
  machine.order.require = Require::standby;
  CHECK(machine.switch_to(b.port()).verified == Verified::query);
}

TEST_CASE("what is told when HAProxy cannot be asked", "[haproxy]") {
  const RedisServer redis;
  HaproxyServer proxy({server_line("active", redis.port())});
  HaproxyLimits limits;
  limits.command = 300ms;
  HaproxyMachine machine(proxy, {"active"}, limits);
  const auto expect = [&](bool reachable, const std::string& words) {
    const auto seen = machine.observe();
    CHECK(seen.reachable == reachable);
    CHECK_FALSE(seen.listed);
    CHECK_THAT(seen.error, Contains(words));
    const auto report = machine.switch_to(redis.port());
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains(words));
  };
  SECTION("unknown backend") {
    machine.route.backend = "rediss";
    machine.make();
    expect(true, "HAProxy said: Can't find backend. (backend rediss on ");
  }
  SECTION("unknown server") {
    machine.route.servers = {"primary"};
    machine.make();
    expect(true, "HAProxy's backend redis has no server primary; it has: active");
  }
  SECTION("no such socket") {
    machine.route.socket = "/run/none/admin.sock";
    machine.make();
    expect(false, "there is no socket /run/none/admin.sock");
  }
  SECTION("a socket that we may not open") {
    ::chmod(proxy.socket().c_str(), 0);
    // Root may all the same: for this it is as another user.
    const auto before = ::setfsuid(::geteuid() == 0 ? 65534 : ::geteuid());
    expect(false, "pointsman's user may not open " + proxy.socket());
    ::setfsuid(static_cast<uid_t>(before));
  }
  SECTION("a socket that permits too little") {
    machine.route.socket = proxy.operator_socket();
    machine.make();
    CHECK(machine.leads_to() == place_text(redis.port()));
    const auto report = machine.switch_to(free_port());
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("needs `stats socket") && Contains("level admin"));
  }
  SECTION("HAProxy is gone") {
    proxy.process().kill_all();
    expect(false, "nobody listens on");
  }
  SECTION("HAProxy hangs") {
    proxy.process().freeze();
    const auto begun = mono_now();
    expect(false, "HAProxy does not answer on");
    CHECK(mono_now() - begun < 10s);
    proxy.process().thaw();
  }
}
