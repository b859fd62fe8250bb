// The postgres probe against a server that falls silent at the worst moments: what may be taken for
// frozen, how a session is renewed, and what a session that ends has said.
#include "probes/postgres.hpp"
#include "tests/unit/probes/pg_peer.hpp"

using namespace pointsman;
using namespace pointsman::testing;
using namespace std::chrono_literals;

namespace {

constexpr Duration short_time = 400ms;

struct Probe {
  NetWorld world;
  PgPeer peer{world.loop};
  PostgresSpec spec = peer.spec();
  std::unique_ptr<PostgresProber> prober;
  std::vector<SessionEnd> ends;

  Finding run(Duration timeout = 10s, Duration renew_after = 1h) {
    if (!prober) {
      prober = std::make_unique<PostgresProber>(spec, world.services(), renew_after);
      prober->on_session_end([this](SessionEnd how) { ends.push_back(how); });
    }
    return world.probe(*prober, timeout);
  }
};

bool is_primary(const Finding& finding) {
  const auto* facts = std::get_if<PostgresFacts>(&finding.facts);
  return facts != nullptr && facts->role == PostgresRole::primary;
}

}  // namespace

TEST_CASE("postgres: a new session without a byte is a timeout, one that spoke is none") {
  Probe probe;
  SECTION("not a byte") {
    probe.peer.silent_login = true;
    for (int n = 0; n < 2; ++n) CHECK(probe.run(short_time).reason == Reason::timeout);
  }
  SECTION("a login that has no end, as with a directory that hangs") {
    probe.peer.half_login = true;
    const auto finding = probe.run(short_time);
    CHECK(finding.outcome == Outcome::fail);
    CHECK(finding.reason == Reason::query_failed);
    CHECK_THAT(finding.message, Catch::Contains("did not answer the login within"));
  }
  SECTION("logged in, and then no answer") {
    probe.peer.silent_sessions = 1;
    CHECK(probe.run(short_time).reason == Reason::query_failed);
  }
  SECTION("the configured query has no end: the facts stay") {
    probe.spec.query = "SELECT x FROM locked";
    probe.peer.silent_own_query = true;
    const auto finding = probe.run(short_time);
    CHECK(finding.outcome == Outcome::fail);
    CHECK(finding.reason == Reason::query_failed);
    CHECK_THAT(finding.message, Catch::StartsWith("the configured query: "));
    CHECK(is_primary(finding));
  }
}

TEST_CASE("postgres: a kept session that is silent says nothing of new ones") {
  Probe probe;
  REQUIRE(probe.run().outcome == Outcome::pass);
  probe.peer.silent_sessions = 1;
  SECTION("it alone: the next run has another") {
    const auto finding = probe.run(short_time);
    CHECK(finding.reason == Reason::query_failed);
    CHECK_THAT(finding.message, Catch::EndsWith("a new session is tried next"));
    CHECK(probe.run().outcome == Outcome::pass);
    CHECK(probe.peer.sessions() == 2);
  }
  SECTION("new ones too: frozen from the second run on") {
    probe.peer.silent_login = true;
    CHECK(probe.run(short_time).reason == Reason::query_failed);
    CHECK(probe.run(short_time).reason == Reason::timeout);
    CHECK(probe.run(short_time).reason == Reason::timeout);
  }
}

TEST_CASE("postgres: a renewal that hangs leaves the kept session and its answer") {
  Probe probe;
  SECTION("a warning until it can be had") {
    REQUIRE(probe.run(10s, 0s).outcome == Outcome::pass);
    probe.peer.silent_login = true;
    for (int n = 0; n < 2; ++n) {
      const auto finding = probe.run(short_time);
      CHECK(finding.outcome == Outcome::warn);
      CHECK(finding.reason == Reason::slow);
      CHECK_THAT(finding.message, Catch::Contains("primary on timeline 1") &&
                                      Catch::Contains("but no new session: "));
      CHECK(is_primary(finding));
    }
    CHECK(probe.peer.sessions() == 3);
    probe.peer.silent_login = false;
    CHECK(probe.run().outcome == Outcome::pass);
    CHECK(probe.peer.sessions() == 4);
  }
  SECTION("it is not tried in each run") {
    REQUIRE(probe.run(10s, 200ms).outcome == Outcome::pass);
    asio::steady_timer later(probe.world.loop, 250ms);
    later.wait();
    probe.peer.silent_login = true;
    CHECK(probe.run(short_time).outcome == Outcome::warn);
    CHECK(probe.run(short_time).outcome == Outcome::warn);
    CHECK(probe.peer.sessions() == 2);
  }
  SECTION("neither the kept nor a new session gets a byte: frozen, in the same run") {
    REQUIRE(probe.run(10s, 0s).outcome == Outcome::pass);
    probe.peer.silent_login = true;
    probe.peer.silent_sessions = 1;
    CHECK(probe.run(short_time).reason == Reason::timeout);
  }
  SECTION("a kept session that is silent alone is replaced in the same run") {
    REQUIRE(probe.run(10s, 0s).outcome == Outcome::pass);
    probe.peer.silent_sessions = 1;
    CHECK(probe.run(4s).outcome == Outcome::pass);
    CHECK(probe.peer.sessions() == 2);
  }
  SECTION("what the configured query said last still holds") {
    probe.spec.query = "SELECT x FROM missing";
    probe.peer.failing_own_query = true;
    REQUIRE(probe.run(10s, 0s).outcome == Outcome::fail);
    probe.peer.silent_login = true;
    const auto finding = probe.run(short_time);
    CHECK(finding.outcome == Outcome::fail);
    CHECK(finding.reason == Reason::query_failed);
    CHECK_THAT(finding.message, Catch::StartsWith("the configured query: "));
    CHECK(is_primary(finding));
  }
}

TEST_CASE("postgres: a stop is told once, whoever reads it") {
  Probe probe;
  REQUIRE(probe.run().outcome == Outcome::pass);
  SECTION("in place of an answer") {
    probe.peer.ends = PgPeer::Ends::before_the_answer;
    CHECK(probe.run().reason == Reason::stopping);
    CHECK(probe.ends == std::vector{SessionEnd::administrator});
  }
  SECTION("behind the answer") {
    probe.peer.ends = PgPeer::Ends::after_the_answer;
    probe.run();
    probe.world.loop.restart();
    probe.world.loop.run_for(100ms);
    CHECK(probe.ends == std::vector{SessionEnd::administrator});
  }
  SECTION("before the run asks") {
    probe.peer.say_in_last_session(PgPeer::fatal("57P01"));
    CHECK(probe.run().outcome == Outcome::pass);  // on a new session
    CHECK(probe.peer.sessions() == 2);
    CHECK(probe.ends == std::vector{SessionEnd::administrator});
  }
  SECTION("a crash of another backend") {
    probe.peer.say_in_last_session(PgPeer::fatal("57P02"));
    CHECK(probe.run().outcome == Outcome::pass);
    CHECK(probe.ends == std::vector{SessionEnd::crashed});
  }
  CHECK(probe.ends.size() == 1);
}
