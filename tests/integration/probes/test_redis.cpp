// The redis probe against real servers: each check, each role, each way to be refused, TLS, and a
// server that dies, freezes, loads or turns idle clients away.
#include <signal.h>

#include <catch2/catch.hpp>

#include "probes/redis.hpp"
#include "tests/integration/probes/data_loop.hpp"

namespace pointsman::test {
namespace {

struct Client : DataLoop {
  RedisSpec spec;
  std::unique_ptr<Prober> prober;
  int ends = 0;

  explicit Client(std::uint16_t port) {
    spec.host = "127.0.0.1";
    spec.port = port;
  }
  explicit Client(const RedisServer& server) : Client(server.port()) {}

  /// With the spec as it is now.
  Finding once(Duration timeout = 2s) {
    return run(*std::make_unique<RedisProber>(ProbeName("r"), spec, services()), timeout);
  }
  /// By a prober that stays, and is watched.
  Finding again(Duration timeout = 2s) {
    if (!prober) {
      prober = std::make_unique<RedisProber>(ProbeName("r"), spec, services());
      prober->on_session_end([this](SessionEnd how) {
        CHECK(how == SessionEnd::lost);
        ++ends;
      });
    }
    return run(*prober, timeout);
  }
  bool saw_end(int count = 1) {
    return run_while_not([this, count] { return ends >= count; });
  }
};

const RedisFacts& facts_of(const Finding& finding) {
  return std::get<RedisFacts>(finding.facts);
}

Argv replica_of(const RedisServer& master) {
  return {"--replicaof", "127.0.0.1 " + std::to_string(master.port()), "--repl-ping-replica-period",
          "1"};
}

void wait_for_link(const RedisServer& replica) {
  wait_for("the replica has its master", [&replica] {
    return replica.cli({"INFO", "replication"}).find("master_link_status:up") != std::string::npos;
  });
}

long connections_of(const RedisServer& server) {
  const auto all = server.cli({"INFO", "stats"});
  return std::stol(all.substr(all.find("total_connections_received:") + 27));
}

TEST_CASE("redis: a master, by each check", "[redis]") {
  RedisServer server;
  Client client(server);
  auto finding = client.once();
  CHECK(finding.outcome == Outcome::pass);
  CHECK(facts_of(finding).role == RedisRole::master);
  CHECK(facts_of(finding).offset == 0);
  CHECK(facts_of(finding).clients >= 1);
  CHECK(facts_of(finding).used_memory > 100'000);
  CHECK(facts_of(finding).maxmemory == 0);
  CHECK(facts_of(finding).sentinels == 0);
  CHECK_FALSE(facts_of(finding).link_up);
  REQUIRE(client.steps.size() == 2);
  CHECK_THAT(client.steps[0], Catch::StartsWith("connected to 127.0.0.1:"));
  CHECK_THAT(client.steps[1], Catch::StartsWith("asked 6 questions in "));

  client.spec.check = RedisCheck::roundtrip;
  client.spec.database = 3;
  finding = client.once();
  CHECK(finding.outcome == Outcome::pass);
  CHECK(server.cli({"-n", "3", "DBSIZE"}) == "0\n");
  client.spec.database = 99;
  CHECK(client.once().reason == Reason::query_failed);
  client.spec.database = 0;
  client.spec.check = RedisCheck::role;
  CHECK(client.once().outcome == Outcome::pass);
  client.spec.expect = RedisExpect::replica;
  finding = client.once();
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::wrong_role);
  CHECK(facts_of(finding).role == RedisRole::master);

  client.spec.expect = RedisExpect::any;
  client.spec.unix_socket = server.socket();
  CHECK(client.once().outcome == Outcome::pass);
  client.spec.unix_socket = server.place().path("none.sock");
  CHECK(client.once().reason == Reason::unreachable);
}

TEST_CASE("redis: a replica, linked, cut off and promoted", "[redis]") {
  auto master = std::make_unique<RedisServer>();
  RedisServer replica(replica_of(*master));
  wait_for_link(replica);
  master->cli({"SET", "a", "b"});
  Client client(replica);
  client.spec.expect = RedisExpect::replica;
  client.spec.max_lag = 5s;
  wait_for("the replica is level", [&] {
    const auto there = facts_of(client.once()).offset;
    Client other(*master);
    return there && there == facts_of(other.once()).offset && *there > 0;
  });
  auto finding = client.once();
  CHECK(finding.outcome == Outcome::pass);
  CHECK(facts_of(finding).role == RedisRole::replica);
  CHECK(facts_of(finding).link_up == true);
  CHECK(facts_of(finding).lag <= 2s);

  client.spec.check = RedisCheck::roundtrip;
  finding = client.once();
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::read_only);
  CHECK(facts_of(finding).role == RedisRole::replica);
  client.spec.expect = RedisExpect::master;
  CHECK(client.once().reason == Reason::wrong_role);

