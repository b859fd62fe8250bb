// The files that are shipped load as they stand.
#include <catch2/catch.hpp>

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

TEST_CASE("the minimal example loads without a warning", "[config]") {
  const Config config = load_fine(source + "/etc/examples/minimal.yaml");
  CHECK(config.warnings.empty());
  CHECK(config.policy->services.at(ServiceName("host")).scope == Scope::node);
}

}  // namespace
}  // namespace pointsman
