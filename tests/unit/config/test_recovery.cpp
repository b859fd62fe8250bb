// What promotion, hooks, ladders, steps and notifiers mean once they are right, and the times that
// follow from them.
#include <catch2/catch.hpp>

#include <unistd.h>

#include "daemon/config/report.hpp"
#include "daemon/config/timing.hpp"
#include "tests/unit/config/support.hpp"

namespace pointsman {
namespace {

using namespace std::chrono_literals;

constexpr const char* servers = R"(version: 1
defaults: {interval: 1s, fast_interval: 200ms, timeout: 500ms, rise: 2, fall: 3}
probes:
  primary: {type: postgres, url: "postgresql://pointsman@10.0.1.10:5432/bud"}
  replica: {type: postgres, url: "postgresql://pointsman@10.0.1.11:5432/bud"}
  cache-a: {type: redis, url: "redis://10.0.1.20:6379/0"}
  cache-b: {type: redis, url: "redis://10.0.1.21:6379/0"}
  memory: {type: memory, warn: 85%, fail: 95%}
services:
  host: {members: [memory]}
  database: {members: ["route:bud"]}
notify:
  oncall: {type: alertmanager, url: "http://127.0.0.1:9093/alerts", on: [critical]}
)";

constexpr const char* bud = R"(
  bud:
    via: {pgbouncer: {admin: "host=/run/postgresql dbname=pgbouncer", file: /t.ini}}
    candidates: [primary, replica]
    require: writable
)";

Config load_text(const std::string& text) {
  const TemporaryFolder folder;
  return load_fine(folder.write("pointsman.yaml", servers + text));
}

TEST_CASE("promotion, its defaults and its hooks", "[config]") {
  const Config config = load_text(std::string("routes:") + bud + R"(
    promote: {when: [primary_dead, primary_frozen], max_lag: 16MiB, restart_grace: 20s,
              sole_promoter: true}
    fence: {exec: [/usr/local/lib/fence, --off], env: {A: b}, timeout: 5s}
    demote: {http: {url: "https://db.example/stop", status: [200, 202], hmac: k}}
    undemote: {http: {url: "http://db.example/start", method: PUT}}
  cache:
    via: {haproxy: {socket: /h.sock, backend: redis, server: active}}
    candidates: [cache-a, cache-b]
    require: master
    promote: {when: master_dead, sole_promoter: true}
)");
  const RoutePolicy& route = config.policy->routes.at(RouteName("bud"));
  REQUIRE(route.promote);
  CHECK(route.promote->when == std::vector<std::string>{"primary_dead", "primary_frozen"});
  CHECK(route.promote->max_lag == Lag{std::uint64_t{16} << 20});
  CHECK(route.promote->timeout == 30s);
  CHECK(route.promote->sole_promoter);
  CHECK(route.restart_grace == 20s);
  CHECK(route.hooks == std::set<HookKind>{HookKind::fence, HookKind::demote, HookKind::undemote});
  const auto& hooks = config.hooks.at(RouteName("bud"));
  const HookSpec& fence = hooks.at(HookKind::fence);
  CHECK(fence.timeout == 5s);
  CHECK(std::get<ExecSpec>(fence.call).command ==
        std::vector<std::string>{"/usr/local/lib/fence", "--off"});
  CHECK(std::get<ExecSpec>(fence.call).environment.front().first == "A");
  const HookSpec& demote = hooks.at(HookKind::demote);
  CHECK(demote.timeout == 30s);
  CHECK(demote.hmac_key.reveal() == "k");
  CHECK(std::get<HttpSpec>(demote.call).method == "POST");
  CHECK(std::get<HttpSpec>(demote.call).tls);
  CHECK(std::get<HttpSpec>(demote.call).status == std::vector<StatusRange>{{200, 200}, {202, 202}});
  const auto& undemote = std::get<HttpSpec>(hooks.at(HookKind::undemote).call);
  CHECK(undemote.method == "PUT");
  CHECK(undemote.status == std::vector<StatusRange>{{200, 299}});

  const RoutePolicy& cache = config.policy->routes.at(RouteName("cache"));
  CHECK(cache.promote->max_lag == Lag{std::uint64_t{1} << 20});
  CHECK(cache.restart_grace == 15s);
  CHECK(config.hooks.count(RouteName("cache")) == 0);
  CHECK(std::get<HaproxyVia>(config.vias.at(RouteName("cache")).front()).servers ==
        std::vector<std::string>{"active"});
  REQUIRE(config.warnings.size() == 1);
  CHECK(config.warnings[0].path == "routes.cache.promote");
}

