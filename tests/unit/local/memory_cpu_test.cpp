#include <catch2/catch.hpp>

#include "probes/cpu.hpp"
#include "probes/memory.hpp"
#include "probes/pressure.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t gib = 1ull << 30;

using Folders = std::vector<std::string>;

}  // namespace

TEST_CASE("the machine's memory, or the cgroup's limit where that is lower") {
  const MemInfo machine{16 * gib, 12 * gib};
  auto facts = to_memory_facts(machine, {}, 0.5);
  CHECK(facts.used_ratio == Approx(0.25));
  CHECK(facts.limit == 16 * gib);
  CHECK(facts.psi == 0.5);

  facts = to_memory_facts(machine, {{4 * gib, 3 * gib, 7.0}, {8 * gib, 3 * gib, 1.0}}, 0.5);
  CHECK(facts.limit == 4 * gib);
  CHECK(facts.available == 1 * gib);
  CHECK(facts.used_ratio == Approx(0.75));
  CHECK(facts.psi == 7.0);

  // The level above is nearly full: what is left there is all that can be had.
  facts = to_memory_facts(machine, {{4 * gib, 1 * gib, {}}, {8 * gib, 8 * gib - gib / 2, {}}}, {});
  CHECK(facts.available == gib / 2);
  CHECK(facts.limit == 4 * gib);

  facts = to_memory_facts({16 * gib, gib / 2}, {{4 * gib, 1 * gib, {}}}, {});
  CHECK(facts.available == gib / 2);  // the machine has no more
  facts = to_memory_facts(machine, {{32 * gib, 1 * gib, {}}}, {});
  CHECK(facts.limit == 16 * gib);  // a limit above the machine's is none
  facts = to_memory_facts(machine, {{gib, 2 * gib, {}}}, {});
  CHECK(facts.used_ratio == Approx(1.0));  // more used than the (lowered) limit
}

TEST_CASE("memory limits and pressure") {
  MemorySpec spec;
  spec.warn = 0.85;
  spec.fail = 0.95;
  const auto judged = [&](double used, std::optional<double> psi) {
    MemoryFacts facts;
    facts.limit = gib;
    facts.used_ratio = used;
    facts.psi = psi;
    return judge_memory(spec, facts);
  };
  CHECK(judged(0.84, {}).outcome == Outcome::pass);
  CHECK(judged(0.85, {}).outcome == Outcome::warn);
  CHECK(judged(0.95, {}).outcome == Outcome::fail);
  spec.pressure_warn = 0.10;
  spec.pressure_fail = 0.40;
  CHECK(judged(0.5, 9.9).outcome == Outcome::pass);
  CHECK(judged(0.5, 10.0).outcome == Outcome::warn);
  CHECK(judged(0.85, 40.0).outcome == Outcome::fail);
  CHECK(judged(0.95, 0.0).outcome == Outcome::fail);
  // Asked for and not to be had: never a silent pass.
  CHECK(judged(0.5, {}).outcome == Outcome::inconclusive);
  CHECK(judged(0.95, {}).outcome == Outcome::fail);
}

TEST_CASE("where our memory cgroup lies") {
  const auto v2 =
      MountTable::parse("1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /sys/fs/cgroup rw - cgroup2 c rw\n");
  auto found = find_memory_cgroup({"/a.slice/x.scope", std::nullopt}, v2);
  CHECK(found.unified);
  CHECK(found.folders ==
        Folders{"/sys/fs/cgroup/a.slice/x.scope", "/sys/fs/cgroup/a.slice", "/sys/fs/cgroup"});
  // The limit of pointsman's own unit says nothing about the machine.
  CHECK(find_memory_cgroup({"/system.slice/pointsman.service", std::nullopt}, v2).folders ==
        Folders{"/sys/fs/cgroup/system.slice", "/sys/fs/cgroup"});
  CHECK(find_memory_cgroup({"/", std::nullopt}, v2).folders == Folders{"/sys/fs/cgroup"});

  const auto v1 = MountTable::parse(
      "2 1 0:2 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      "3 1 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  found = find_memory_cgroup({"/", "/docker/abc"}, v1);
  CHECK_FALSE(found.unified);
  CHECK(found.folders == Folders{"/sys/fs/cgroup/memory/docker/abc", "/sys/fs/cgroup/memory/docker",
                                 "/sys/fs/cgroup/memory"});
  CHECK(find_memory_cgroup({}, v1).folders.empty());
}

TEST_CASE("cpu use over a window that grows to `over`") {
  CpuWindow window(60s);
  const MonoTime start{};
  CHECK_FALSE(window.add(start, {0, 0, 0}));
  auto use = window.add(start + 5s, {900, 0, 1000});
  REQUIRE(use);
  CHECK(use->busy == Approx(0.1));
  CHECK(use->over == 5s);
  use = window.add(start + 10s, {900, 500, 2000});
  CHECK(use->busy == Approx(0.55));
  CHECK(use->steal == Approx(0.25));
  // 60 s all idle after that: what came before has left the window.
  for (unsigned i = 1; i <= 12; ++i) {
    use = window.add(start + 10s + i * 5s, {900u + 1000u * i, 500, 2000u + 1000u * i});
  }
  CHECK(use->over == 60s);
  CHECK(use->busy == Approx(0.0));
}

TEST_CASE("fast runs do not make the ring grow, and the window stays right") {
  CpuWindow window(60s);
  const MonoTime start{};
  std::optional<CpuUse> use;
  for (unsigned i = 0; i < 10000; ++i)
    use = window.add(start + i * 100ms, {i * 5ull, 0, i * 10ull});
  REQUIRE(use);
  CHECK(use->busy == Approx(0.5).margin(0.01));
  CHECK(use->over >= 60s);
  CHECK(use->over < 63s);
  CHECK_FALSE(window.add(start + 2000s, {0, 0, 0}));  // counters that went back
}

TEST_CASE("the first cpu reading passes and says so") {
  CpuSpec spec;
  spec.warn = 0.85;
  spec.fail = 0.98;
  const auto first = judge_cpu(spec, std::nullopt, 1.5, std::nullopt);
  CHECK(first.outcome == Outcome::pass);
  CHECK(first.message == "first reading; busy is known from the next run on");
  CHECK(judge_cpu(spec, CpuUse{0.85, 0, 60s}, 2, {}).outcome == Outcome::warn);
  const auto busy = judge_cpu(spec, CpuUse{0.99, 0.1, 60s}, 2, {});
  CHECK(busy.outcome == Outcome::fail);
  CHECK(busy.message == "99.0% busy over 60 s, load 2.00");
  CHECK(std::get<CpuFacts>(busy.facts).steal == Approx(0.1));
}