  client.spec.check = RedisCheck::ping;
  client.spec.expect = RedisExpect::any;
  const auto level = facts_of(client.once()).offset;
  master.reset();
  wait_for("the replica sees that its master is gone",
           [&] { return facts_of(client.once()).link_up == false; });
  finding = client.once();
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::link_down);
  CHECK(facts_of(finding).offset >= level);  // still there, to choose the best replica by
  CHECK(facts_of(finding).lag);
  client.spec.max_lag.reset();
  finding = client.once();
  CHECK(finding.outcome == Outcome::warn);

  // Data that may be old is not given out: then PING itself says so.
  replica.cli({"CONFIG", "SET", "replica-serve-stale-data", "no"});
  finding = client.once();
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::link_down);
  CHECK(facts_of(finding).role == RedisRole::replica);

  replica.cli({"REPLICAOF", "NO", "ONE"});
  client.spec.expect = RedisExpect::master;
  client.spec.check = RedisCheck::roundtrip;
  CHECK(client.once().outcome == Outcome::pass);
}

TEST_CASE("redis: a frozen master is heard no more, and its replica says for how long", "[redis]") {
  RedisServer master;
  RedisServer replica(replica_of(master));
  wait_for_link(replica);
  Client client(master), other(replica);
  CHECK(client.again().outcome == Outcome::pass);
  master.process().freeze();
  const auto started = mono_now();
  auto finding = client.again(300ms);
  CHECK(mono_now() - started < 1s);
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::timeout);
  CHECK_THAT(finding.message, Catch::Contains("connected, but no answer in time"));
  CHECK(facts_of(finding).role == RedisRole::unknown);
  CHECK(client.ends == 0);
  other.spec.max_lag = 1s;
  wait_for("the replica has heard nothing for two seconds", [&] {
    finding = other.once();
    return finding.reason == Reason::lag;
  });
  CHECK(facts_of(finding).lag >= 2s);
  CHECK(facts_of(finding).link_up == true);
  master.process().thaw();
  CHECK(client.again().outcome == Outcome::pass);
}

TEST_CASE("redis: a master whose writes are paused is not frozen", "[redis]") {
  RedisServer server;
  Client client(server);
  client.spec.check = RedisCheck::roundtrip;
  REQUIRE(client.again().outcome == Outcome::pass);
  server.cli({"CLIENT", "PAUSE", "60000", "WRITE"});
  const auto finding = client.again(500ms);
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::query_failed);
  CHECK_THAT(finding.message, Catch::Contains("not SET in time"));
  CHECK(facts_of(finding).role == RedisRole::master);
  CHECK(facts_of(finding).clients >= 1);
  server.cli({"CLIENT", "UNPAUSE"});
  CHECK(client.again().outcome == Outcome::pass);
  CHECK(client.ends == 0);
}

TEST_CASE("redis: a replica counts in its master's history, until it is promoted", "[redis]") {
  RedisServer master;
  RedisServer replica(replica_of(master));
  wait_for_link(replica);
  Client client(master), other(replica);
  const auto of_master = facts_of(client.once());
  CHECK(of_master.replid.size() == 40);
  CHECK(of_master.replid2.empty());
  CHECK(facts_of(other.once()).replid == of_master.replid);
  replica.cli({"REPLICAOF", "NO", "ONE"});
  const auto promoted = facts_of(other.once());
  CHECK(promoted.role == RedisRole::master);
  CHECK(promoted.replid != of_master.replid);
  CHECK(promoted.replid2 == of_master.replid);
}

