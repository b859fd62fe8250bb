// The plain values: every enumerator has a word of its own, every fact a name of its own, and
// values compare by all that is in them.
#include <catch2/catch.hpp>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "policies/diagnose.hpp"
#include "policies/model/incident.hpp"
#include "policies/model/policy.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/snapshot.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

/// The first `count` enumerators.
template <class Enum>
void check_words(int count) {
  std::set<std::string> words;
  for (int i = 0; i < count; ++i) {
    const std::string word(to_text(static_cast<Enum>(i)));
    CHECK(!word.empty());
    words.insert(word);
  }
  CHECK(words.size() == static_cast<std::size_t>(count));
}

/// A copy is equal; one that was changed by any of `changes` is not.
template <class Value>
void check_each_member(const Value& value,
                       const std::vector<std::function<void(Value&)>>& changes) {
  Value copy = value;
  CHECK(copy == value);
  for (const auto& change : changes) {
    Value other = value;
    change(other);
    CHECK(other != value);
  }
}

/// With everything that it can hold.
std::vector<Facts> full_facts() {
  const WallTime expires{std::chrono::hours{24}};
  PostgresFacts pg{PostgresRole::standby,
                   true,
                   3,
                   100,
                   90,
                   10,
                   2s,
                   true,
                   1s,
                   5,
                   100,
                   60s,
                   5s,
                   true,
                   "S",
                   "15.20"};
  RedisFacts rd{RedisRole::replica, 7, true, 1s, 3, 100, 1000, true, 2, "a1", "b2"};
  HttpFacts http{200, 1ms, 2ms, 3ms, 4ms, 5ms, expires, "10.0.0.1"};
  PgbouncerFacts pool{1, 2s, 3, 4, 5, "1.18.0"};
  DiskFacts disk{1, 2, 3, 0.5, 0.1, true, 7.5};
  return {pg,
          rd,
          http,
          TcpFacts{1ms, expires},
          pool,
          disk,
          MemoryFacts{1, 2, 3, 0.5, 1.5},
          CpuFacts{0.5, 0.1, 2.0, 3.0},
          UnitFacts{"active", "running", 2},
          ExecFacts{0, "fine"}};
}

std::set<std::string> names_of(const Facts& facts) {
  std::set<std::string> names;
  int visited = 0;
  for_each_fact(facts, [&](std::string_view name, const FactValue&) {
    names.emplace(name);
    ++visited;
  });
  CHECK(names.size() == static_cast<std::size_t>(visited));  // none twice
  return names;
}

}  // namespace

TEST_CASE("every enumerator has a word of its own") {
  check_words<Outcome>(4);
  check_words<Reason>(reason_count);
  check_words<PostgresRole>(3);
  check_words<RedisRole>(3);
  check_words<State>(4);
  check_words<Mode>(2);
  check_words<ProbeKind>(10);
  check_words<Scope>(2);
  check_words<Require>(5);
  check_words<SwitchMode>(2);
  check_words<Balance>(2);
  check_words<ViaKind>(3);
  check_words<HookKind>(4);
  check_words<StepKind>(14);
  check_words<SessionEnd>(3);
  check_words<FileState>(4);
  check_words<ActionOutcome>(3);
  check_words<Verified>(3);
  check_words<SwitchCause>(11);
  check_words<RecordKind>(13);
  check_words<ServerKind>(2);
  check_words<OldTargets>(2);
  check_words<Mark>(mark_count);
  check_words<IncidentState>(2);
  check_words<Severity>(2);
  check_words<AlertState>(2);
  check_words<RequestState>(4);
  for (std::size_t i = 0; i < mark_count; ++i) CHECK(!describe(static_cast<Mark>(i)).empty());
}

