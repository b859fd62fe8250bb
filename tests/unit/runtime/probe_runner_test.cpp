// The runner of probes: what a session was told within a run is known before that run's sample.
#include "daemon/runtime/probe_runner.hpp"

#include "tests/unit/probes/pg_peer.hpp"

using namespace pointsman;
using namespace pointsman::testing;
using namespace std::chrono_literals;

namespace {

struct Runner {
  NetWorld world;
  PgPeer peer{world.loop};
  const ProbeName name{"primary"};
  std::vector<std::string> told;
  ProbeRunner probes{world.services(),
                     [this](const Sample& sample) {
                       told.emplace_back(to_text(sample.finding.reason));
                       world.loop.stop();
                     },
                     [this](const ProbeName&, SessionEnd how) { told.emplace_back(to_text(how)); },
                     [](Duration) {}};

  Runner() {
    PolicySet policy;
    ProbePolicy& probe = policy.probes[name];
    probe.name = name;
    probe.timeout = 10s;
    probes.load(policy, {{name, peer.spec()}});
  }
  void run() {
    told.clear();
    probes.run(name);
    world.loop.restart();
    world.loop.run();
    world.loop.restart();
    world.loop.run_for(50ms);  // what is told too late
  }
};

}  // namespace

TEST_CASE("a stop that is told within a run is known before its sample, and once") {
  Runner runner;
  runner.run();
  CHECK(runner.told == std::vector<std::string>{"ok"});
  SECTION("in place of an answer") {
    runner.peer.ends = PgPeer::Ends::before_the_answer;
    runner.run();
    CHECK(runner.told == std::vector<std::string>{"administrator", "stopping"});
  }
  SECTION("before the run asks") {
    runner.peer.say_in_last_session(PgPeer::fatal("57P01"));
    runner.run();
    CHECK(runner.told == std::vector<std::string>{"administrator", "ok"});
  }
  SECTION("between runs it is told at once") {
    runner.told.clear();
    runner.peer.say_in_last_session(PgPeer::fatal("57P01"));
    runner.world.loop.run_for(100ms);
    CHECK(runner.told == std::vector<std::string>{"administrator"});
  }
}
