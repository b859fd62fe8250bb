// What the sections mean once they are right: defaults, scopes, needs, routes, times.
#include <catch2/catch.hpp>

#include "daemon/config/report.hpp"
#include "daemon/config/timing.hpp"
#include "tests/unit/config/support.hpp"

namespace pointsman {
namespace {

using namespace std::chrono_literals;

Config load_text(const std::string& text) {
  const TemporaryFolder folder;
  return load_fine(folder.write("pointsman.yaml", "version: 1\n" + text));
}

const ProbePolicy& probe(const Config& config, const char* name) {
  return config.policy->probes.at(ProbeName(name));
}

TEST_CASE("defaults are cut to the probe's interval, not the probe's own words", "[config]") {
  const Config config = load_text(R"(
defaults: {interval: 10s, fast_interval: 2s, timeout: 3s, warn_latency: 1s, rise: 4, fall: 5}
probes:
  plain: {type: cpu}
  quick: {type: cpu, interval: 500ms}
  own: {type: cpu, interval: 20s, timeout: 15s, fast_interval: 5s, down_interval: 1m, rise: 1, fall: 1}
)");
  CHECK(probe(config, "plain").interval == 10s);
  CHECK(probe(config, "plain").fast_interval == 2s);
  CHECK(probe(config, "plain").down_interval == 10s);
  CHECK(probe(config, "plain").timeout == 3s);
  CHECK(probe(config, "plain").warn_latency == Duration{1s});
  CHECK(probe(config, "plain").fall == 5);
  CHECK(probe(config, "quick").timeout == 500ms);
  CHECK(probe(config, "quick").fast_interval == 500ms);
  CHECK_FALSE(probe(config, "quick").warn_latency);
  CHECK(probe(config, "own").timeout == 15s);
  CHECK(probe(config, "own").down_interval == 1min);
  CHECK(probe(config, "own").rise == 1);
}

TEST_CASE("scopes are inferred from what is local", "[config]") {
  const Config config = load_text(R"(
probes:
  cpu: {type: cpu}
  sock: {type: postgres, url: "host=/run/postgresql dbname=x"}
  loop: {type: redis, url: "redis://127.0.0.1"}
  six: {type: tcp, address: "[::1]:25"}
  far: {type: tcp, address: "10.0.0.1:25"}
  pool: {type: pgbouncer, admin: "host=/run/postgresql dbname=pgbouncer"}
services:
  local: {members: [cpu, sock, loop, six, pool]}
  mixed: {members: [cpu, far]}
  outer: {members: [local], need: any}
  wider: {members: [local, mixed], need: 2}
  said: {members: [cpu], scope: shared}
)");
  const auto& services = config.policy->services;
  CHECK(services.at(ServiceName("local")).scope == Scope::node);
  CHECK(services.at(ServiceName("mixed")).scope == Scope::shared);
  CHECK(services.at(ServiceName("outer")).scope == Scope::node);
  CHECK(services.at(ServiceName("outer")).need == 1);
  CHECK(services.at(ServiceName("wider")).scope == Scope::shared);
  CHECK(services.at(ServiceName("wider")).need == 2);
  CHECK(services.at(ServiceName("said")).scope == Scope::shared);
  CHECK_FALSE(services.at(ServiceName("said")).scope_inferred);
}

TEST_CASE("routes: names, options, overridden addresses", "[config]") {
  const Config config = load_text(R"(
probes:
  a: {type: postgres, url: "postgresql://u@db-a.example/x", address: "10.0.0.9:6000"}
  b: {type: postgres, url: "postgresql://u@db-b.example/x"}
  c: {type: http, url: "http://10.0.0.3:81/", enabled: false}
routes:
  one:
    via:
      - {pgbouncer: {admin: "host=/run/a dbname=pgbouncer", file: /a.ini, options: "pool_size=20"}}
      - {pgbouncer: {admin: "host=/run/b dbname=pgbouncer", file: /b.ini, database: other}}
    candidates: [a, b]
    require: writable
  two:
    via: {pgbouncer: {admin: "host=/run/a dbname=pgbouncer", file: /a.ini, options: "dbname='x y'"}}
    candidates: [c]
    require: any
)");
  CHECK(to_text(*probe(config, "a").endpoint) == "10.0.0.9:6000");
  CHECK(to_text(*probe(config, "b").endpoint) == "db-b.example:5432");
  const auto& vias = config.vias.at(RouteName("one"));
  REQUIRE(vias.size() == 2);
  CHECK(std::get<PgbouncerVia>(vias[0]).database == "one");
  CHECK(std::get<PgbouncerVia>(vias[0]).options == "dbname=one pool_size=20");
  CHECK(std::get<PgbouncerVia>(vias[1]).options == "dbname=other");
  CHECK(std::get<PgbouncerVia>(config.vias.at(RouteName("two"))[0]).options == "dbname='x y'");
  CHECK(config.policy->routes.at(RouteName("one")).observe_interval == 5s);
  REQUIRE(config.warnings.size() == 2);
  CHECK(config.warnings[0].text ==
        "'b' is reached by the name db-b.example: pgbouncer follows a changed name only after "
        "dns_max_ttl (15 s by default); an address has no such delay");
  CHECK(config.warnings[1].text == "'c' has `enabled: false`: the route never leads there");
}

TEST_CASE("fingerprints change with what they stand for, and with nothing else", "[config]") {
  const auto print = [](const std::string& text) {
    return probe(load_text(text), "a").fingerprint;
  };
  const std::string first = print("probes: {a: {type: redis, url: \"redis://:x@h\"}}");
  CHECK(first == print("# moved\nprobes:\n  a:\n    url: redis://:x@h\n    type: redis\n"));
  CHECK(first != print("probes: {a: {type: redis, url: \"redis://:y@h\"}}"));
  CHECK(first != print("defaults: {fall: 4}\nprobes: {a: {type: redis, url: \"redis://:x@h\"}}"));
}

TEST_CASE("that cert_expiry was given is known", "[config]") {
  const TemporaryFolder folder;
  const Config config = load_fine(folder.write("x.yaml", R"(version: 1
probes:
  web: {type: http, url: "https://h/", tls: {verify: false}, cert_expiry: {warn: 30d}}
  web_default: {type: http, url: "https://h/", tls: {verify: false}}
  smtp: {type: tcp, address: "h:465", tls: {verify: false}, cert_expiry: {fail: 1d}}
  smtp_default: {type: tcp, address: "h:465", tls: {verify: false}}
)"));
  const auto http = [&](const char* name) {
    return std::get<HttpSpec>(config.probes.at(ProbeName(name)));
  };
  const auto tcp = [&](const char* name) {
    return std::get<TcpSpec>(config.probes.at(ProbeName(name)));
  };
  CHECK(http("web").cert_given);
  CHECK_FALSE(http("web_default").cert_given);
  CHECK(tcp("smtp").cert_given);
  CHECK_FALSE(tcp("smtp_default").cert_given);
}

TEST_CASE("strings stay strings", "[config]") {
  const Config config = load_text(R"(
node: {name: on, region: 5, zone: null-ish}
probes: {a: {type: http, url: "http://127.0.0.1/", body_contains: yes,
             json: {/a: true, /b: "true", /c: 3, /d: x, /e: }}}
)");
  CHECK(config.node.name == "on");
  CHECK(config.node.region == "5");
  const auto& http = std::get<HttpSpec>(config.probes.at(ProbeName("a")));
  CHECK(http.body_contains == "yes");
  std::string values;
  for (const auto& expect : http.json) values += expect.value + " ";
  CHECK(values == "true \"true\" 3 \"x\" null ");
}

TEST_CASE("times are computed from intervals", "[config]") {
  ProbePolicy policy;
  policy.interval = 5s;
  policy.fast_interval = policy.down_interval = 1s;
  policy.timeout = 2s;
  policy.fall = 3;
  const ProbeTiming timing = probe_timing(policy, Watched::no);
  CHECK(timing.dead_noticed.best == 0s);
  CHECK(timing.dead_noticed.typical == 2500ms);
  CHECK(timing.dead_noticed.worst == 5260ms);  // 5 % of jitter, 10 ms of the grid
  CHECK(timing.silent_noticed.worst == 7260ms);
  CHECK(timing.dead_down.best == 2s);
  CHECK(timing.silent_down.best == 6s);
  CHECK(probe_timing(policy, Watched::yes).dead_noticed.worst == 0s);

  // AWS's own figures for 30 s, 5 s, 2 down, 5 up: 65 s to eject at worst, 150 s to return.
  const BalancerTiming balancer = balancer_timing(LoadBalancerSpec{});
  CHECK(balancer.leave_silent.worst == 65s);
  CHECK(balancer.enter.worst == 150s);
  CHECK(balancer.leave.best == 30s);
}

TEST_CASE("the report says what was inferred and how long things take", "[config]") {
  const std::string text =
      describe(load_fine(std::string(POINTSMAN_SOURCE_DIR) + "/etc/pointsman.yaml"));
  INFO(text);
  for (const char* part :
       {"scope node (inferred), critical, needs 4 of 4: disk, memory, cpu, app",
        "via pgbouncer, writable of primary, replica-1, replica-2",
        "via pgbouncer, standby of replica-1, replica-2, balanced, else route:bud",
        "this host leaves after answering 503"}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

}  // namespace
}  // namespace pointsman
