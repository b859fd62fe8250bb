// The plain values: every enumerator has a word of its own, every fact a name of its own, and
// values compare by all that is in them.
#include <catch2/catch.hpp>

#include <set>
#include <string>

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
  RedisFacts rd{RedisRole::replica, 7, true, 1s, 3, 100, 1000, true, 2};
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
  const std::size_t expected[] = {16, 9, 8, 2, 6, 7, 5, 4, 3, 2};
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
  // The last member of each counts too.
  PostgresFacts pg = std::get<PostgresFacts>(one[0]);
  pg.version = "15.21";
  CHECK(Facts{pg} != one[0]);
  RedisFacts rd = std::get<RedisFacts>(one[1]);
  rd.sentinels = 0;
  CHECK(Facts{rd} != one[1]);
  HttpFacts http = std::get<HttpFacts>(one[2]);
  http.address.clear();
  CHECK(Facts{http} != one[2]);
  DiskFacts disk = std::get<DiskFacts>(one[5]);
  disk.hours_to_full.reset();
  CHECK(Facts{disk} != one[5]);
  ExecFacts exec = std::get<ExecFacts>(one[9]);
  exec.first_line = "other";
  CHECK(Facts{exec} != one[9]);
}

TEST_CASE("endpoints and members are printed as the configuration writes them") {
  CHECK(to_text(Endpoint{"10.0.0.1", 5432}) == "10.0.0.1:5432");
  CHECK(to_text(Endpoint{"::1", 5432}) == "[::1]:5432");
  CHECK(to_text(Member{ProbeName("disk")}) == "disk");
  CHECK(to_text(Member{ServiceName("database")}) == "database");
  CHECK(to_text(Member{RouteName("bud")}) == "route:bud");
}
