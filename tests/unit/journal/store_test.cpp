#include "daemon/journal/store.hpp"

#include <catch2/catch.hpp>

#include "daemon/journal/json_text.hpp"
#include "daemon/journal/schema.hpp"
#include "probes/clock.hpp"
#include "tests/unit/journal/folder.hpp"

using namespace pointsman;

namespace {

Intent intent_of(std::uint64_t id, const std::string& steps = "{}") {
  return {id, "bud", "switch", steps, wall_now()};
}

std::int64_t number(const std::filesystem::path& file, const std::string& sql) {
  Database database;
  REQUIRE_FALSE(database.open(file, OpenMode::read_write));
  std::int64_t value = -1;
  const auto failed = database.read_integer(sql, value);
  if (failed) FAIL(failed->text);
  return value;
}

struct Fixture {
  TestFolder folder;
  std::filesystem::path file = folder.path / "journal.db";
  std::vector<std::string> notices;

  /// A journal with one intent in it, closed properly.
  void make_one() {
    Store store(file);
    REQUIRE_FALSE(store.open(wall_now(), notices));
    Batch batch;
    batch.acts.emplace_back(intent_of(7));
    REQUIRE_FALSE(store.write(batch, true));
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a new journal is made, ours, in WAL mode, not readable by others") {
  make_one();
  CHECK(notices.empty());
  CHECK(number(file, "PRAGMA application_id") == journal_application_id);
  CHECK(number(file, "PRAGMA user_version") == journal_schema);
  CHECK((std::filesystem::status(file).permissions() & std::filesystem::perms::others_all) ==
        std::filesystem::perms::none);
  CHECK(files_named(folder.path, ".new").empty());
}

TEST_CASE_METHOD(Fixture, "what was written is found again") {
  {
    Store store(file);
    REQUIRE_FALSE(store.open(wall_now(), notices));
    Batch batch;
    batch.acts.emplace_back(intent_of(1));
    batch.acts.emplace_back(OutcomeRow{1, ActionOutcome::ok, "done", wall_now()});
    batch.acts.emplace_back(intent_of(2, R"({"file":"/x"})"));
    batch.memories.push_back(
        {{RouteName("bud"), {ProbeName("a"), ProbeName("b")}, "761", 3, 9}, wall_now()});
    Sample sample;
    sample.probe = ProbeName("primary");
    PostgresFacts facts;
    facts.role = PostgresRole::primary;
    facts.timeline = 3;
    sample.finding.facts = facts;
    batch.records.emplace_back(SampleRow{wall_now(), sample});
    batch.records.emplace_back(
        EventRow{wall_now(), "decision", "bud", "switched", {{"lag", "0"}, {"lag", "1"}}});
    REQUIRE_FALSE(store.write(batch, false));
    REQUIRE_FALSE(store.write(batch, true));  // an intent that comes twice is there once
  }
  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  CHECK(store.highest_intent() == 2);
  JournalMemory memory;
  std::vector<MemoryRow> routes;
  REQUIRE_FALSE(store.read_memory(memory, routes));
  REQUIRE(memory.unfinished.size() == 1);
  CHECK(memory.unfinished[0].id == 2);
  CHECK(memory.unfinished[0].steps == R"({"file":"/x"})");
  REQUIRE(routes.size() == 1);
  CHECK(routes[0].memory ==
        RouteMemory{RouteName("bud"), {ProbeName("a"), ProbeName("b")}, "761", 3, 9});
  CHECK(number(file, "SELECT count(*) FROM events") == 2);
  CHECK(number(file, "SELECT count(*) FROM samples WHERE json_extract(facts,'$.timeline')=3") == 2);
  CHECK(number(file, "SELECT json_extract(details,'$.lag')='0; 1' FROM events") == 1);
  CHECK_FALSE(store.check([] { return false; }));
}

TEST_CASE_METHOD(Fixture, "a damaged file is moved aside whole, and a new journal begun") {
  make_one();
  std::string damage;
  std::string said;
  SECTION("empty") {
    said = "is empty";
  }
  SECTION("garbage") {
    damage = std::string(9000, '\x5a');
    said = "not a database";
  }
  SECTION("cut off in its middle") {
    damage = contents_of(file).substr(0, 4096 + 100);
    said = "malformed";
  }
  SECTION("a few bytes") {
    damage = "SQLite format 3";
    said = "not a database";
  }
  write_file(file, damage);

  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  REQUIRE(notices.size() == 1);
  CHECK_THAT(notices[0], Catch::Contains(said) && Catch::Contains("moved aside to") &&
                             Catch::Contains("journal.db.damaged-"));
  const auto aside = files_named(folder.path, "damaged");
  REQUIRE(aside.size() == 1);
  CHECK(contents_of(aside[0]) == damage);
  Batch batch;
  batch.acts.emplace_back(intent_of(8));
  CHECK_FALSE(store.write(batch, true));
}

TEST_CASE_METHOD(Fixture, "a database of somebody else is moved aside, not written into") {
  {
    Database other;
    REQUIRE_FALSE(other.open(file, OpenMode::create));
    REQUIRE_FALSE(other.execute("CREATE TABLE customers(name TEXT)"));
  }
  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  REQUIRE(notices.size() == 1);
  CHECK_THAT(notices[0], Catch::Contains("is not a journal of pointsman"));
  CHECK(number(files_named(folder.path, "damaged")[0], "SELECT count(*) FROM customers") == 0);
}

TEST_CASE_METHOD(Fixture, "a journal of a newer pointsman is left as it is") {
  make_one();
  {
    Database database;
    REQUIRE_FALSE(database.open(file, OpenMode::read_write));
    REQUIRE_FALSE(database.execute("PRAGMA user_version=99"));
  }
  const auto before = contents_of(file);
  Store store(file);
  const auto failed = store.open(wall_now(), notices);
  REQUIRE(failed);
  CHECK(failed->trouble == StoreTrouble::newer);
  CHECK_THAT(failed->text,
             Catch::Contains("schema 99; this one knows " + std::to_string(journal_schema)));
  CHECK(contents_of(file) == before);
  CHECK(files_named(folder.path, "damaged").empty());
}

TEST_CASE_METHOD(Fixture, "a page broken in the middle is found by the look at all pages") {
  {
    Store store(file);
    REQUIRE_FALSE(store.open(wall_now(), notices));
    Batch batch;
    for (int n = 0; n < 2000; ++n) {
      batch.records.emplace_back(EventRow{wall_now(), "decision", "bud", std::string(80, 'x'), {}});
    }
    REQUIRE_FALSE(store.write(batch, true));
  }
  auto bytes = contents_of(file);
  for (std::size_t at = 4096 * 20; at < 4096 * 21; ++at) bytes[at] = 'z';
  write_file(file, bytes);
  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  const auto failed = store.check([] { return false; });
  REQUIRE(failed);
  CHECK(failed->trouble == StoreTrouble::damaged);
}

TEST_CASE_METHOD(Fixture,
                 "a journal from which a table was taken is moved aside when it is opened") {
  make_one();
  {
    Database database;
    REQUIRE_FALSE(database.open(file, OpenMode::read_write));
    REQUIRE_FALSE(database.execute("DROP TABLE events"));
  }
  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  CHECK(notices.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a disk that damages every file does not fill itself with moved ones") {
  Store store(file);
  for (int n = 0; n < Store::max_moves; ++n) {
    write_file(file, "");
    REQUIRE_FALSE(store.open(wall_now(), notices));
  }
  write_file(file, "");
  const auto failed = store.open(wall_now(), notices);
  REQUIRE(failed);
  CHECK(failed->trouble == StoreTrouble::unwritable);
  CHECK(files_named(folder.path, "damaged").size() == static_cast<std::size_t>(Store::max_moves));
}

TEST_CASE_METHOD(Fixture, "another process that holds the file makes it busy, soon") {
  make_one();
  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  Database other;
  REQUIRE_FALSE(other.open(file, OpenMode::read_write));
  REQUIRE_FALSE(other.execute("BEGIN EXCLUSIVE"));
  Batch batch;
  batch.acts.emplace_back(intent_of(8));
  const auto began = mono_now();
  const auto failed = store.write(batch, true);
  REQUIRE(failed);
  CHECK(failed->busy);
  CHECK(failed->trouble == StoreTrouble::unwritable);
  CHECK(mono_now() - began < Journal::intent_patience);
  REQUIRE_FALSE(other.execute("ROLLBACK"));
  CHECK_FALSE(store.write(batch, true));
}

TEST_CASE_METHOD(Fixture, "retention deletes what is old in bites, and keeps unfinished intents") {
  const WallTime now = wall_now();
  const WallTime old = now - std::chrono::hours{24 * 100};
  Store store(file);
  REQUIRE_FALSE(store.open(now, notices));
  Batch batch;
  for (int n = 0; n < 1200; ++n) {
    batch.records.emplace_back(EventRow{old, "decision", "bud", "old", {}});
    Sample sample;
    sample.probe = ProbeName("primary");
    batch.records.emplace_back(SampleRow{old, sample});
  }
  batch.records.emplace_back(EventRow{now, "decision", "bud", "new", {}});
  auto finished = intent_of(1);
  auto unfinished = intent_of(2);
  finished.at = unfinished.at = old;
  batch.acts.emplace_back(finished);
  batch.acts.emplace_back(unfinished);
  batch.acts.emplace_back(OutcomeRow{1, ActionOutcome::ok, "", old});
  REQUIRE_FALSE(store.write(batch, false));
  bool more = true;
  int bites = 0;
  while (more) {
    REQUIRE_FALSE(store.retain(now, more));
    ++bites;
  }
  CHECK(bites == 3);
  CHECK(number(file, "SELECT count(*) FROM events") == 1);
  CHECK(number(file, "SELECT count(*) FROM samples") == 0);
  CHECK(number(file, "SELECT id FROM intents") == 2);
  CHECK(number(file, "SELECT count(*) FROM outcomes") == 0);
}

TEST_CASE_METHOD(Fixture, "a file that was replaced under us is noticed") {
  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  CHECK(store.is_in_place());
  std::filesystem::remove(file);
  CHECK_FALSE(store.is_in_place());
}

TEST_CASE("targets survive their JSON, and nonsense gives none") {
  const std::vector<ProbeName> targets{ProbeName("a\"b"), ProbeName("é")};
  CHECK(targets_of_json(targets_json(targets)) == targets);
  CHECK(targets_of_json("{}").empty());
  CHECK(targets_of_json("[1").empty());
}
