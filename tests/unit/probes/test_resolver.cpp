#include <catch2/catch.hpp>

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <optional>

#include "tests/unit/probes/net_support.hpp"

using namespace pointsman;
using namespace pointsman::testing;
using namespace std::chrono_literals;

namespace {

/// A name server that does not answer until it is told to.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int entered = 0;

  Resolved pass() {
    std::unique_lock lock(mutex);
    ++entered;
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
    return found("10.0.0.1");
  }
  void wait_entered(int count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered >= count; });
  }
  void release() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  static Resolved found(const char* address) {
    Resolved resolved;
    resolved.addresses.push_back(asio::ip::make_address(address));
    return resolved;
  }
};

asio::awaitable<Resolved> resolve(Resolver& resolver, std::string host,
                                  IpVersion version = IpVersion::any) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_return co_await resolver.async_resolve(std::move(host), version);
}

}  // namespace

TEST_CASE("numeric hosts need no lookup and respect the wanted version") {
  NetWorld world([](const std::string&, IpVersion) -> Resolved { std::abort(); });
  const Resolved v4 = world.run(resolve(world.resolver, "10.1.2.3"));
  REQUIRE(v4.addresses.size() == 1);
  CHECK(v4.addresses[0].to_string() == "10.1.2.3");
  CHECK(world.run(resolve(world.resolver, "::1", IpVersion::v6)).error == ResolveError::none);
  CHECK(world.run(resolve(world.resolver, "::1", IpVersion::v4)).error == ResolveError::not_found);
}

TEST_CASE("localhost is found by the system, in the wanted version") {
  NetWorld world;
  const Resolved found = world.run(resolve(world.resolver, "localhost", IpVersion::v4));
  REQUIRE(found.error == ResolveError::none);
  CHECK(found.addresses[0].to_string() == "127.0.0.1");
}

TEST_CASE("a lookup that hangs is left at the deadline and held by nobody at the end") {
  const auto gate = std::make_shared<Gate>();
  {
    NetWorld world([gate](const std::string&, IpVersion) { return gate->pass(); });
    asio::cancellation_signal signal;
    std::optional<Resolved> resolved;
    asio::co_spawn(
        world.loop, resolve(world.resolver, "slow.example"),
        asio::bind_cancellation_slot(
            signal.slot(), [&](std::exception_ptr, const Resolved& got) { resolved = got; }));
    world.loop.poll();
    gate->wait_entered(1);
    signal.emit(asio::cancellation_type::terminal);
    world.loop.restart();
    world.loop.run();
    REQUIRE(resolved);
    CHECK(resolved->error == ResolveError::cancelled);
  }
  // The resolver and its loop are gone; the thread still runs, and its answer goes nowhere.
  gate->release();
}

TEST_CASE("who asks for the same name shares a lookup") {
  const auto gate = std::make_shared<Gate>();
  NetWorld world([gate](const std::string&, IpVersion) { return gate->pass(); });
  int answered = 0;
  for (int i = 0; i < 200; ++i) {
    asio::co_spawn(world.loop, resolve(world.resolver, "same.example"),
                   [&](std::exception_ptr, const Resolved& resolved) {
                     CHECK(resolved.error == ResolveError::none);
                     ++answered;
                   });
  }
  world.loop.poll();
  gate->wait_entered(1);
  gate->release();
  world.loop.restart();
  world.loop.run();
  CHECK(answered == 200);
  CHECK(gate->entered == 1);
}

TEST_CASE("when all threads hang and the queue is full, one more is told at once") {
  const auto gate = std::make_shared<Gate>();
  NetWorld world([gate](const std::string&, IpVersion) { return gate->pass(); });
  int answered = 0, overloaded = 0;
  const auto count = [&](std::exception_ptr, const Resolved& resolved) {
    ++(resolved.error == ResolveError::overloaded ? overloaded : answered);
  };
  const auto ask = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      asio::co_spawn(world.loop, resolve(world.resolver, "n" + std::to_string(i)), count);
    }
    world.loop.restart();
    world.loop.poll();
  };
  ask(0, Resolver::max_threads);
  gate->wait_entered(Resolver::max_threads);
  const int full = Resolver::max_threads + Resolver::max_queue;
  ask(Resolver::max_threads, full + 3);
  CHECK(overloaded == 3);
  gate->release();
  world.loop.restart();
  world.loop.run();
  CHECK(answered == full);
}

TEST_CASE("callers that have gone make room in the queue") {
  const auto gate = std::make_shared<Gate>();
  NetWorld world([gate](const std::string&, IpVersion) { return gate->pass(); });
  std::list<asio::cancellation_signal> signals;
  int overloaded = 0;
  const auto ask = [&](const std::string& name) {
    auto& signal = signals.emplace_back();
    asio::co_spawn(world.loop, resolve(world.resolver, name),
                   asio::bind_cancellation_slot(signal.slot(),
                                                [&](std::exception_ptr, const Resolved& resolved) {
                                                  if (resolved.error == ResolveError::overloaded)
                                                    ++overloaded;
                                                }));
    world.loop.restart();
    world.loop.poll();
  };
  for (int i = 0; i < Resolver::max_threads; ++i) ask("t" + std::to_string(i));
  gate->wait_entered(Resolver::max_threads);
  for (int i = 0; i < Resolver::max_queue; ++i) ask("q" + std::to_string(i));
  for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
  world.loop.restart();
  world.loop.poll();
  overloaded = 0;  // of those that were cancelled in the queue
  ask("one more");
  CHECK(overloaded == 0);
  gate->release();
  world.loop.restart();
  world.loop.run();
}

TEST_CASE("who is out of time while still queued was held up by us, not by the name's server") {
  const auto gate = std::make_shared<Gate>();
  NetWorld world([gate](const std::string&, IpVersion) { return gate->pass(); });
  std::list<asio::cancellation_signal> signals;
  std::map<std::string, ResolveError> ended;
  const auto ask = [&](const std::string& name) {
    auto& signal = signals.emplace_back();
    asio::co_spawn(world.loop, resolve(world.resolver, name),
                   asio::bind_cancellation_slot(
                       signal.slot(), [&ended, name](std::exception_ptr, const Resolved& got) {
                         ended.insert_or_assign(name, got.error);
                       }));
    world.loop.restart();
    world.loop.poll();
  };
  for (int i = 0; i < Resolver::max_threads; ++i) ask("t" + std::to_string(i));
  gate->wait_entered(Resolver::max_threads);
  ask("queued");
  for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
  world.loop.restart();
  world.loop.poll();
  REQUIRE(ended.size() == Resolver::max_threads + 1);
  CHECK(ended.at("t0") == ResolveError::cancelled);
  CHECK(ended.at("queued") == ResolveError::overloaded);
  gate->release();
  world.loop.restart();
  world.loop.run();
}
