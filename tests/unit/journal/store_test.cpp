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
    MemoryRow seen{{RouteName("jobs"), {ProbeName("a")}, "761", 3, 9}, wall_now()};
    seen.memory.last_seen = SeenPosition{90'000'000, MonoTime{}};
    seen.last_seen_at = WallTime{std::chrono::milliseconds{1'700'000'000'123}};
    seen.last_switch_at = WallTime{std::chrono::milliseconds{-5}};
    seen.told_to_stop_at = WallTime{std::chrono::milliseconds{1'700'000'000'456}};
    batch.memories.push_back(seen);
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
  REQUIRE(routes.size() == 2);
  CHECK(routes[0].memory ==
        RouteMemory{RouteName("bud"), {ProbeName("a"), ProbeName("b")}, "761", 3, 9});
  CHECK_FALSE(routes[0].last_seen_at);
  CHECK_FALSE(routes[0].last_switch_at);
  CHECK_FALSE(routes[0].told_to_stop_at);
  CHECK(routes[1].memory.last_seen == SeenPosition{90'000'000, MonoTime{}});
  CHECK(routes[1].last_seen_at == WallTime{std::chrono::milliseconds{1'700'000'000'123}});
  CHECK(routes[1].last_switch_at == WallTime{std::chrono::milliseconds{-5}});
  CHECK(routes[1].told_to_stop_at == WallTime{std::chrono::milliseconds{1'700'000'000'456}});
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

namespace {

/// A closed journal of version 1, as the first release wrote it, with a little of everything.
void make_version_1(const std::filesystem::path& file) {
  Database database;
  REQUIRE_FALSE(database.open(file, OpenMode::create));
  const auto failed = database.execute(
      std::string("BEGIN; PRAGMA application_id=1347703629;") + journal_migrations[0] +
      "PRAGMA user_version=1; COMMIT; PRAGMA journal_mode=WAL;"
      "INSERT INTO events(at_ms,kind,subject,text,details) VALUES(5,'decision','bud','moved','{}');"
      "INSERT INTO intents(id,at_ms,subject,kind,steps) VALUES(7,5,'bud','switch','{}');"
      "INSERT INTO route_memory(route,targets,system_id,timeline,epoch,at_ms) "
      "VALUES('bud','[\"primary\"]','761',3,9,5)");
  if (failed) FAIL(failed->text);
}

const RouteMemory version_1_route{RouteName("bud"), {ProbeName("primary")}, "761", 3, 9, {}};

}  // namespace

TEST_CASE_METHOD(Fixture, "a journal of the first version is brought up, with all that is in it") {
  make_version_1(file);
  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  CHECK(notices.empty());
  JournalMemory memory;
  std::vector<MemoryRow> routes;
  REQUIRE_FALSE(store.read_memory(memory, routes));
  REQUIRE(routes.size() == 1);
  CHECK(routes[0].memory == version_1_route);
  CHECK(memory.unfinished.size() == 1);
  REQUIRE(memory.events.size() == 1);
  CHECK(memory.events[0].text == "moved");
  CHECK(memory.last_event == 1);
  CHECK(memory.kept.empty());
  Batch batch;
  batch.kept.push_back({"flag", "a", "{}", wall_now()});
  batch.memories.push_back(routes[0]);
  REQUIRE_FALSE(store.write(batch, true));
  CHECK(number(file, "PRAGMA user_version") == journal_schema);
  CHECK(number(file, "SELECT count(*) FROM kept") == 1);
}

TEST_CASE_METHOD(Fixture, "a journal of the version before is brought up, with its routes") {
  make_version_1(file);
  {
    Database database;
    REQUIRE_FALSE(database.open(file, OpenMode::read_write));
    const auto failed =
        database.execute(std::string("BEGIN;") + journal_migrations[1] + journal_migrations[2] +
                         R"(UPDATE route_memory SET replaced='["replica-1"]';
                            PRAGMA user_version=3; COMMIT)");
    if (failed) FAIL(failed->text);
  }
  RouteMemory expected = version_1_route;
  expected.replaced = {ProbeName("replica-1")};
  Store store(file);
  JournalMemory memory;
  std::vector<MemoryRow> routes;
  SECTION("brought up") {
    REQUIRE_FALSE(store.open(wall_now(), notices));
    CHECK(notices.empty());
    REQUIRE_FALSE(store.read_memory(memory, routes));
    REQUIRE(routes.size() == 1);
    CHECK(routes[0].memory == expected);
    // From now on it says more.
    routes[0].memory.last_seen = SeenPosition{1000, MonoTime{}};
    routes[0].last_seen_at = routes[0].last_switch_at = wall_now();
    Batch batch;
    batch.memories = routes;
    REQUIRE_FALSE(store.write(batch, true));
    CHECK(number(file, "PRAGMA user_version") == journal_schema);
    CHECK(number(file, "SELECT last_position FROM route_memory WHERE last_switch_ms > 0") == 1000);
  }
  SECTION("read where it cannot be") {
    REQUIRE(store.read_memory_immutable(memory, routes));
    REQUIRE(routes.size() == 1);
    CHECK(routes[0].memory == expected);
    CHECK_FALSE(routes[0].last_switch_at);
    CHECK(number(file, "PRAGMA user_version") == 3);
  }
}

