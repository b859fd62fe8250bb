// One probe's state from its samples: rise and fall, what moves nothing, staleness, flapping; and
// when its next run is.
#include <catch2/catch.hpp>

#include "policies/check_state.hpp"
#include "policies/schedule.hpp"
#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

/// A check that is given one sample a second.
struct Checked {
  ProbePolicy policy = probe_policy("a", ProbeKind::tcp);
  CheckState check;
  MonoTime now{1h};

  Checked() {
    policy.rise = 2;
    policy.fall = 3;
    policy.interval = policy.down_interval = 1s;
    policy.timeout = 500ms;
  }
  State give(const Finding& finding) {
    now += 1s;
    check.take(policy, Sample{policy.name, now, now, finding}, now);
    return check.state();
  }
  State wait(Duration duration) {
    now += duration;
    check.pass_time(policy, now);
    return check.state();
  }
};

const Finding good = pass();
const Finding bad = fail(Reason::timeout);
const Finding warned{Outcome::warn, Reason::over_threshold, "", {}};
const Finding ours{Outcome::inconclusive, Reason::prober_error, "", {}};

}  // namespace

TEST_CASE("the first pass makes it healthy, the first fail does not make it unhealthy") {
  Checked one;
  CHECK(one.give(good) == State::healthy);
  Checked other;
  CHECK(other.give(bad) == State::unknown);
  CHECK(other.check.pending(other.policy));
  CHECK(other.give(bad) == State::unknown);
  CHECK(other.give(bad) == State::unhealthy);
  CHECK_FALSE(other.check.pending(other.policy));
}

TEST_CASE("a contrary sample starts the count anew, either way") {
  Checked one;
  one.give(good);
  one.give(bad);
  one.give(bad);
  CHECK(one.give(good) == State::healthy);
  Checked other;
  for (int i = 0; i < 3; ++i) other.give(bad);
  CHECK(other.give(good) == State::unhealthy);
  CHECK(other.give(bad) == State::unhealthy);
  CHECK(other.give(good) == State::unhealthy);
  CHECK(other.give(good) == State::healthy);
}

TEST_CASE("a warning is up and shows as degraded; what is our own fault moves nothing") {
  Checked one;
  CHECK(one.give(warned) == State::degraded);
  CHECK(one.give(good) == State::healthy);
  one.give(bad);
  one.give(bad);
  for (int i = 0; i < 3; ++i) CHECK(one.give(ours) == State::healthy);
  CHECK(one.give(bad) == State::unhealthy);
  one.give(warned);
  CHECK(one.give(warned) == State::degraded);
}

TEST_CASE("what was seen long ago is not known any more") {
  Checked one;
  one.give(good);
  CHECK(one.wait(3500ms) == State::healthy);  // three intervals and the timeout
  CHECK(one.wait(1ms) == State::unknown);
  CHECK(one.check.stale());
  CHECK(one.give(bad) == State::unknown);
  CHECK(one.give(good) == State::healthy);
}

TEST_CASE("a probe that flaps is held at its worse state until it has been quiet") {
  Checked one;
  one.policy.rise = one.policy.fall = 1;
  one.give(good);
  for (int i = 0; i < 3; ++i) {
    CHECK(one.give(bad) == State::unhealthy);
    one.give(good);
  }
  CHECK(one.check.flapping());  // the sixth change within twenty samples
  one.give(bad);
  for (int i = 0; i < 59; ++i) CHECK(one.give(good) == State::unhealthy);
  CHECK(one.wait(1s) == State::unhealthy);
  CHECK(one.give(good) == State::unhealthy);
  one.wait(1ms);
  CHECK(one.wait(0s) == State::healthy);
  CHECK_FALSE(one.check.flapping());
}

TEST_CASE("changes that are far apart are no flapping") {
  Checked one;
  one.policy.rise = one.policy.fall = 1;
  for (int i = 0; i < 20; ++i) {
    one.give(i % 2 == 0 ? good : bad);
    for (int quiet = 0; quiet < 4; ++quiet) one.give(i % 2 == 0 ? good : bad);
    CHECK_FALSE(one.check.flapping());
  }
}

TEST_CASE(
    "when the loop was late, asleep or its clock jumped, what was sampled then moves nothing") {
  LoopDistrusted trouble;
  SECTION("late") {
    trouble.late = 2s;
  }
  SECTION("asleep") {
    trouble.suspended = 2s;
  }
  SECTION("the clock went back") {
    trouble.clock_jump = -2s;
  }
  World world;
  PolicySet policy;
  policy.probes.emplace(ProbeName("a"), probe_policy("a", ProbeKind::tcp));
  world.load(std::move(policy));
  world.pass_time(20s);
  REQUIRE(world.state_of("a") == State::healthy);
  // A run that began before the trouble ends after it, and says that all is lost.
  world.give(SampleTaken{Sample{ProbeName("a"), world.now - 3s, world.now - 2s, bad}});
  const int streak = world.see()->probes.at(ProbeName("a")).streak;
  world.give(trouble);
  world.give(SampleTaken{Sample{ProbeName("a"), world.now - 1s, world.now, bad}});
  CHECK(world.see()->probes.at(ProbeName("a")).streak == streak);
}

TEST_CASE("the next run is within the jitter, never later than its interval allows, on a grid") {
  for (const auto& [interval, grain] : std::map<Duration, Duration>{{200ms, 10ms},
                                                                    {500ms, 50ms},
                                                                    {1s, 100ms},
                                                                    {1500ms, 100ms},
                                                                    {2s, 200ms},
                                                                    {5s, 400ms},
                                                                    {30s, 400ms},
                                                                    {24h, 400ms}}) {
    auto policy = probe_policy("a", ProbeKind::tcp);
    policy.interval = interval;
    for (std::uint64_t run = 0; run < 500; ++run) {
      const MonoTime start = MonoTime{1h} + run * 7ms;
      const Duration after = next_run(policy, Pace::settled, run, start) - start;
      CHECK(after <= interval + interval / 20 + wake_grain);
      CHECK(after >= interval - interval / 20 - grain);
      CHECK((start + after).time_since_epoch() % grain == 0ns);
      CHECK(next_run(policy, Pace::fast, run, start) - start <= policy.fast_interval + wake_grain);
    }
  }
}
