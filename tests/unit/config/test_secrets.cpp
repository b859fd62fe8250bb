// Secrets are found wherever they may come from, and come out nowhere.
#include <catch2/catch.hpp>

#include <stdlib.h>

#include <boost/json/serialize.hpp>

#include "daemon/config/redact.hpp"
#include "daemon/config/report.hpp"
#include "tests/unit/config/support.hpp"

namespace pointsman {
namespace {

constexpr const char* secret = "geheim-7f3a";

/// Everything that a load gives that may be printed.
std::string everything(const std::variant<Config, LoadFailure>& result) {
  if (const auto* failure = std::get_if<LoadFailure>(&result)) return all_text(*failure);
  const auto& config = std::get<Config>(result);
  std::string text = boost::json::serialize(config.redacted) + describe(config) +
                     boost::json::serialize(describe_json(config));
  for (const auto& warning : config.warnings) text += to_text(warning, true);
  for (const auto& [name, probe] : config.policy->probes) {
    text += probe.fingerprint;
    for (const auto& [key, value] : probe.labels) text += key + value;
    if (probe.endpoint) text += to_text(*probe.endpoint);
  }
  for (const auto& [name, route] : config.policy->routes) text += route.fingerprint;
  for (const auto& [name, ladder] : config.policy->recovery) {
    text += ladder.fingerprint;
    for (const auto& step : ladder.steps) text += step.name;
  }
  for (const auto& [name, probe] : config.probes) {
    if (const auto* http = std::get_if<HttpSpec>(&probe)) text += http->url;
  }
  return text;
}

TEST_CASE("secrets reach their place and are printed nowhere", "[config][secrets]") {
  const TemporaryFolder folder;
  ::setenv("POINTSMAN_TEST_SECRET", secret, 1);
  ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
  folder.write("credential", std::string(secret) + "\n");
  const std::string path = folder.write("secret-file", std::string(secret) + "\n");
  const std::string file = folder.write("pointsman.yaml", R"(version: 1
listen: {token: "${credential:credential}"}
probes:
  inline: {type: postgres, url: "postgresql://u:geheim-7f3a@10.0.1.10/bud"}
  keywords: {type: postgres, url: "host=10.0.1.10 user=u password='geheim-7f3a' dbname=bud"}
  from_env: {type: postgres, url: "postgresql://u:${env:POINTSMAN_TEST_SECRET}@10.0.1.10/bud"}
  apart: {type: redis, url: "redis://10.0.1.20", password: "${file:)" +
                                                              path + R"(}"}
  plain: {type: redis, url: "redis://u:geheim-7f3a@10.0.1.20/0"}
  web: {type: http, url: "https://u:geheim-7f3a@api.example/x?k=${env:POINTSMAN_TEST_SECRET}",
        headers: {X-Key: geheim-7f3a}, body: "geheim-7f3a",
        labels: {key: "${env:POINTSMAN_TEST_SECRET}"}}
  script: {type: exec, command: [/bin/true], env: {PGPASSWORD: geheim-7f3a}}
notify:
  oncall: {type: slack, channel: "#ops", token: geheim-7f3a}
  room: {type: slack, url: "https://hooks.slack.com/services/T0/B0/geheim-7f3a"}
  pager: {type: pagerduty, routing_key: "${env:POINTSMAN_TEST_SECRET}"}
  hook: {type: webhook, url: "https://h/${env:POINTSMAN_TEST_SECRET}", hmac: geheim-7f3a,
         body: "geheim-7f3a {{summary}}", headers: {X-Key: geheim-7f3a}}
  script: {type: exec, command: [/bin/true], env: {KEY: geheim-7f3a}}
recovery:
  all:
    when: {probe: web, state: unhealthy}
    steps:
      - {exec: [/bin/true], env: {KEY: geheim-7f3a}}
      - http: {url: "http://u:geheim-7f3a@h/gc?k=${env:POINTSMAN_TEST_SECRET}", hmac: geheim-7f3a,
               headers: {X-Key: geheim-7f3a}, body: geheim-7f3a}
    exhausted: {escalate: oncall}
routes:
  r:
    via: {pgbouncer: {admin: "dbname=pgbouncer password=geheim-7f3a", file: /t.ini,
                      options: "password=geheim-7f3a pool_size=5",
                      verify: {user: u, password: "geheim-7f3a"}}}
    candidates: [inline, keywords]
    require: writable
    promote: {when: [primary_dead], sole_promoter: true}
    fence: {http: {url: "http://h/fence", hmac: "${env:POINTSMAN_TEST_SECRET}"}}
  p:
    via: {haproxy: {socket: /h.sock, backend: b, server: s,
                    verify: {address: "127.0.0.1:6380", password: geheim-7f3a}}}
    candidates: [plain]
    require: master
)");
  const Config config = load_fine(file);
  CHECK(config.listen.token.reveal() == secret);
  const auto redis = [&](const char* name) {
    return std::get<RedisSpec>(config.probes.at(ProbeName(name))).password.reveal();
  };
  CHECK(redis("apart") == secret);
  CHECK(redis("plain") == secret);
  const auto& web = std::get<HttpSpec>(config.probes.at(ProbeName("web")));
  CHECK(web.target == std::string("/x?k=") + secret);
  REQUIRE(web.headers.size() == 2);
  CHECK(web.headers[0].first == "Authorization");
  CHECK(web.headers[0].second.reveal() == "Basic dTpnZWhlaW0tN2YzYQ==");
  const auto& from_env = std::get<PostgresSpec>(config.probes.at(ProbeName("from_env")));
  CHECK(from_env.conninfo.reveal().find(secret) != std::string::npos);
  const auto& via = std::get<PgbouncerVia>(config.vias.at(RouteName("r")).front());
  CHECK(via.verify_password.reveal() == secret);
  const auto& haproxy = std::get<HaproxyVia>(config.vias.at(RouteName("p")).front());
  CHECK(haproxy.verify->password.reveal() == secret);
  const HookSpec& fence = config.hooks.at(RouteName("r")).at(HookKind::fence);
  CHECK(fence.hmac_key.reveal() == secret);
  const auto& steps = config.steps.at(LadderName("all"));
  CHECK(std::get<ExecSpec>(steps[0].call->call).environment[0].second.reveal() == secret);
  CHECK(steps[1].call->hmac_key.reveal() == secret);
  CHECK(std::get<HttpSpec>(steps[1].call->call).body.reveal() == secret);
  const auto notifier = [&](const char* name) { return config.notifiers.at(NotifierName(name)); };
  CHECK(std::get<SlackSpec>(notifier("oncall")).token.reveal() == secret);
  CHECK(std::get<SlackSpec>(notifier("room")).to.target ==
        std::string("/services/T0/B0/") + secret);
  CHECK(std::get<PagerdutySpec>(notifier("pager")).routing_key.reveal() == secret);
  CHECK(std::get<WebhookSpec>(notifier("hook")).hmac->reveal() == secret);

  const std::string printed = everything(config);
  INFO(printed);
  CHECK(printed.find(secret) == std::string::npos);
  CHECK(printed.find("***") != std::string::npos);
}

TEST_CASE("what an http probe must not show in its messages is marked", "[config][secrets]") {
  const TemporaryFolder folder;
  ::setenv("POINTSMAN_TEST_SECRET", secret, 1);
  const Config config = load_fine(folder.write("pointsman.yaml", R"(version: 1
probes:
  open: {type: http, url: "https://h/x", body_contains: ok, json: {"/a": ok}}
  closed: {type: http, url: "https://h/bot${env:POINTSMAN_TEST_SECRET}/getMe",
           body_contains: "${env:POINTSMAN_TEST_SECRET}",
           json: {"/a": "${env:POINTSMAN_TEST_SECRET}", "/b": ok}}
  pattern: {type: http, url: "https://h/x", body_matches: "${env:POINTSMAN_TEST_SECRET}"}
)"));
  const auto http = [&](const char* name) {
    return std::get<HttpSpec>(config.probes.at(ProbeName(name)));
  };
  CHECK_FALSE(http("open").target_secret);
  CHECK_FALSE(http("open").body_secret);
  CHECK_FALSE(http("open").json.front().secret);
  CHECK(http("closed").target == std::string("/bot") + secret + "/getMe");
  CHECK(http("closed").target_secret);
  CHECK(http("closed").body_secret);
  CHECK(http("closed").json[0].secret);
  CHECK_FALSE(http("closed").json[1].secret);
  CHECK(http("pattern").body_secret);
}

TEST_CASE("errors do not tell secrets either", "[config][secrets]") {
  const TemporaryFolder folder;
  ::setenv("POINTSMAN_TEST_SECRET", secret, 1);
  const char* broken[] = {
      "p: {type: postgres, url: \"postgresql://u:geheim-7f3a@h/bud?wrong=1\"}",
      "p: {type: postgres, url: \"postgresql://u:geheim-7f3a@[::1/bud\"}",
      "p: {type: postgres, url: \"postgresql://u:a geheim-7f3a@h/bud?x\"}",
      "p: {type: postgres, url: \"host=h password=geheim-7f3a wrong=1\"}",
      "p: {type: postgres, url: \"host=h password = 'geheim-7f3a' wrong\"}",
      "p: {type: postgres, url: \"${env:POINTSMAN_TEST_SECRET}\"}",
      "p: {type: postgres, url: \"host=h passwort=${env:POINTSMAN_TEST_SECRET}\"}",
      "p: {type: redis, url: \"redis:/u:geheim-7f3a@h\"}",
      "p: {type: redis, url: \"redis://u:geheim-7f3a@h:x\"}",
      "p: {type: redis, url: \"redis://h/${env:POINTSMAN_TEST_SECRET}\"}",
      "p: {type: http, url: \"htp://u:geheim-7f3a@h/\"}",
      "p: {type: http, url: \"http://h/\", headers: {A: [geheim-7f3a]}}",
      "p: {type: \"${env:POINTSMAN_TEST_SECRET}\"}",
      "p: {type: cpu, interval: \"${env:POINTSMAN_TEST_SECRET}\"}",
      "p: {type: cpu, interval: \"postgresql://u:geheim-7f3a@h\"}",
      "p: {type: cpu, \"postgresql://u:geheim-7f3a@h\": 1}",
      "p: {type: cpu, \"redis://:geheim-7f3a@h\"}",
      "\"redis://:geheim-7f3a@h\": {type: cpu}",
      "p: {type: cpu, enabled: \"password=geheim-7f3a\"}",
      "p: {type: exec, command: \"PGPASSWORD=geheim-7f3a psql\"}",
      "p: {type: exec, command: [\"x password=geheim-7f3a\"]}",
      "p: !<redis://:geheim-7f3a@h> {type: cpu}",
      "p: {type: tcp, address: \"${env:POINTSMAN_TEST_SECRET}\"}",
  };
  for (const char* line : broken) {
    const std::string file =
        folder.write("pointsman.yaml", std::string("version: 1\nprobes:\n  ") + line + "\n");
    const auto result = load_config(file);
    const std::string printed = everything(result);
    INFO(line);
    INFO(printed);
    CHECK(std::holds_alternative<LoadFailure>(result));
    CHECK(printed.find(secret) == std::string::npos);
  }
}

TEST_CASE("without its secrets a configuration still tells its control socket",
          "[config][secrets]") {
  const TemporaryFolder folder;
  ::unsetenv("CREDENTIALS_DIRECTORY");
  const std::string file = folder.write("pointsman.yaml", R"(version: 1
listen: {token: "${credential:token}", control: /run/other.sock}
probes:
  db: {type: postgres, url: "${file:/no/such/url}"}
  every: {type: cpu, interval: "${env:POINTSMAN_NOT_SET}"}
services: {s: {members: [db, "route:r"]}}
routes:
  r:
    via: {pgbouncer: {admin: "${file:/no/such/admin}", file: /t.ini}}
    candidates: [db]
    require: writable
)");
  const LoadFailure failure = load_broken(file);
  CHECK(failure.errors.size() == 4);
  const Config config = load_fine(file, SecretUse::ignored);
  CHECK(config.listen.control == "/run/other.sock");
  CHECK(config.listen.token.empty());
}

TEST_CASE("references in values", "[config][secrets]") {
  const TemporaryFolder folder;
  ::setenv("POINTSMAN_TEST_NAME", "web-7", 1);
  const std::string file = folder.write("pointsman.yaml", R"(version: 1
node: {name: "${env:POINTSMAN_TEST_NAME}", zone: "$${plain}"}
probes: {c: {type: cpu}}
)");
  const Config config = load_fine(file);
  CHECK(config.node.name == "web-7");
  CHECK(config.node.zone == "${plain}");
}

TEST_CASE("what redact_text takes out", "[config][secrets]") {
  CHECK(redact_text("postgresql://u:pw@h/d") == "postgresql://u:***@h/d");
  CHECK(redact_text("redis://:p@w:x@h") == "redis://:***@h");
  CHECK(redact_text("u:pw@h") == "u:***@h");
  CHECK(redact_text("http://h:80/a") == "http://h:80/a");
  CHECK(redact_text("host=h password=x y") == "host=h password=*** y");
  CHECK(redact_text("password = 'a b' c") == "password =*** c");
  CHECK(redact_text("postgresql://h/d?password=x") == "postgresql://h/d?password=***");
  CHECK(redact_text("postgresql://u:${env:PW}@h/d") == "postgresql://u:${env:PW}@h/d");
  CHECK(redact_value("postgresql://u:${env:PW}@h/d") == "postgresql://u:***@h/d");
  CHECK(redact_text("") == "");
}

}  // namespace
}  // namespace pointsman