TEST_CASE("every kind of step, in all its spellings", "[config]") {
  const Config config =
      load_text(std::string("backups: {bud: {database: primary}}\nroutes:") + bud + R"(
    promote: {when: [primary_dead], sole_promoter: true}
    fence: {exec: [/bin/true]}
recovery:
  all:
    when: {route: bud, state: degraded, for: 15s}
    steps:
      - reconnect: bud
      - {switch: bud, timeout: 10s, retries: 2, verify_within: 1m}
      - promote: bud
      - set_flag: caching_off
      - set_flag: {name: maintenance_page, for: 10m, until: recovered}
      - clear_flag: caching_off
      - restart_unit: bud-worker
      - {reload_unit: nginx.service, timeout: 5s}
      - {exec: [/usr/local/bin/scale, out], env: {MAX: "10"}, timeout: 2m}
      - http: {url: "http://127.0.0.1:8000/gc", method: PUT, headers: {X: y}, body: "{}"}
      - drain: true
      - notify: oncall
      - backup: bud
      - wait: 30s
      - {approve: "Go on?", timeout: 2h}
    verify_within: 20s
    retry_after: 0s
    exhausted: {escalate: oncall}
    limits: {cooldown: 5m, max_per_hour: 2, max_per_day: 6}
)");
  const LadderPolicy& ladder = config.policy->recovery.at(LadderName("all"));
  CHECK(ladder.when.subject == Member{RouteName("bud")});
  CHECK(ladder.when.state == State::degraded);
  CHECK(ladder.when.hold == 15s);
  CHECK(ladder.verify_within == 20s);
  CHECK(ladder.retry_after == 0s);
  CHECK(ladder.escalate == std::vector<NotifierName>{NotifierName("oncall")});
  CHECK(ladder.cooldown == 5min);
  CHECK(ladder.max_per_hour == 2);
  CHECK(ladder.max_per_day == 6);
  CHECK(ladder.fingerprint.size() == 32);

  const auto& steps = ladder.steps;
  REQUIRE(steps.size() == 15);
  std::string kinds;
  for (const auto& step : steps) kinds += std::string(to_text(step.kind)) + " ";
  CHECK(kinds ==
        "reconnect switch promote set_flag set_flag clear_flag restart_unit reload_unit exec http "
        "drain notify backup wait approve ");
  CHECK(steps[0].route == RouteName("bud"));
  CHECK(steps[0].timeout == 30s);
  CHECK(steps[0].retries == 0);
  CHECK_FALSE(steps[0].verify_within);
  CHECK(steps[1].timeout == 10s);
  CHECK(steps[1].retries == 2);
  CHECK(steps[1].verify_within == Duration{1min});
  CHECK(steps[3].name == "caching_off");
  CHECK_FALSE(steps[3].until_recovered);
  CHECK(steps[4].name == "maintenance_page");
  CHECK(steps[4].hold == Duration{10min});
  CHECK(steps[4].until_recovered);
  CHECK(steps[6].name == "bud-worker.service");
  CHECK(steps[8].name == "scale");
  CHECK(steps[9].name == "PUT 127.0.0.1");
  CHECK(steps[11].name == "oncall");
  CHECK(steps[13].hold == Duration{30s});
  CHECK(steps[14].name == "Go on?");
  CHECK(steps[14].hold == Duration{2h});

  const auto& specs = config.steps.at(LadderName("all"));
  REQUIRE(specs.size() == steps.size());
  for (std::size_t i = 0; i < specs.size(); ++i)
    CHECK(specs[i].call.has_value() == (i == 8 || i == 9));
  CHECK(specs[8].call->timeout == 2min);
  CHECK(std::get<ExecSpec>(specs[8].call->call).environment.size() == 1);
  CHECK(std::get<HttpSpec>(specs[9].call->call).headers.size() == 1);
}