TEST_CASE_METHOD(Fixture,
                 "one of the first version that cannot be brought up is read all the same") {
  make_version_1(file);
  Store store(file);
  JournalMemory memory;
  std::vector<MemoryRow> routes;
  REQUIRE(store.read_memory_immutable(memory, routes));
  REQUIRE(routes.size() == 1);
  CHECK(routes[0].memory == version_1_route);
  CHECK(memory.unfinished.size() == 1);
  CHECK(number(file, "PRAGMA user_version") == 1);
}

TEST_CASE_METHOD(Fixture, "what stands: the last of each, and nothing of what is gone") {
  {
    Store store(file);
    REQUIRE_FALSE(store.open(wall_now(), notices));
    Batch batch;
    batch.kept = {{"flag", "a", "{\"n\":1}", WallTime{}}, {"flag", "b", "{}", WallTime{}}};
    REQUIRE_FALSE(store.write(batch, true));
    batch.kept = {{"flag", "a", "{\"n\":2}", WallTime{}}, {"flag", "b", "", WallTime{}}};
    REQUIRE_FALSE(store.write(batch, true));
  }
  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  JournalMemory memory;
  std::vector<MemoryRow> routes;
  REQUIRE_FALSE(store.read_memory(memory, routes));
  REQUIRE(memory.kept.size() == 1);
  CHECK(memory.kept[0].document == "{\"n\":2}");
}

TEST_CASE_METHOD(Fixture, "of the closed incidents the old ones go, and the newest are read") {
  const WallTime now = wall_now();
  const std::string closed = R"({"state":"closed"})", open = R"({"state":"open"})";
  Store store(file);
  REQUIRE_FALSE(store.open(now, notices));
  Batch batch;
  const auto add = [&](std::uint64_t id, const std::string& document, WallTime at) {
    batch.kept.push_back({"incident", std::to_string(id), document, at});
  };
  add(1, open, now - std::chrono::hours{24 * 500});
  add(2, closed, now - std::chrono::hours{24 * 500});
  add(3, R"({"why":"\"state\":\"closed\"","state":"open"})", now - std::chrono::hours{24 * 500});
  for (std::uint64_t id = 4; id <= 2'300; ++id) add(id, closed, now);
  REQUIRE_FALSE(store.write(batch, false));
  bool more = true;
  while (more) REQUIRE_FALSE(store.retain(now, more));
  CHECK(number(file, "SELECT count(*) FROM kept") == Store::incidents_max_rows + 2);
  CHECK(number(file,
               "SELECT min(CAST(name AS INTEGER)) FROM kept WHERE document LIKE '%closed%' "
               "AND name<>'3'") == 301);

  JournalMemory memory;
  std::vector<MemoryRow> routes;
  REQUIRE_FALSE(store.read_memory(memory, routes));
  CHECK(memory.kept.size() == static_cast<std::size_t>(JournalMemory::closed_incidents) + 2);

  // The newest stays, however old: the next one's number follows it.
  REQUIRE_FALSE(store.retain(now + std::chrono::hours{24 * 1000}, more));
  CHECK(number(file, "SELECT count(*) FROM kept") == 3);
  CHECK(number(file, "SELECT count(*) FROM kept WHERE name='2300'") == 1);
}

TEST_CASE_METHOD(Fixture,
                 "events have the number that they were given; one that is taken does not "
                 "cost the event") {
  Store store(file);
  REQUIRE_FALSE(store.open(wall_now(), notices));
  Batch batch;
  const auto add = [&](std::uint64_t seq, const char* text) {
    batch.records.emplace_back(EventRow{wall_now(), "decision", "bud", text, {{"a", "b"}}, seq});
  };
  add(20'001, "first");
  add(20'005, "second");
  add(20'001, "third");
  REQUIRE_FALSE(store.write(batch, false));
  CHECK(store.take_skipped() == 0);
  JournalMemory memory;
  std::vector<MemoryRow> routes;
  REQUIRE_FALSE(store.read_memory(memory, routes));
  REQUIRE(memory.events.size() == 3);
  CHECK(memory.events[0].seq == 20'001);
  CHECK(memory.events[1].text == "second");
  CHECK(memory.events[2].seq == 20'006);
  CHECK(memory.events[2].text == "third");
  CHECK(memory.events[2].details == std::vector<std::pair<std::string, std::string>>{{"a", "b"}});
  CHECK(memory.last_event == 20'006);
}
