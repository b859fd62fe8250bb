// The engine on the loop: what it hears of the loop itself, and what a policy would do at once.
#include <catch2/catch.hpp>

#include <optional>

#include "daemon/runtime/engine_loop.hpp"
#include "probes/clock.hpp"
#include "tests/unit/policies/world.hpp"

namespace pointsman {
namespace {

using namespace std::chrono_literals;
using testing::World;

std::shared_ptr<const PolicySet> no_policy() {
  return std::make_shared<const PolicySet>();
}

struct Looped {
  asio::io_context context{1};
  std::vector<Event> told;
  int ticks = 0;
  EngineLoop loop{context.get_executor(), [](const auto&) {}};

  Looped() {
    loop.on_event([this](MonoTime, const Event& event) { told.push_back(event); });
    loop.on_tick([this](MonoTime) { ++ticks; });
  }
  int distrusted() const {
    int count = 0;
    for (const Event& event : told) count += std::holds_alternative<LoopDistrusted>(event) ? 1 : 0;
    return count;
  }
};

Record last_denied(const World& w) {
  for (auto it = w.records.rbegin(); it != w.records.rend(); ++it) {
    if (it->kind == RecordKind::denied) return *it;
  }
  return {};
}

}  // namespace

TEST_CASE("that something on the loop ran late is heard before the next event, once", "[runtime]") {
  Looped it;
  it.loop.give(PolicyLoaded{no_policy()});
  it.loop.ran_late(distrust_limit / 2);
  it.loop.give(Wake{});
  CHECK(it.distrusted() == 0);

  it.loop.ran_late(700ms);
  it.loop.ran_late(600ms);
  it.told.clear();
  it.loop.give(Wake{});
  REQUIRE(it.told.size() == 2);
  const auto* trouble = std::get_if<LoopDistrusted>(&it.told[0]);
  REQUIRE(trouble);
  CHECK(trouble->late >= 700ms);
  CHECK(std::holds_alternative<Wake>(it.told[1]));
  it.loop.give(Wake{});
  CHECK(it.told.size() == 3);
}

TEST_CASE("before the engine has a policy it is told of no trouble, and the loop ticks",
          "[runtime]") {
  Looped it;
  it.loop.beat();
  CHECK(it.ticks == 1);
  const MonoTime first = it.loop.last_tick();
  it.context.run_for(1200ms);
  CHECK(it.ticks >= 2);
  CHECK(it.loop.last_tick() > first);
  CHECK(it.loop.serving() == Serving{false, "starting"});

  it.loop.ran_late(10s);
  it.loop.give(PolicyLoaded{no_policy()});  // the first event: an engine without a policy aborts
  CHECK(it.distrusted() == 0);
  it.loop.beat();
  it.context.restart();
  it.context.poll();
  it.loop.stop();
}

TEST_CASE("what a policy that acts does at once is known before it does", "[runtime]") {
  World w;
  PolicySet set = testing::bud_policy();
  set.mode = Mode::observe;
  w.answers[ProbeName("primary")] = testing::fail(Reason::connect_refused);
  w.answers[ProbeName("replica-1")] = testing::primary(2);
  w.answers[ProbeName("replica-2")] = testing::standby();
  w.lead("bud", 5001);
  w.lead("bud_ro", 5002);
  w.load(set);
  w.pass_time(1min);
  REQUIRE(w.switches.empty());
  REQUIRE(last_denied(w).text.find("held by guard mode") != std::string::npos);

  CHECK(acts_at_once(w.engine, w.now, std::make_shared<const PolicySet>(set)).empty());
  set.mode = Mode::act;
  const auto lines = acts_at_once(w.engine, w.now, std::make_shared<const PolicySet>(set));
  REQUIRE_FALSE(lines.empty());
  bool tells_of_bud = false;
  for (const std::string& line : lines) {
    if (line.starts_with("bud: ") && line.find("to replica-1") != std::string::npos) {
      tells_of_bud = true;
    }
  }
  INFO(lines.front());
  CHECK(tells_of_bud);
  // Asked only: the engine itself still observes.
  w.pass_time(5s);
  CHECK(w.switches.empty());
}

}  // namespace pointsman