TEST_CASE("notifiers", "[config]") {
  const Config config = load_text(std::string("routes:") + bud + R"(
)");
  const auto& alertmanager =
      std::get<AlertmanagerSpec>(config.notifiers.at(NotifierName("oncall")));
  CHECK(alertmanager.refresh == 1min);
  CHECK(alertmanager.to.target == "/alerts");
  CHECK(alertmanager.to.method == "POST");
  const NotifierPolicy& policy = config.policy->notify.at(NotifierName("oncall"));
  CHECK(policy.on_critical);
  CHECK_FALSE(policy.on_warning);

  const TemporaryFolder folder;
  const Config more = load_fine(folder.write("more.yaml", R"(version: 1
probes: {c: {type: cpu}}
notify:
  pager: {type: pagerduty, routing_key: R0, on: warning}
  bot: {type: slack, token: xoxb, channel: "#ops"}
  room: {type: slack, url: "https://hooks.slack.com/services/a/b/c"}
  hook: {type: webhook, url: "http://u:p@h:81/x", method: PUT, body: "{\"t\": \"{{summary}}\"}", hmac: k}
  page: {type: exec, command: [/bin/true, -x], env: {A: b}}
)"));
  const auto spec = [&](const char* name) { return more.notifiers.at(NotifierName(name)); };
  CHECK(std::get<PagerdutySpec>(spec("pager")).to.host == "events.pagerduty.com");
  CHECK(std::get<PagerdutySpec>(spec("pager")).to.tls);
  CHECK(more.policy->notify.at(NotifierName("pager")).on_warning);
  CHECK(std::get<SlackSpec>(spec("bot")).to.host == "slack.com");
  CHECK(std::get<SlackSpec>(spec("room")).token.empty());
  CHECK(std::get<SlackSpec>(spec("room")).to.target == "/services/a/b/c");
  const auto hook = std::get<WebhookSpec>(spec("hook"));
  CHECK(hook.to.method == "PUT");
  CHECK(hook.to.headers.size() == 1);
  CHECK(hook.body == R"({"t": "{{summary}}"})");
  CHECK(std::get<ExecSpec>(spec("page")).command.size() == 2);
}

TEST_CASE("haproxy and file", "[config]") {
  const TemporaryFolder folder;
  const std::string tmpl = folder.write("upstream.tmpl", "server {{address}};\n");
  const std::string file =
      folder.write("pointsman.yaml", std::string(servers) + "routes:" + bud + R"(
  cache:
    via:
      haproxy:
        socket: /run/haproxy/admin.sock
        backend: redis
        server: [a, b]
        verify: {address: "127.0.0.1:6380", user: default, password: p, tls: {}}
        server_state_file: /var/lib/haproxy/state
    candidates: [cache-a, cache-b]
    require: master
  web:
    via:
      - {file: {path: /etc/nginx/a, template: )" +
                                         tmpl + R"(, reload: {unit: nginx},
                verify: {tcp: "127.0.0.1:80"}}}
      - {file: {path: /etc/nginx/b, template: )" +
                                         tmpl + R"(,
                reload: {exec: [/usr/sbin/nginx, -s, reload]},
                verify: {http: {url: "http://127.0.0.1/h", status: 204, body_contains: ok}}}}
      - {file: {path: /etc/nginx/c, template: )" +
                                         tmpl + R"(, verify: {http: "http://127.0.0.1/h"}}}
    candidates: [cache-a, cache-b]
    require: any
)");
  const Config config = load_fine(file);
  const auto& haproxy = std::get<HaproxyVia>(config.vias.at(RouteName("cache")).front());
  CHECK(haproxy.servers == std::vector<std::string>{"a", "b"});
  CHECK(haproxy.verify->address == Endpoint{"127.0.0.1", 6380});
  CHECK(haproxy.verify->tls);
  CHECK(haproxy.server_state_file == "/var/lib/haproxy/state");
  const auto& vias = config.vias.at(RouteName("web"));
  REQUIRE(vias.size() == 3);
  const auto via = [&](std::size_t i) { return std::get<FileVia>(vias[i]); };
  CHECK(via(0).template_text == "server {{address}};\n");
  CHECK(std::get<std::string>(via(0).reload) == "nginx.service");
  CHECK(std::get<Endpoint>(via(0).verify) == Endpoint{"127.0.0.1", 80});
  CHECK(std::get<ExecSpec>(via(1).reload).command.size() == 3);
  CHECK(std::get<HttpSpec>(via(1).verify).body_contains == "ok");
  CHECK(std::holds_alternative<std::monostate>(via(2).reload));
  CHECK(std::get<HttpSpec>(via(2).verify).target == "/h");

  const std::string before = config.policy->routes.at(RouteName("web")).fingerprint;
  folder.write("upstream.tmpl", "server other {{address}};\n");
  CHECK(load_fine(file).policy->routes.at(RouteName("web")).fingerprint != before);
  // Who only looks for the control socket may be kept from the template.
  std::filesystem::remove(tmpl);
  CHECK(load_fine(file, SecretUse::ignored).policy->routes.size() == 3);
}