TEST_CASE("facts: those that are known are visited, each under a name of its own") {
  const std::size_t expected[] = {16, 11, 8, 2, 6, 7, 5, 4, 3, 2};
  const std::vector<Facts> all = full_facts();
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(names_of(all[i]).size() == expected[i]);
  CHECK(names_of(Facts{}).empty());
  CHECK(names_of(PostgresFacts{}) == std::set<std::string>{"role"});
  CHECK(names_of(RedisFacts{}) == std::set<std::string>{"role", "loading"});
  for (const Facts& nothing : {Facts{HttpFacts{}}, Facts{TcpFacts{}}, Facts{ExecFacts{}}}) {
    CHECK(names_of(nothing).empty());
  }
  CHECK(names_of(UnitFacts{}) == std::set<std::string>{"restarts"});
  CHECK(names_of(DiskFacts{}).size() == 5);
  CHECK(names_of(MemoryFacts{}).size() == 4);
  CHECK(names_of(CpuFacts{}).size() == 3);
  CHECK(names_of(PgbouncerFacts{}).size() == 5);
}

TEST_CASE("facts are equal when all of them are") {
  const std::vector<Facts> one = full_facts(), same = full_facts();
  for (std::size_t i = 0; i < one.size(); ++i) {
    for (std::size_t j = 0; j < same.size(); ++j) CHECK((one[i] == same[j]) == (i == j));
  }
}