TEST_CASE("redis: passwords and users", "[redis]") {
  RedisServer server({"--requirepass", "geheim"});
  Client client(server);
  auto finding = client.once();
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::auth_failed);
  CHECK_THAT(finding.message, Catch::Contains("NOAUTH"));
  client.spec.password = Secret("falsch");
  finding = client.once();
  CHECK(finding.reason == Reason::auth_failed);
  CHECK_THAT(finding.message, Catch::Contains("WRONGPASS"));
  CHECK_THAT(finding.message, !Catch::Contains("falsch"));
  client.spec.password = Secret("geheim");
  client.spec.check = RedisCheck::roundtrip;
  CHECK(client.once().outcome == Outcome::pass);
  client.spec.username = "default";
  CHECK(client.once().outcome == Outcome::pass);

  server.cli({"-a", "geheim", "--no-auth-warning", "ACL", "SETUSER", "probe", "on", ">pw",
              "~pointsman:probe:*", "+set", "+get", "+del", "+ping", "+role"});
  client.spec.username = "probe";
  client.spec.password = Secret("pw");
  finding = client.once();
  CHECK(finding.outcome == Outcome::pass);
  CHECK(facts_of(finding).role == RedisRole::master);
  CHECK_FALSE(facts_of(finding).sentinels);
  CHECK_FALSE(facts_of(finding).clients);
  server.cli({"-a", "geheim", "--no-auth-warning", "ACL", "SETUSER", "probe", "-set"});
  finding = client.once();
  CHECK(finding.reason == Reason::auth_failed);
  CHECK_THAT(finding.message, Catch::Contains("SET"));
  CHECK(facts_of(finding).role == RedisRole::master);
  server.cli({"-a", "geheim", "--no-auth-warning", "ACL", "SETUSER", "probe", "off"});
  CHECK(client.once().reason == Reason::auth_failed);
  for (const auto& step : client.steps) CHECK_THAT(step, !Catch::Contains("geheim"));
}

TEST_CASE("redis: a password given to a server that has none", "[redis]") {
  RedisServer server;
  Client client(server);
  client.spec.password = Secret("geheim");
  const auto finding = client.once();
  CHECK(finding.reason == Reason::auth_failed);
  CHECK_THAT(finding.message, Catch::Contains("without any password configured"));
}

TEST_CASE("redis: AUTH under another name does not show the password", "[redis]") {
  RedisServer server({"--rename-command", "AUTH", "LOGIN"});
  Client client(server);
  client.spec.password = Secret("geheim");
  const auto finding = client.once();
  CHECK(finding.reason == Reason::auth_failed);
  CHECK_THAT(finding.message, !Catch::Contains("geheim"));
}

TEST_CASE("redis: TLS", "[redis]") {
  Place place;
  Certificates certificates(place);
  RedisServer server(certificates, {});
  Client client(server);
  client.spec.tls = TlsSpec{};
  client.spec.tls->ca = certificates.ca;
  client.spec.check = RedisCheck::roundtrip;
  CHECK(client.again().outcome == Outcome::pass);
  CHECK(client.again().outcome == Outcome::pass);
  CHECK(client.ends == 0);
  server.process().stop(SIGTERM);
  CHECK(client.saw_end());
  server.start();
  client.spec.tls->ca.clear();
  CHECK(client.once().reason == Reason::tls_failed);
  client.spec.tls->verify = false;
  CHECK(client.once().outcome == Outcome::pass);
  client.spec.tls.reset();
  const auto plain = client.once();
  CHECK(plain.outcome == Outcome::fail);
  CHECK(plain.reason == Reason::protocol_error);
}

TEST_CASE("redis: no client more", "[redis]") {
  // One of ours and redis-cli's.
  RedisServer server({"--maxclients", "2"});
  Client client(server), other(server);
  REQUIRE(client.again().outcome == Outcome::pass);  // and keeps its connection
  REQUIRE(other.again().outcome == Outcome::pass);
  Client third(server);
  const auto finding = third.once();
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::saturated);
  CHECK_THAT(finding.message, Catch::Contains("max number of clients"));
}

TEST_CASE("redis: a server that loads its data is starting", "[redis]") {
  RedisServer server({"--enable-debug-command", "yes", "--key-load-delay", "500",
                      "--loading-process-events-interval-bytes", "1024"});
  server.cli({"DEBUG", "POPULATE", "20000"});
  server.cli({"SAVE"});
  server.process().stop(SIGKILL);
  server.start(false);
  Client client(server);
  client.spec.check = RedisCheck::roundtrip;
  Finding finding;
  wait_for("it accepts and loads", [&] {
    finding = client.once();
    return finding.reason != Reason::connect_refused;
  });
  CHECK(finding.outcome == Outcome::fail);
  CHECK(finding.reason == Reason::starting);
  CHECK(facts_of(finding).loading);
  CHECK(facts_of(finding).role == RedisRole::master);
}