TEST_CASE("a template that cannot be filled in", "[config]") {
  const TemporaryFolder folder;
  const auto load = [&](const std::string& tmpl, const std::string& more) {
    const std::string name = folder.write("upstream.tmpl", tmpl);
    return load_broken(folder.write("x.yaml", std::string(servers) + "routes:" + bud + R"(
  web:
    via: {file: {path: /etc/nginx/a, template: )" +
                                                  name + R"(}}
    candidates: [cache-a, cache-b]
    require: replica
)" + more));
  };
  const LoadFailure unknown = load("a\nserver {{adress}};\n", "");
  REQUIRE(unknown.errors.size() == 1);
  CHECK(unknown.errors[0].path == "routes.web.via.file.template");
  CHECK(unknown.errors[0].text.find("upstream.tmpl:2: ") != std::string::npos);
  const LoadFailure empty = load("", "");
  CHECK(empty.errors.size() == 1);
  const LoadFailure one = load("server {{address}};\n", "    balance: round_robin\n");
  REQUIRE(one.errors.size() == 1);
  CHECK(one.errors[0].text.find("has place for one target") != std::string::npos);
}

TEST_CASE("a hook or a step as another user is for root only", "[config]") {
  const TemporaryFolder folder;
  const std::string file = folder.write("x.yaml", std::string(servers) + "routes:" + bud + R"(
recovery:
  r:
    when: {service: host, state: unhealthy}
    steps: [{exec: [/bin/true], user: nobody}]
    exhausted: {escalate: oncall}
)");
  if (::geteuid() == 0) {
    const Config config = load_fine(file);
    const auto& call = config.steps.at(LadderName("r")).front().call->call;
    CHECK(std::get<ExecSpec>(call).user == "nobody");
  } else {
    const LoadFailure failure = load_broken(file);
    REQUIRE(failure.errors.size() == 1);
    CHECK(failure.errors.front().text.find("only root") == 0);
  }
}

TEST_CASE("without its secrets a hook or a notifier is left out", "[config]") {
  const TemporaryFolder folder;
  ::unsetenv("POINTSMAN_NOT_SET");
  const std::string file = folder.write(
      "x.yaml", std::string(servers) + "  b: {type: slack, url: \"${env:POINTSMAN_NOT_SET}\"}\n" +
                    "routes:" + bud + R"(
    promote: {when: [primary_dead], sole_promoter: true}
    fence: {http: {url: "${env:POINTSMAN_NOT_SET}", hmac: "${env:POINTSMAN_NOT_SET}"}}
recovery:
  r:
    when: {service: host, state: unhealthy}
    steps: [{exec: ["${env:POINTSMAN_NOT_SET}"]}, {notify: b}]
    exhausted: {escalate: b}
)");
  CHECK(load_broken(file).errors.size() == 4);
  const Config config = load_fine(file, SecretUse::ignored);
  CHECK(config.notifiers.size() == 1);
  CHECK(config.steps.at(LadderName("r")).size() == 2);
}

// The tuned set of SPEC's figures: interval 1s, fast 200ms, timeout 500ms, fall 3.
TEST_CASE("times of a route that drives", "[config]") {
  const std::string drive =
      std::string("routes:") + bud + "    promote: {when: [primary_dead], sole_promoter: true}\n";
  const Config config = load_text(drive);
  const RouteTiming timing =
      route_timing(config.policy->routes.at(RouteName("bud")), bounds_input(config));
  REQUIRE(timing.drive);
  // Watched: at once; two more fails at F; a look; pg_promote; the switch.
  CHECK(timing.drive->dead.typical == 420ms + 10ms + 100ms + 50ms);
  CHECK(timing.drive->dead.worst == 420ms + 510ms + 5100ms + 500ms);
  // Half an interval, T, two more runs that take T each.
  CHECK(timing.drive->frozen.typical == 500ms + 500ms + 1000ms + 10ms + 100ms + 50ms);
  // Half of 60 s and a second, half of F.
  CHECK(timing.drive->lost.typical == 31s + 100ms + 160ms);
  CHECK(timing.drive->lost_tuned.typical == 3500ms + 100ms + 160ms);
  CHECK(timing.followed.typical == 150ms);

  const Config fenced = load_text(drive + "    fence: {exec: [/bin/true], timeout: 5s}\n");
  const RouteTiming slow =
      route_timing(fenced.policy->routes.at(RouteName("bud")), bounds_input(fenced));
  CHECK(slow.drive->dead.typical == timing.drive->dead.typical);
  CHECK(slow.drive->dead.worst == timing.drive->dead.worst + 5s);
  CHECK(slow.drive->frozen.typical == timing.drive->frozen.typical + 500ms);

  const std::string text = describe(config);
  INFO(text);
  CHECK(text.find("31 s at PostgreSQL's default of 60 s, 3.5 s at 5 s; without pg_monitor all of "
                  "it") != std::string::npos);
  CHECK(text.find("promotes when primary_dead (as the one host that does), if at most 1MiB") !=
        std::string::npos);
}

TEST_CASE("times of a Redis route: watched, but not by every server's leave", "[config]") {
  const Config config = load_text(std::string("routes:") + bud + R"(
  cache:
    via: {haproxy: {socket: /h.sock, backend: redis, server: active}}
    candidates: [cache-a, cache-b]
    require: master
    promote: {when: [master_dead], sole_promoter: true}
)");
  const RouteTiming timing =
      route_timing(config.policy->routes.at(RouteName("cache")), bounds_input(config));
  CHECK(timing.target.dead_noticed.typical == 0s);
  CHECK(timing.target.dead_noticed.worst == 1060ms);
  CHECK(timing.drive->dead.typical == 420ms + 10ms + 2ms + 50ms);
  CHECK(timing.drive->dead.worst == 1060ms + 420ms + 510ms + 100ms + 500ms);
}

TEST_CASE("times of a ladder", "[config]") {
  const Config config = load_text(std::string("routes:") + bud + R"(
recovery:
  r:
    when: {probe: memory, state: unhealthy, for: 10s}
    steps:
      - {exec: [/bin/gc], timeout: 5s, retries: 1, verify_within: 15s}
      - set_flag: caching_off
      - wait: 1m
    retry_after: 20s
    exhausted: {escalate: oncall}
)");
  const LadderTiming timing =
      ladder_timing(config.policy->recovery.at(LadderName("r")), bounds_input(config));
  CHECK(timing.noticed.typical == 920ms);
  CHECK(timing.begun.typical == 10920ms);
  // 15 s + 20 s + 30 s + 20 s + 1 min + 30 s
  CHECK(timing.exhausted.typical == 10920ms + 175s);
  CHECK(timing.exhausted.worst - timing.begun.worst == 10s + 175s);
  CHECK(timing.exhausted.best - timing.begun.best == 20s + 20s + 90s);
  const std::string text = describe(config);
  INFO(text);
  CHECK(text.find("memory unhealthy for 10s: exec gc, then set_flag caching_off, then wait 1m, "
                  "then tells oncall") != std::string::npos);
  CHECK(text.find("oncall    alertmanager, told of every critical incident") != std::string::npos);
}

}  // namespace
}  // namespace pointsman
