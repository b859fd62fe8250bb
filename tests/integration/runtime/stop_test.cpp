// A daemon that is told to stop in the middle of an act, or of what a start does first, leaves the
// same behind as one that was killed; and a run whose deadline was looked at late says so.
#include <catch2/catch.hpp>

#include <thread>

#include <boost/asio/ip/tcp.hpp>

#include "daemon/runtime/act_runner.hpp"
#include "daemon/runtime/probe_runner.hpp"
#include "daemon/runtime/recovery.hpp"
#include "probes/deadline.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"
#include "tests/unit/journal/folder.hpp"

namespace pointsman {
namespace {

using namespace std::chrono_literals;

const RouteName bud{"bud"};

/// An undo that takes its time, and is cancelled or let go.
class SlowAdapter final : public Adapter {
 public:
  asio::awaitable<PoolerObservation> async_observe(RouteName) override {
    co_return PoolerObservation{};
  }
  asio::awaitable<SwitchReport> async_switch(SwitchRoute, Intend intend) override {
    std::string steps = "{}";
    co_await intend(std::move(steps));
    ++begun;
    SwitchReport report;
    if (slow) co_await async_sleep_until(mono_now() + 30s);
    report.outcome = slow ? ActionOutcome::unknown : ActionOutcome::ok;
    co_return report;
  }
  asio::awaitable<HoldReport> async_hold(RouteName, Intend, MonoTime) override {
    co_return HoldReport{};
  }
  asio::awaitable<std::string> async_release(RouteName, MonoTime) override {
    co_return std::string();
  }
  asio::awaitable<SwitchReport> async_reconnect(RouteName, MonoTime) override {
    co_return SwitchReport{};
  }
  asio::awaitable<void> async_recover(std::string) override {
    ++begun;
    if (slow) co_await async_sleep_until(mono_now() + 30s);
  }

  bool slow = true;
  int begun = 0;
};

/// One life of a daemon's acts around a journal in `folder`.
struct Life {
  explicit Life(const TestFolder& folder)
      : journal(loop.get_executor(), {folder.path / "state", folder.path / "run"}) {
    std::filesystem::create_directories(folder.path / "state");
    std::filesystem::create_directories(folder.path / "run");
    memory = journal.open();
    routes.load({{bud, {adapter}}});
  }

  template <class Condition>
  void until(Condition holds) {
    const MonoTime limit = mono_now() + 10s;
    while (!holds() && mono_now() < limit) {
      loop.restart();
      loop.run_for(10ms);
    }
    REQUIRE(holds());
  }
  /// As App::stop does.
  void stop() {
    tasks.cancel();
    until([this] { return tasks.size() == 0; });
  }

