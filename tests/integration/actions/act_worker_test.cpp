// The act worker and the targets file on it: order, deadlines, a full queue, a thread that hangs.
#include <atomic>
#include <future>
#include <thread>

#include <catch2/catch.hpp>

#include "daemon/actions/targets_keeper.hpp"
#include "tests/integration/probes/data_loop.hpp"

namespace pointsman::test {
namespace {

struct Worker : DataLoop {
  std::unique_ptr<ActWorker> worker = std::make_unique<ActWorker>(executor());

  template <class T>
  std::optional<T> run(std::function<T()> work, Duration limit = 5s) {
    return run_until(worker->async_run(std::move(work), mono_now() + limit), mono_now() + 20s);
  }
  /// Keeps the thread busy until the returned promise is kept.
  std::shared_ptr<std::promise<void>> block() {
    auto gate = std::make_shared<std::promise<void>>();
    std::function<int()> wait = [gate, future = gate->get_future().share()] {
      future.wait();
      return 0;
    };
    CHECK_FALSE(run<int>(std::move(wait), 50ms).has_value());
    return gate;
  }
};

TEST_CASE("work is done on one other thread, and its value comes back", "[act_worker]") {
  Worker loop;
  const auto here = std::this_thread::get_id();
  const auto there = loop.run<std::thread::id>([] { return std::this_thread::get_id(); });
  REQUIRE(there.has_value());
  CHECK((*there != here));
  const auto again = loop.run<std::thread::id>([] { return std::this_thread::get_id(); });
  CHECK((again == there));
}

TEST_CASE("a caller waits no longer than its deadline, and what had not begun never does",
          "[act_worker]") {
  Worker loop;
  const auto gate = loop.block();
  auto ran = std::make_shared<std::atomic<bool>>(false);
  const auto began = mono_now();
  CHECK_FALSE(loop.run<int>(
                      [ran] {
                        *ran = true;
                        return 1;
                      },
                      100ms)
                  .has_value());
  CHECK(mono_now() - began < 10s);
  gate->set_value();
  CHECK(loop.run<int>([] { return 2; }) == 2);
  CHECK_FALSE(*ran);
}

TEST_CASE("a full queue refuses at once", "[act_worker]") {
  Worker loop;
  const auto gate = loop.block();
  int refused = 0, done = 0;
  for (std::size_t i = 0; i < ActWorker::max_queued + 3; ++i) {
    std::function<int()> work = [] { return 1; };
    auto waiting = loop.worker->async_run(std::move(work), mono_now() + 10s);
    asio::co_spawn(
        loop.executor(), std::move(waiting),
        [&](std::exception_ptr, std::optional<int> value) { ++(value ? done : refused); });
  }
  CHECK(loop.run_while_not([&] { return refused == 3; }, 2s));
  gate->set_value();
  CHECK(loop.run_while_not([&] { return done == static_cast<int>(ActWorker::max_queued); }, 2s));
}

TEST_CASE("the end does not wait for a thread that hangs", "[act_worker]") {
  Worker loop;
  const auto gate = loop.block();
  const auto began = mono_now();
  loop.worker.reset();
  const auto took = mono_now() - began;
  CHECK(took >= 900ms);
  CHECK(took < 10s);
  gate->set_value();
}

TEST_CASE("a disk that hangs ends a write in time and changes nothing later",
          "[act_worker][file]") {
  Worker loop;
  const Place place;
  TargetsKeeper keeper(*loop.worker, place.path("targets.ini"));
  const auto write = [&](const std::string& text, Duration limit) {
    return loop.run_until(keeper.async_write(text, mono_now() + limit), mono_now() + 20s);
  };
  REQUIRE(write("bud = host=a port=1\n", 5s).written);
  const auto gate = loop.block();
  const auto late = write("bud = host=b port=1\n", 100ms);
  CHECK_FALSE(late.written);
  CHECK(late.error.find("took too long") != std::string::npos);
  const auto read = loop.run_until(keeper.async_read(mono_now() + 100ms), mono_now() + 20s);
  CHECK(read.error.find("took too long to read") != std::string::npos);
  CHECK(keeper.state_of("bud", read) == FileState::unknown);
  gate->set_value();
  CHECK(loop.run<int>([] { return 1; }) == 1);
  CHECK(place.read("targets.ini") == "bud = host=a port=1\n");
}

TEST_CASE("the file is judged against what was last written", "[act_worker][file]") {
  Worker loop;
  const Place place;
  TargetsKeeper keeper(*loop.worker, place.path("targets.ini"));
  keeper.set_managed({{"bud", {"bud", "", std::nullopt}}});
  const auto state = [&] {
    return keeper.state_of("bud",
                           loop.run_until(keeper.async_read(mono_now() + 5s), mono_now() + 20s));
  };
  CHECK(state() == FileState::missing);
  place.write("targets.ini", render_targets_file({}) + "bud = host=a port=1\n");
  CHECK(state() == FileState::unknown);  // nothing was written by us yet
  keeper.remember("bud", "bud = port=1 host=a");
  CHECK(state() == FileState::as_wanted);
  keeper.set_managed({{"bud", {"bud", "", std::nullopt}}});  // a reload of the configuration
  CHECK(state() == FileState::as_wanted);
  place.write("targets.ini", "bud = host=a port=1\n");  // by hand: not our header
  CHECK(state() == FileState::differs);
  place.write("targets.ini", render_targets_file({}) + "bud = host=b port=1\n");
  CHECK(state() == FileState::differs);
}

}  // namespace
}  // namespace pointsman::test