TEST_CASE("redis: a master that may not write", "[redis]") {
  RedisServer server;
  Client client(server);
  client.spec.check = RedisCheck::roundtrip;
  server.cli({"CONFIG", "SET", "min-replicas-to-write", "1"});
  auto finding = client.once();
  CHECK(finding.reason == Reason::query_failed);
  CHECK_THAT(finding.message, Catch::Contains("NOREPLICAS"));
  CHECK(facts_of(finding).role == RedisRole::master);
  server.cli({"CONFIG", "SET", "min-replicas-to-write", "0"});
  server.cli({"CONFIG", "SET", "maxmemory", "1mb"});
  client.spec.check = RedisCheck::ping;
  client.spec.memory_warn = 0.1;
  client.spec.memory_fail = 100.0;
  finding = client.once();
  CHECK(finding.outcome == Outcome::warn);
  CHECK(finding.reason == Reason::over_threshold);
  client.spec.memory_fail = 0.2;
  CHECK(client.once().outcome == Outcome::fail);
}

TEST_CASE("redis: the kept connection tells at once when the server dies", "[redis]") {
  RedisServer server;
  Client client(server);
  REQUIRE(client.again().outcome == Outcome::pass);
  REQUIRE(client.again().outcome == Outcome::pass);
  CHECK(server.cli({"INFO", "clients"}).find("connected_clients:2\r\n") != std::string::npos);

  SECTION("killed") {
    server.process().kill_all();
  }
  SECTION("stopped") {
    server.process().send(SIGTERM);
  }
  SECTION("its clients are cut, as on a demotion") {
    server.cli({"CLIENT", "KILL", "TYPE", "normal"});
  }
  const auto started = mono_now();
  CHECK(client.saw_end());
  CHECK(mono_now() - started < 1s);
  client.run_while_not([] { return false; }, 100ms);
  CHECK(client.ends == 1);
}

TEST_CASE("redis: nothing calls back after close", "[redis]") {
  RedisServer server;
  Client client(server);
  REQUIRE(client.again().outcome == Outcome::pass);
  client.prober->close();
  wait_for("the connection is gone", [&] {
    return server.cli({"INFO", "clients"}).find("connected_clients:1\r\n") != std::string::npos;
  });
  REQUIRE(client.again().outcome == Outcome::pass);
  client.prober.reset();
  server.process().kill_all();
  client.run_while_not([] { return false; }, 100ms);
  CHECK(client.ends == 0);
}

TEST_CASE("redis: a server that ends idle clients is not watched for long", "[redis]") {
  RedisServer server;
  Client client(server);
  const auto cut = [&] { server.cli({"CLIENT", "KILL", "TYPE", "normal"}); };
  for (int n = 1; n <= RedisProber::max_false_alarms; ++n) {
    REQUIRE(client.again().outcome == Outcome::pass);
    cut();
    REQUIRE(client.saw_end(n));
  }
  REQUIRE(client.again().outcome == Outcome::pass);
  cut();
  client.run_while_not([] { return false; }, 100ms);
  CHECK(client.ends == RedisProber::max_false_alarms);
  // It fails once, and is watched again.
  server.process().kill_all();
  CHECK(client.again().reason == Reason::connect_refused);
  server.start();
  REQUIRE(client.again().outcome == Outcome::pass);
  server.process().kill_all();
  CHECK(client.saw_end(RedisProber::max_false_alarms + 1));
}

TEST_CASE("redis: one connection a run", "[redis]") {
  RedisServer server;
  Client client(server);
  const auto before = connections_of(server);
  for (int n = 0; n < 5; ++n) REQUIRE(client.again().outcome == Outcome::pass);
  CHECK(connections_of(server) == before + 5 + 1);  // and redis-cli's own
}

TEST_CASE("redis: a Sentinel that watches is counted", "[redis]") {
  RedisServer server;
  Place place;
  const auto port = free_port();
  place.write("sentinel.conf", "port " + std::to_string(port) + "\nbind 127.0.0.1\ndir " +
                                   place.path("") + "\nsentinel monitor bud 127.0.0.1 " +
                                   std::to_string(server.port()) + " 1\n");
  Process sentinel({"/usr/bin/redis-server", place.path("sentinel.conf"), "--sentinel"},
                   place.path("log"));
  Client client(server);
  wait_for("the Sentinel listens", [&] { return facts_of(client.once()).sentinels == 1; });
  client.spec.port = port;
  client.spec.check = RedisCheck::role;
  const auto finding = client.once();
  CHECK(finding.reason == Reason::wrong_role);
  CHECK_THAT(finding.message, Catch::Contains("Sentinel"));
}

}  // namespace
}  // namespace pointsman::test
