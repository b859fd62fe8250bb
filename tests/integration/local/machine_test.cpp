// The memory and cpu probes on the machine that runs the test.
#include <sys/sysinfo.h>

#include <catch2/catch.hpp>

#include "run_probe.hpp"

using namespace pointsman;
using namespace pointsman::test;
using namespace std::chrono_literals;

TEST_CASE("memory of this machine", "[machine]") {
  Loop loop;
  auto prober = make_memory_prober({}, loop.services());
  const auto run = run_once(loop, *prober, 5s);
  REQUIRE(run.finding->outcome == Outcome::pass);
  const auto& facts = std::get<MemoryFacts>(run.finding->facts);
  struct sysinfo info {};
  REQUIRE(::sysinfo(&info) == 0);
  CHECK(facts.limit <= info.totalram * info.mem_unit);
  CHECK(facts.available > 0);
  CHECK(facts.used + facts.available == facts.limit);
}

TEST_CASE("cpu of this machine: the second run knows", "[machine]") {
  Loop loop;
  CpuSpec spec;
  spec.fail = 2.0;
  auto prober = make_cpu_prober(spec, loop.services());
  CHECK(run_once(loop, *prober, 5s).finding->message ==
        "first reading; busy is known from the next run on");
  const auto until = mono_now() + 100ms;
  while (mono_now() < until) {
  }
  const auto run = run_once(loop, *prober, 5s);
  CHECK(run.finding->outcome == Outcome::pass);
  CHECK(std::get<CpuFacts>(run.finding->facts).busy > 0.2);  // we were, of at most a few cores
}

TEST_CASE("what a run costs the loop", "[.cost]") {
  Loop loop;
  DiskSpec disk;
  disk.path = "/var/lib";
  std::vector<std::pair<const char*, std::unique_ptr<Prober>>> probers;
  probers.emplace_back("memory", make_memory_prober({}, loop.services()));
  probers.emplace_back("cpu", make_cpu_prober({}, loop.services()));
  probers.emplace_back("disk", make_disk_prober(disk, loop.services()));
  probers.emplace_back(
      "exec", make_exec_prober(ProbeName("x"), ExecSpec{{"/bin/true"}, "", {}}, loop.services()));
  for (auto& [name, prober] : probers) {
    timespec before{}, after{};
    constexpr int runs = 500;
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (int i = 0; i < runs; ++i) run_once(loop, *prober, 5s);
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    const double us = static_cast<double>(after.tv_sec - before.tv_sec) * 1e6 +
                      static_cast<double>(after.tv_nsec - before.tv_nsec) / 1e3;
    WARN(name << ": " << us / runs << " us of CPU a run");
  }
}
