// A scenario file, from anybody: text to a scenario, or all errors at once. One that is accepted
// runs.
#include "daemon/config/scenario.hpp"
#include "policies/simulation/scenario_run.hpp"
#include "policies/simulation/world.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace pointsman;

namespace {

/// Longer ones, and fuller ones, only take longer.
constexpr Duration longest = std::chrono::minutes{2};
constexpr std::size_t most_changes = 20;

std::shared_ptr<const PolicySet> policy() {
  static const auto loaded = parse_config(R"(
version: 1
probes:
  primary:   {type: postgres, url: postgresql://p@127.0.0.1:5001/bud}
  replica-1: {type: postgres, url: postgresql://p@127.0.0.1:5002/bud}
  redis-a:   {type: redis, url: redis://127.0.0.1:6001}
  redis-b:   {type: redis, url: redis://127.0.0.1:6002}
  disk:      {type: disk, path: /}
services:
  host:     {members: [disk]}
  database: {members: ["route:bud"]}
routes:
  bud:
    via: {pgbouncer: {admin: "host=/run port=6432 dbname=pgbouncer", file: /run/targets.ini, database: bud}}
    candidates: [primary, replica-1]
    require: writable
    promote: {when: [primary_dead], sole_promoter: true}
  cache:
    via: {haproxy: {socket: /run/haproxy.sock, backend: redis, server: active}}
    candidates: [redis-a, redis-b]
    require: master
    promote: {when: [master_dead], sole_promoter: true}
recovery:
  database:
    when: {service: database, state: unhealthy, for: 5s}
    steps: [{reconnect: bud}, {approve: "go on?"}, {set_flag: page}]
)",
                                          "fuzz.yaml", SecretUse::ignored);
  const auto* config = std::get_if<Config>(&loaded);
  FUZZ_REQUIRE(config != nullptr);
  return config->policy;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  const auto loaded = parse_scenario(text, "scenario.yaml", *policy());
  if (const auto* failure = std::get_if<LoadFailure>(&loaded)) {
    FUZZ_REQUIRE(!failure->errors.empty());
    return 0;
  }
  const auto& scenario = std::get<sim::Scenario>(loaded);
  FUZZ_REQUIRE(scenario.end >= sim::World::start);
  if (scenario.end - sim::World::start > longest || scenario.changes.size() > most_changes)
    return 0;
  const sim::ScenarioResult result = sim::run_scenario(scenario, policy());
  FUZZ_REQUIRE(result.failures.size() <= result.checked);
  return 0;
}
