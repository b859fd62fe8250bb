// Reads that fall with the writes, and reads that fall alone: whose incident it is.
#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

struct Reads : World {
  Reads() {
    set_up_bud();
    load(bud_policy());
    pass_time(90s);
    REQUIRE(state("bud") == State::healthy);
    REQUIRE(state("bud_ro") == State::healthy);
  }
  void lose_primary() {
    set("primary", fail(Reason::connect_refused));
    pass_time(30s);
  }
  void lose_replicas() {
    set("replica-1", fail(Reason::connect_refused));
    set("replica-2", fail(Reason::connect_refused));
    pass_time(30s);
  }
  void reads_pooler(bool answers_again) {
    pooler[RouteName("bud_ro")].reachable = answers_again;
    pass_time(30s);
  }
  State state(const std::string& name) { return route(name).state; }
  std::vector<std::string> subjects(IncidentState state) const {
    std::vector<std::string> found;
    for (const auto& [id, incident] : incidents) {
      if (incident.state == state) found.push_back(incident.subject);
    }
    return found;
  }
  std::vector<std::string> open() const { return subjects(IncidentState::open); }
  std::vector<std::string> closed() const { return subjects(IncidentState::closed); }
};
using Names = std::vector<std::string>;

bool has(const Incident& incident, const std::string& member) {
  return std::count(incident.members.begin(), incident.members.end(), member) == 1;
}

}  // namespace

TEST_CASE("reads that fail after the writes are part of their incident") {
  Reads w;
  w.lose_primary();
  CHECK(w.state("bud") == State::unhealthy);
  CHECK(w.state("bud_ro") == State::healthy);
  CHECK_FALSE(has(w.incidents.begin()->second, "route:bud_ro"));
  w.lose_replicas();
  CHECK(w.state("bud_ro") == State::unhealthy);
  CHECK(w.open() == Names{"route:bud"});
  CHECK(has(w.incidents.begin()->second, "route:bud_ro"));

  // Reads come back by way of the writes: nothing is left to tell.
  w.set("primary", primary(1));
  w.pass_time(60s);
  CHECK(w.state("bud_ro") == State::degraded);
  CHECK(w.open().empty());
  CHECK(w.closed() == Names{"route:bud"});
}

TEST_CASE("reads that fail alone have an incident of their own") {
  Reads w;
  w.reads_pooler(false);
  CHECK(w.state("bud") == State::healthy);
  CHECK(w.state("bud_ro") == State::unhealthy);
  CHECK(w.open() == Names{"route:bud_ro"});
  w.reads_pooler(true);
  CHECK(w.state("bud_ro") == State::healthy);
  CHECK(w.open().empty());

  // Without replicas they go where the writes go, which is worse, but no failure.
  w.lose_replicas();
  CHECK(w.state("bud_ro") == State::degraded);
  CHECK(w.open().empty());
  CHECK(w.route("bud_ro").targets == std::vector{ProbeName("primary")});
}

TEST_CASE("the writes are well before the reads: these have a story of their own from then on") {
  Reads w;
  w.lose_primary();
  w.lose_replicas();
  w.reads_pooler(false);
  CHECK(w.open() == Names{"route:bud"});
  w.set("primary", primary(1));
  w.pass_time(60s);
  CHECK(w.state("bud") != State::unhealthy);
  CHECK(w.state("bud_ro") == State::unhealthy);
  CHECK(w.closed() == Names{"route:bud"});
  CHECK(w.open() == Names{"route:bud_ro"});
  w.reads_pooler(true);
  CHECK(w.open().empty());
  CHECK(w.closed() == Names{"route:bud", "route:bud_ro"});
}
