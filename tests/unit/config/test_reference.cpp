// The files that are shipped load as they stand.
#include <catch2/catch.hpp>

#include <stdlib.h>

#include <fstream>
#include <string>

#include "tests/unit/config/support.hpp"

namespace pointsman {
namespace {

const std::string source = POINTSMAN_SOURCE_DIR;

TEST_CASE("the reference configuration loads", "[config]") {
  const Config config = load_fine(source + "/etc/pointsman.yaml");
  CHECK(config.probes.size() == 11);
  CHECK(config.policy->services.size() == 4);
  CHECK(config.policy->routes.size() == 3);
  CHECK(config.policy->mode == Mode::act);
  CHECK(config.node.name == "web-1");
  CHECK(config.load_balancer->unhealthy == 3);

  const ProbePolicy& primary = config.policy->probes.at(ProbeName("primary"));
  CHECK(primary.interval == std::chrono::seconds{5});
  CHECK(primary.fast_interval == std::chrono::seconds{1});
  CHECK(primary.down_interval == std::chrono::seconds{5});
  CHECK(primary.timeout == std::chrono::seconds{2});
  CHECK(primary.rise == 2);
  CHECK(primary.fall == 3);
  CHECK(to_text(*primary.endpoint) == "10.0.1.10:5432");

  CHECK(config.policy->services.at(ServiceName("host")).scope == Scope::node);
  CHECK(config.policy->services.at(ServiceName("database")).scope == Scope::shared);
  CHECK(config.policy->services.at(ServiceName("external")).scope == Scope::shared);
  CHECK_FALSE(config.policy->services.at(ServiceName("external")).critical);
  CHECK(config.policy->services.at(ServiceName("host")).need == 4);

  const RoutePolicy& reads = config.policy->routes.at(RouteName("bud_ro"));
  CHECK(reads.fallback == RouteName("bud"));
  CHECK(reads.failback == Duration{std::chrono::seconds{30}});
  CHECK(reads.max_lag == Lag{Duration{std::chrono::seconds{10}}});
  const auto& writes = std::get<PgbouncerVia>(config.vias.at(RouteName("bud")).front());
  CHECK(writes.options == "dbname=bud");
  const auto& openai = std::get<HttpSpec>(config.probes.at(ProbeName("openai")));
  CHECK(openai.status == std::vector<StatusRange>{{0, 499}});
  CHECK(openai.warn_status == std::vector<StatusRange>{{500, 999}});
  CHECK(openai.port == 443);
  CHECK(openai.tls);
}

TEST_CASE("the reference is warned of what it leaves open", "[config]") {
  const Config config = load_fine(source + "/etc/pointsman.yaml");
  std::vector<std::string> paths;
  for (const auto& warning : config.warnings) paths.push_back(warning.path);
  CHECK(paths == std::vector<std::string>{"include", "routes.cache.promote"});
}

TEST_CASE("the reference's ladder and notifier", "[config]") {
  const Config config = load_fine(source + "/etc/pointsman.yaml");
  const LadderPolicy& ladder = config.policy->recovery.at(LadderName("database"));
  REQUIRE(ladder.steps.size() == 3);
  CHECK(ladder.steps[2].until_recovered);
  CHECK(ladder.max_per_day == 6);
  CHECK(config.notifiers.count(NotifierName("oncall")) == 1);
  CHECK(config.policy->routes.at(RouteName("cache")).promote->sole_promoter);
}

/// What the reference shows, from the routes on, behind a # without a blank (or with several: a key
/// inside), with the # taken away.
std::string reference_with_all_keys() {
  std::ifstream stream(source + "/etc/pointsman.yaml");
  std::string text, line;
  bool begun = false;
  while (std::getline(stream, line)) {
    begun = begun || line == "routes:";
    const std::size_t mark = line.find_first_not_of(' ');
    const bool is_comment =
        mark != std::string::npos && line[mark] == '#' && line.size() > mark + 2;
    const bool is_prose = is_comment && line[mark + 1] == ' ' && line[mark + 2] != ' ';
    const bool is_key = begun && is_comment && !is_prose && mark > 0;
    text += is_key ? line.erase(mark, 1) + "\n" : line + "\n";
  }
  return text;
}

TEST_CASE("what the reference shows in comments is right too", "[config]") {
  std::string text = reference_with_all_keys();
  const TemporaryFolder folder;
  const std::string name = "/etc/pointsman/upstream.tmpl";
  const std::size_t at = text.find(name);
  REQUIRE(at != std::string::npos);
  text.replace(at, name.size(), folder.write("upstream.tmpl", "{{address}}\n"));
  text += "backups: {bud: {database: primary}}\n";
  for (const char* credential : {"verify", "gc", "hmac", "pagerduty", "redis"}) {
    folder.write(credential, "x\n");
  }
  folder.write("slack_webhook", "https://hooks.slack.com/services/x\n");
  ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
  const Config config = load_fine(folder.write("pointsman.yaml", text));
  ::unsetenv("CREDENTIALS_DIRECTORY");
  CHECK(config.policy->routes.size() == 4);
  CHECK(config.policy->routes.at(RouteName("bud")).hooks.size() == 4);
  CHECK(config.policy->routes.at(RouteName("bud")).promote);
  CHECK(config.policy->recovery.at(LadderName("database")).steps.size() == 13);
  CHECK(config.notifiers.size() == 5);
}

/// Examples that name credentials, with some in place.
Config load_example(const std::string& name) {
  const TemporaryFolder folder;
  for (const char* credential : {"postgres", "redis", "admin_token", "pagerduty"}) {
    folder.write(credential, "x\n");
  }
  folder.write("slack_webhook", "https://hooks.slack.com/services/x\n");
  ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
  Config config = load_fine(source + "/etc/examples/" + name);
  ::unsetenv("CREDENTIALS_DIRECTORY");
  std::string warnings;
  for (const auto& warning : config.warnings) warnings += to_text(warning, true) + "\n";
  CHECK(warnings.empty());
  INFO(warnings);
  return config;
}

TEST_CASE("the examples load without a warning", "[config]") {
  const Config bud = load_example("bud/pointsman.yaml");
  CHECK(bud.policy->recovery.size() == 6);
  CHECK(bud.policy->services.at(ServiceName("host")).scope == Scope::node);
  CHECK(bud.policy->recovery.at(LadderName("external_service")).steps.empty());
  const auto& scale = bud.steps.at(LadderName("high_memory"))[2].call;
  CHECK(std::get<ExecSpec>(scale->call).command[1] == "out");
  const Config drive = load_example("drive.yaml");
  CHECK(drive.hooks.at(RouteName("bud")).size() == 4);
  const Config redis = load_example("haproxy-redis.yaml");
  CHECK(redis.policy->routes.at(RouteName("cache")).promote->max_lag == Lag{std::uint64_t{64'000}});
}

TEST_CASE("the minimal example loads without a warning", "[config]") {
  const Config config = load_fine(source + "/etc/examples/minimal.yaml");
  CHECK(config.warnings.empty());
  CHECK(config.policy->services.at(ServiceName("host")).scope == Scope::node);
}

}  // namespace
}  // namespace pointsman
