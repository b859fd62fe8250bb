// What `check --live` concludes from what was found; tests/integration/runtime looks for real.
#include <catch2/catch.hpp>

#include "daemon/config/live_report.hpp"
#include "tests/unit/config/support.hpp"

namespace pointsman {
namespace {

using namespace std::chrono_literals;

constexpr const char* text = R"(version: 1
probes:
  a: {type: postgres, url: "postgresql://u@10.0.1.10/bud"}
  b: {type: postgres, url: "postgresql://u@10.0.1.11/bud"}
  r: {type: redis, url: "redis://10.0.1.20"}
  s: {type: redis, url: "redis://10.0.1.21"}
routes:
  bud:
    via: {pgbouncer: {admin: "host=/run/postgresql dbname=pgbouncer", file: /t.ini}}
    candidates: [a, b]
    require: writable
    promote: {when: [primary_dead], sole_promoter: true}
  cache:
    via: {haproxy: {socket: /h.sock, backend: redis, server: active}}
    candidates: [r, s]
    require: master
    promote: {when: [master_dead], sole_promoter: true}
)";

Sample postgres(const char* name, PostgresRole role) {
  PostgresFacts facts;
  facts.role = role;
  facts.may_promote = true;
  facts.system_id = "7";
  facts.receiver_silent = 1s;
  facts.receiving = true;
  facts.wal_receiver_timeout = 60s;
  return {ProbeName(name), MonoTime{}, MonoTime{} + 2ms, {Outcome::pass, Reason::ok, "", facts}};
}

Sample redis(const char* name, RedisRole role) {
  RedisFacts facts;
  facts.role = role;
  facts.sentinels = 0;
  return {ProbeName(name), MonoTime{}, MonoTime{} + 2ms, {Outcome::pass, Reason::ok, "", facts}};
}

/// All as it should be; each test spoils one thing.
class Live {
 public:
  Live() {
    put(postgres("a", PostgresRole::primary));
    put(postgres("b", PostgresRole::standby));
    put(redis("r", RedisRole::master));
    put(redis("s", RedisRole::replica));
  }
  void put(Sample sample) { look_.samples[sample.probe] = std::move(sample); }
  PostgresFacts& facts(const char* name) {
    return std::get<PostgresFacts>(look_.samples.at(ProbeName(name)).finding.facts);
  }
  Finding& finding(const char* name) { return look_.samples.at(ProbeName(name)).finding; }
  LiveLook& look() { return look_; }

  /// The lines of that level, each "SUBJECT: TEXT".
  std::vector<std::string> lines(LiveLevel level) const {
    const TemporaryFolder folder;
    const Config config = load_fine(folder.write("pointsman.yaml", text));
    std::vector<std::string> found;
    for (const auto& line : judge_live(config, look_)) {
      if (line.level == level) found.push_back(line.subject + ": " + line.text);
    }
    return found;
  }
  std::string only(LiveLevel level) const {
    const auto found = lines(level);
    REQUIRE(found.size() == 1);
    return found.front();
  }

 private:
  LiveLook look_;
};

bool begins(const std::string& line, const std::string& with) {
  INFO(line);
  return line.compare(0, with.size(), with) == 0;
}

TEST_CASE("live: all is well", "[config][live]") {
  const Live live;
  CHECK(live.lines(LiveLevel::error).empty());
  CHECK(live.lines(LiveLevel::warning).empty());
  const auto fine = live.lines(LiveLevel::ok);
  const std::string lost =
      "route bud: b has wal_receiver_timeout = 1m: a lost host is found 31s after it fell "
      "silent";
  CHECK(std::find(fine.begin(), fine.end(), lost) != fine.end());
}

TEST_CASE("live: rights and settings of PostgreSQL", "[config][live]") {
  Live live;
  SECTION("may not promote") {
    live.facts("b").may_promote = false;
    CHECK(begins(live.only(LiveLevel::error), "route bud: the role of b may not promote"));
  }
  SECTION("not known whether it may") {
    live.facts("b").may_promote.reset();
    CHECK(begins(live.only(LiveLevel::warning), "route bud: whether the role of b may promote"));
  }
  SECTION("delayed") {
    live.facts("b").apply_delay = 5min;
    CHECK(begins(live.only(LiveLevel::warning), "route bud: b has recovery_min_apply_delay = 5m"));
  }
  SECTION("a receiver that never gives up") {
    live.facts("b").wal_receiver_timeout = 0s;
    CHECK(begins(live.only(LiveLevel::warning), "route bud: b has wal_receiver_timeout = 0"));
  }
  SECTION("no pg_monitor") {
    live.facts("b").receiver_silent.reset();
    CHECK(live.only(LiveLevel::warning).find("GRANT pg_monitor") != std::string::npos);
  }
  SECTION("does not receive") {
    live.facts("b").receiving = false;
    CHECK(begins(live.only(LiveLevel::warning), "route bud: b receives nothing"));
  }
  SECTION("another cluster") {
    live.facts("b").system_id = "8";
    CHECK(begins(live.only(LiveLevel::error), "route bud: a and b belong to different clusters"));
  }
  SECTION("two primaries") {
    live.put(postgres("b", PostgresRole::primary));
    CHECK(begins(live.only(LiveLevel::error), "route bud: a, b all take writes"));
  }
  SECTION("no primary") {
    live.put(postgres("a", PostgresRole::standby));
    CHECK(begins(live.only(LiveLevel::error), "route bud: no candidate is writable now"));
  }
}

TEST_CASE("live: Redis, probes, poolers", "[config][live]") {
  Live live;
  SECTION("a Sentinel watches") {
    std::get<RedisFacts>(live.finding("r").facts).sentinels = 3;
    CHECK(begins(live.only(LiveLevel::error), "route cache: 3 Redis Sentinel(s) watch r"));
  }
  SECTION("a probe that fails") {
    live.finding("s") = {Outcome::fail, Reason::connect_refused, "connection refused", {}};
    CHECK(live.only(LiveLevel::error) ==
          "probe s: fail (connect_refused) in 2.0 ms: connection refused");
  }
  SECTION("a probe that cannot judge") {
    live.finding("s").outcome = Outcome::inconclusive;
    CHECK(begins(live.only(LiveLevel::error), "probe s: inconclusive"));
  }
  SECTION("a pooler, and the journal's folder") {
    live.look().vias.push_back({RouteName("bud"), "pgbouncer x", {"refuses us"}});
    live.look().vias.push_back({RouteName("cache"), "haproxy y", {}});
    live.look().state_dir_problems = {"/var/lib/pointsman is not there"};
    CHECK(live.only(LiveLevel::error) == "route bud: pgbouncer x: refuses us");
    CHECK(begins(live.only(LiveLevel::warning), "state_dir: "));
  }
}

}  // namespace
}  // namespace pointsman