TEST_CASE("each member of a value counts when it is compared") {
  const auto full = full_facts();
  const auto pg = std::get<PostgresFacts>(full[0]);
  check_each_member<PostgresFacts>(
      pg, {[](auto& f) { f.role = PostgresRole::primary; }, [](auto& f) { f.read_only = false; },
           [](auto& f) { f.timeline.reset(); }, [](auto& f) { f.lsn = 1; },
           [](auto& f) { f.replay_lsn = 1; }, [](auto& f) { f.lag_bytes = 1; },
           [](auto& f) { f.lag_seconds.reset(); }, [](auto& f) { f.receiving = false; },
           [](auto& f) { f.receiver_silent.reset(); }, [](auto& f) { f.connections = 1; },
           [](auto& f) { f.max_connections = 1; }, [](auto& f) { f.wal_receiver_timeout.reset(); },
           [](auto& f) { f.apply_delay.reset(); }, [](auto& f) { f.may_promote.reset(); },
           [](auto& f) { f.system_id = "T"; }, [](auto& f) { f.version = "16"; }});
  check_each_member<RedisFacts>(
      std::get<RedisFacts>(full[1]),
      {[](auto& f) { f.role = RedisRole::master; }, [](auto& f) { f.offset = 1; },
       [](auto& f) { f.link_up = false; }, [](auto& f) { f.lag.reset(); },
       [](auto& f) { f.clients = 1; }, [](auto& f) { f.used_memory = 1; },
       [](auto& f) { f.maxmemory = 1; }, [](auto& f) { f.loading = false; },
       [](auto& f) { f.sentinels = 1; }, [](auto& f) { f.replid = ""; },
       [](auto& f) { f.replid2 = ""; }});
  check_each_member<HttpFacts>(
      std::get<HttpFacts>(full[2]),
      {[](auto& f) { f.status_code = 500; }, [](auto& f) { f.dns.reset(); },
       [](auto& f) { f.connect.reset(); }, [](auto& f) { f.tls.reset(); },
       [](auto& f) { f.first_byte.reset(); }, [](auto& f) { f.total.reset(); },
       [](auto& f) { f.cert_expires.reset(); }, [](auto& f) { f.address = ""; }});
  check_each_member<TcpFacts>(
      std::get<TcpFacts>(full[3]),
      {[](auto& f) { f.connect.reset(); }, [](auto& f) { f.cert_expires.reset(); }});
  check_each_member<PgbouncerFacts>(
      std::get<PgbouncerFacts>(full[4]),
      {[](auto& f) { f.waiting = 9; }, [](auto& f) { f.maxwait = 9s; },
       [](auto& f) { f.active = 9; }, [](auto& f) { f.idle = 9; }, [](auto& f) { f.paused = 9; },
       [](auto& f) { f.version = ""; }});
  check_each_member<DiskFacts>(
      std::get<DiskFacts>(full[5]),
      {[](auto& f) { f.used = 9; }, [](auto& f) { f.free = 9; }, [](auto& f) { f.total = 9; },
       [](auto& f) { f.used_ratio = 1; }, [](auto& f) { f.inodes_ratio.reset(); },
       [](auto& f) { f.read_only = false; }, [](auto& f) { f.hours_to_full.reset(); }});
  check_each_member<MemoryFacts>(
      std::get<MemoryFacts>(full[6]),
      {[](auto& f) { f.used = 9; }, [](auto& f) { f.available = 9; }, [](auto& f) { f.limit = 9; },
       [](auto& f) { f.used_ratio = 1; }, [](auto& f) { f.psi.reset(); }});
  check_each_member<CpuFacts>(std::get<CpuFacts>(full[7]),
                              {[](auto& f) { f.busy = 1; }, [](auto& f) { f.steal = 1; },
                               [](auto& f) { f.load1 = 1; }, [](auto& f) { f.psi.reset(); }});
  check_each_member<UnitFacts>(std::get<UnitFacts>(full[8]),
                               {[](auto& f) { f.active = "failed"; }, [](auto& f) { f.sub = ""; },
                                [](auto& f) { f.restarts = 9; }});
  check_each_member<ExecFacts>(std::get<ExecFacts>(full[9]), {[](auto& f) { f.exit_code.reset(); },
                                                              [](auto& f) { f.first_line = ""; }});
  const Finding finding{Outcome::pass, Reason::ok, "", pg};
  check_each_member<Finding>(
      finding, {[](auto& f) { f.outcome = Outcome::fail; }, [](auto& f) { f.reason = Reason::lag; },
                [](auto& f) { f.message = "x"; }, [](auto& f) { f.facts = RedisFacts{}; }});
  check_each_member<Sample>(
      Sample{ProbeName("a"), MonoTime{1s}, MonoTime{2s}, finding},
      {[](auto& f) { f.probe = ProbeName("b"); }, [](auto& f) { f.started = MonoTime{0s}; },
       [](auto& f) { f.finished = MonoTime{3s}; },
       [](auto& f) { f.finding.reason = Reason::lag; }});
  const PoolFigures pool{"app", 1, 2, 3, 4, 5s};
  check_each_member<PoolFigures>(
      pool, {[](auto& f) { f.user = ""; }, [](auto& f) { f.clients_active = 9; },
             [](auto& f) { f.clients_waiting = 9; }, [](auto& f) { f.servers_active = 9; },
             [](auto& f) { f.servers_idle = 9; }, [](auto& f) { f.longest_wait = 9s; }});
  PoolerObservation seen;
  seen.addresses = {{"10.0.0.1", 5432}};
  seen.pools = {pool};
  check_each_member<PoolerObservation>(
      seen, {[](auto& f) { f.reachable = true; }, [](auto& f) { f.error = "x"; },
             [](auto& f) { f.listed = true; }, [](auto& f) { f.paused = true; },
             [](auto& f) { f.disabled = true; }, [](auto& f) { f.addresses[0].port = 1; },
             [](auto& f) { f.file = FileState::differs; }, [](auto& f) { f.pools.clear(); }});
}

TEST_CASE("endpoints and members are printed as the configuration writes them") {
  CHECK(to_text(Endpoint{"10.0.0.1", 5432}) == "10.0.0.1:5432");
  CHECK(to_text(Endpoint{"::1", 5432}) == "[::1]:5432");
  CHECK(to_text(Member{ProbeName("disk")}) == "disk");
  CHECK(to_text(Member{ServiceName("database")}) == "database");
  CHECK(to_text(Member{RouteName("bud")}) == "route:bud");
}
