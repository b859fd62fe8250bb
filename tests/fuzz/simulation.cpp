// The engine in the simulated world, with the simulation's checkers as the judge: the first bytes
// choose a configuration, the others what is done to the world and when. Where the search by seeds
// draws whole plans, this one keeps the plans that led somewhere new and goes on from there.
#include "tests/fuzz/fuzz.hpp"
#include "tests/simulation/run.hpp"

using namespace pointsman;

namespace {

constexpr std::size_t longest_plan = 16;

sim::Case case_of_bytes(fuzz::Bytes& bytes) {
  sim::Random random(bytes.number(2) + 1);
  sim::Case one;
  one.recipe = sim::random_recipe(random);
  one.seed = 1 + bytes.byte();
  if (bytes.one_of({true, false})) one.last = sim::random_last(one.recipe, random);
  const sim::Plan pool = sim::random_plan(one.recipe, random);
  Duration at = std::chrono::seconds{20};
  while (!bytes.empty() && !pool.empty() && one.plan.size() < longest_plan) {
    sim::Planned planned = pool[bytes.pick(pool.size())];
    at += std::chrono::milliseconds{100} * bytes.byte();
    planned.at = at;
    one.plan.push_back(std::move(planned));
  }
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  const sim::Case one = case_of_bytes(bytes);
  const sim::Result result = sim::run_case(one);
  if (result.violation) {
    const auto& broken = *result.violation;
    std::fprintf(stderr, "%s\n", sim::to_text(one, broken.rule + ": " + broken.text).c_str());
  }
  FUZZ_REQUIRE(!result.violation);
  return 0;
}