  asio::io_context loop{1};
  Resolver resolver{loop.get_executor()};
  TlsContexts tls;
  ProberServices services{loop.get_executor(), resolver, tls};
  TaskGroup tasks{loop.get_executor(), [](const std::string& error) { FAIL(error); }};
  Journal journal;
  JournalMemory memory;
  ServerActs servers{services};
  HookRunner hooks{services};
  StepRunner steps{services};
  std::shared_ptr<SlowAdapter> adapter = std::make_shared<SlowAdapter>();
  RouteRunner routes{tasks, journal, [](Event) {}};
  ActRunner acts{{tasks, journal, servers, hooks, steps, [](Event) {},
                  [](const RouteName&) { return std::vector<std::shared_ptr<Adapter>>{}; }}};
};

HookSpec command(std::vector<std::string> argv) {
  HookSpec spec;
  ExecSpec exec;
  exec.command = std::move(argv);
  spec.call = std::move(exec);
  return spec;
}

RunHook fence() {
  RunHook order;
  order.route = bud;
  order.hook = HookKind::fence;
  return order;
}

std::vector<Intent> unfinished_of(const TestFolder& folder) {
  Life next(folder);
  return next.memory.unfinished;
}

}  // namespace

TEST_CASE("an act that a stop cuts short is left to the next start", "[runtime]") {
  const TestFolder folder;
  {
    Life life(folder);
    life.hooks.load({{bud, {{HookKind::fence, command({"/bin/sleep", "30"})}}}});
    life.acts.run(fence());
    life.loop.run_for(500ms);  // its intent is durable, the command runs
    REQUIRE(life.tasks.size() == 1);
    life.stop();
  }
  const auto unfinished = unfinished_of(folder);
  REQUIRE(unfinished.size() == 1);
  CHECK(unfinished[0].kind == "hook");
}

TEST_CASE("a switch that a stop cuts short is left to the next start, one that ended is over",
          "[runtime]") {
  const TestFolder folder;
  const bool cut_short = GENERATE(true, false);
  {
    Life life(folder);
    life.adapter->slow = cut_short;
    SwitchRoute order;
    order.route = bud;
    life.routes.switch_route(order);
    life.until([&] { return life.adapter->begun == 1; });
    if (!cut_short) life.until([&] { return life.tasks.size() == 0; });
    life.stop();
  }
  const auto unfinished = unfinished_of(folder);
  REQUIRE(unfinished.size() == (cut_short ? 1 : 0));
  if (cut_short) CHECK(unfinished[0].kind == "switch");
}

TEST_CASE("an act that ended before the stop is over", "[runtime]") {
  const TestFolder folder;
  {
    Life life(folder);
    life.hooks.load({{bud, {{HookKind::fence, command({"/bin/true"})}}}});
    life.acts.run(fence());
    life.until([&] { return life.tasks.size() == 0; });
    life.stop();
  }
  CHECK(unfinished_of(folder).empty());
}

TEST_CASE("a recovery that a stop cuts short is taken up by the next start", "[runtime]") {
  const TestFolder folder;
  const auto intend = [](Life& life) {
    for (int i = 0; i < 2; ++i) {
      bool durable = false;
      Intent intent{life.journal.next_intent_id(), bud.text, "switch", "{}", wall_now()};
      asio::co_spawn(life.loop, life.journal.async_intent(std::move(intent)),
                     [&](std::exception_ptr, Durability) { durable = true; });
      life.until([&] { return durable; });
    }
  };
  const auto recover = [](Life& life, bool& done) {
    life.tasks.spawn(async_recover({life.tasks, life.journal, life.routes, life.acts},
                                   life.memory.unfinished, [&done] { done = true; }));
  };
  {
    Life killed(folder);
    intend(killed);
  }
  {
    Life stopped(folder);
    REQUIRE(stopped.memory.unfinished.size() == 2);
    bool done = false;
    recover(stopped, done);
    stopped.until([&] { return stopped.adapter->begun == 1; });
    stopped.stop();
    CHECK_FALSE(done);
    CHECK(stopped.adapter->begun == 1);
  }
  {
    Life next(folder);
    REQUIRE(next.memory.unfinished.size() == 2);
    next.adapter->slow = false;
    bool done = false;
    recover(next, done);
    next.until([&] { return done; });
  }
  CHECK(unfinished_of(folder).empty());
}

TEST_CASE("a deadline that is looked at late is told before what ends by it", "[runtime]") {
  asio::io_context loop{1};
  Resolver resolver{loop.get_executor()};
  TlsContexts tls;
  asio::ip::tcp::acceptor silent(loop, {asio::ip::address_v4::loopback(), 0});
  std::vector<std::string> told;
  Duration late{};
  ProbeRunner runner(
      {loop.get_executor(), resolver, tls},
      [&](const Sample& sample) { told.emplace_back(to_text(sample.finding.outcome)); },
      [](const ProbeName&, SessionEnd) {},
      [&](Duration by) {
        told.emplace_back("late");
        late = by;
      });
  const ProbeName name{"silent"};
  PolicySet policy;
  policy.probes[name].name = name;
  policy.probes[name].timeout = 50ms;
  TcpSpec spec;
  spec.host = "127.0.0.1";
  spec.port = silent.local_endpoint().port();
  spec.expect = "x";
  runner.load(policy, {{name, spec}});
  runner.run(name);
  loop.poll();
  std::this_thread::sleep_for(800ms);  // the loop hangs
  while (runner.running() != 0) loop.run_one();
  REQUIRE(told == std::vector<std::string>{"late", "fail"});
  CHECK(late >= 700ms);
}

}  // namespace pointsman
