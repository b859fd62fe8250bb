// A configuration file, from anybody: text to PolicySet, or all errors at once. One that is
// accepted must also be printed by `check`, and be a policy that the engine runs.
#include "daemon/config/config.hpp"
#include "daemon/config/report.hpp"
#include "policies/engine.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace pointsman;

namespace {

void run_a_while(const Config& config) {
  Engine engine;
  MonoTime now{std::chrono::hours{1}};
  Decision decision = engine.step(now, PolicyLoaded{config.policy});
  for (int i = 0; i < 20; ++i) {
    FUZZ_REQUIRE(decision.wake_at >= now);
    now = decision.wake_at;
    decision = engine.step(now, Wake{});
  }
  engine.snapshot(now);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto loaded = parse_config(std::string(text), "fuzz.yaml", SecretUse::ignored);
  if (const auto* failure = std::get_if<LoadFailure>(&loaded)) {
    FUZZ_REQUIRE(!failure->errors.empty());
    for (const auto& error : failure->errors) {
      FUZZ_REQUIRE(to_text(error, false).find('\n') == std::string::npos);
    }
    return 0;
  }
  const auto& config = std::get<Config>(loaded);
  FUZZ_REQUIRE(config.policy != nullptr);
  describe(config);
  describe_json(config);
  run_a_while(config);
  return 0;
}
