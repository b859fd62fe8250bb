// The history: rows to JSON and back, into a file and out of it.
#include <catch2/catch.hpp>

#include "daemon/journal/history_json.hpp"
#include "daemon/journal/history_reader.hpp"
#include "daemon/journal/store.hpp"
#include "policies/simulation/history_builder.hpp"
#include "tests/unit/journal/folder.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

constexpr MonoTime noon{Duration{1'700'000'000s}};

Finding postgres_finding(std::uint64_t lsn) {
  PostgresFacts facts;
  facts.role = PostgresRole::standby;
  facts.timeline = 3;
  facts.lsn = lsn;
  facts.lag_seconds = 250ms;
  facts.receiving = true;
  facts.receiver_silent = 2s;
  facts.may_promote = false;
  facts.system_id = "7613";
  return {Outcome::warn, Reason::lag, "a \"little\" behind", facts};
}

Finding redis_finding() {
  RedisFacts facts;
  facts.role = RedisRole::replica;
  facts.offset = 77;
  facts.link_up = false;
  facts.loading = true;
  facts.sentinels = 0;
  facts.replid = std::string(40, 'a');
  facts.replid2 = std::string(40, 'b');
  return {Outcome::fail, Reason::link_down, "", facts};
}

PoolerObservation pooler() {
  PoolerObservation seen;
  seen.reachable = seen.listed = true;
  seen.addresses = {{"10.0.1.10", 5432}, {"/run/postgresql", 6432}};
  seen.file = FileState::differs;
  return seen;
}

std::vector<RecordedRow> all_rows() {
  ActionFinished done{ActionId{4}, RouteName("bud"), ActionOutcome::failed, "no",
                      Verified::servers};
  done.timeline = 5;
  done.promotion_lsn = 123;
  SwitchRequested asked{RequestId{9}, RouteName("bud"), ProbeName("replica-1"), true, false,
                        true,         "uid 0"};
  const std::vector<std::variant<LifeBegan, SampleRun, ObservedRun, ActOrdered, Event>> bodies{
      LifeBegan{},
      SampleRun{noon, noon + 90s, 19, 7ms, postgres_finding(10), postgres_finding(500)},
      SampleRun{noon, noon, 1, 7ms, redis_finding(), redis_finding()},
      ObservedRun{noon, noon + 5s, {pooler(), PoolerObservation{}}},
      ActOrdered{4, "switch bud to replica-1"},
      Event{done},
      Event{StepFinished{ActionId{5}, LadderName("db"), ActionOutcome::unknown, "late"}},
      Event{SessionEnded{ProbeName("primary"), SessionEnd::administrator}},
      Event{LoopDistrusted{600ms, 0ms, -2s}},
      Event{asked},
      Event{SwitchCancelled{RequestId{9}}},
      Event{AutomationSet{true, "racks", "uid 0", noon + 1h}},
      Event{FlagSet{FlagName("page"), true, "why", "uid 0", std::nullopt}},
      Event{DrainSet{true, "kernel", "uid 0"}},
      Event{IncidentAcknowledged{IncidentId{3}, "uid 0", "on it"}},
      Event{StepApproved{ActionId{8}, false, "uid 0"}},
  };
  std::vector<RecordedRow> rows;
  for (const auto& body : bodies) {
    MonoTime to = noon;
    std::string subject;
    if (const auto* run = std::get_if<SampleRun>(&body)) {
      to = run->to;
      subject = "primary";
    }
    if (const auto* run = std::get_if<ObservedRun>(&body)) {
      to = run->to;
      subject = "bud";
    }
    rows.push_back({rows.size() + 1, noon, to, subject, body});
  }
  return rows;
}

}  // namespace

TEST_CASE("every kind of row of the history survives its JSON") {
  for (const RecordedRow& row : all_rows()) {
    const auto* run = std::get_if<SampleRun>(&row.body);
    StoredRow stored{std::string(row_kind(row)), row.subject, row_json(row), row.from, row.to,
                     run ? run->count : 1};
    INFO(stored.kind << " " << stored.document);
    auto read = row_of_json(stored);
    REQUIRE(read);
    read->key = row.key;
    CHECK(*read == row);
  }
}

TEST_CASE("what is no row of ours is left out") {
  for (const char* document :
       {"", "[]", "{}", "{\"event\":\"none\"}", "{\"event\":\"flag_set\"}"}) {
    CHECK_FALSE(row_of_json({"event", "", document, noon, noon, 1}));
    CHECK_FALSE(row_of_json({"sample", "a", document, noon, noon, 1}));
    CHECK_FALSE(row_of_json({"of a newer version", "", document, noon, noon, 1}));
  }
}

TEST_CASE("a history is written, an open run again in its place, and read") {
  const TestFolder folder;
  const auto file = folder.path / "journal.db";
  Store store(file);
  std::vector<std::string> notices;
  const WallTime wall{std::chrono::floor<std::chrono::milliseconds>(noon.time_since_epoch())};
  REQUIRE_FALSE(store.open(wall, notices));
  Batch batch;
  for (RecordedRow& row : all_rows()) batch.records.emplace_back(HistoryRow{std::move(row)});
  batch.records.emplace_back(EventRow{wall, "decision", "bud", "follow", {}, 1});
  REQUIRE_FALSE(store.write(batch, false));
  RecordedRow again = all_rows()[1];
  std::get<SampleRun>(again.body).count = 25;
  Batch more;
  more.records.emplace_back(HistoryRow{again});
  REQUIRE_FALSE(store.write(more, false));

  const auto past = read_past(file, wall - 1h);
  REQUIRE(past.ok());
  CHECK(past.value().unreadable == 0);
  REQUIRE(past.value().history.lives.size() == 1);
  const HistoryLife& life = past.value().history.lives[0];
  CHECK(life.whole);
  REQUIRE(life.samples.at(ProbeName("primary")).size() == 2);
  CHECK(life.samples.at(ProbeName("primary"))[0].count == 25);
  REQUIRE(life.acts.size() == 1);
  CHECK(life.acts[0].answer.has_value());
  CHECK(life.events.size() == 9);
  REQUIRE(past.value().decided.size() == 1);
  CHECK(past.value().decided[0].text == "follow");
  CHECK(read_past(file, wall + 2min).value().history.lives.empty());
}

TEST_CASE("what is no journal with a history is refused, and says why") {
  const TestFolder folder;
  const auto reason = [](const std::filesystem::path& file) {
    return read_past(file, WallTime{}).error().message;
  };
  CHECK_THAT(reason(folder.path / "none.db"), Catch::Contains("none.db"));
  const auto foreign = folder.path / "foreign.db";
  {
    Database database;
    REQUIRE_FALSE(database.open(foreign, OpenMode::create));
    REQUIRE_FALSE(database.execute("CREATE TABLE t(x)"));
  }
  CHECK_THAT(reason(foreign), Catch::Contains("not a journal of pointsman's"));
}
