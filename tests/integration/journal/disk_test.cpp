// The journal on a disk that is full, read-only, gone bad, locked or hung.
#include "tests/integration/journal/journal_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

TEST_CASE("a full disk degrades the record, never the act, and writing resumes by itself") {
  Mount disk;
  TestFolder runtime;
  SECTION("tmpfs") {
    disk.tmpfs("1m");
  }
  SECTION("ext4") {
    disk.ext4();
  }
  Daemon daemon(disk.path, runtime.path);
  daemon.journal->record(memory_of(1, 1), wall_now());
  daemon.journal->record(keeping(flag_of("f")), wall_now());
  REQUIRE(daemon.act().durability == Durability::database);

  std::uint64_t unfinished = 0;
  {
    const Filler filler(disk.path);
    std::uint64_t told = 0;
    // The WAL has some room of its own left; use it up.
    const bool full = daemon.until([&] {
      for (int n = 0; n < 200; ++n)
        daemon.journal->record(event_of(std::string(1000, 'x')), wall_now());
      told += 200;
      return !daemon.journal->health().writable;
    });
    REQUIRE(full);
    CHECK_THAT(daemon.journal->health().error, Catch::Contains("full"));
    const auto act = daemon.act();
    CHECK(act.durability == Durability::runtime_file);
    CHECK(act.took < 100ms);  // nobody waits for what is known not to answer
    const auto second = daemon.act();
    unfinished = second.id;
    daemon.journal->outcome(act.id, ActionOutcome::ok, "moved", wall_now());
    daemon.journal->record(memory_of(2, 2), wall_now());
    daemon.journal->record(keeping(AutomationSet{true, "full", "uid 0", {}}), wall_now());
    daemon.journal->record(keeping(FlagCleared{FlagName("f")}), wall_now());

    const auto began = mono_now();
    for (int n = 0; n < 15'000; ++n) daemon.journal->record(event_of("y"), wall_now());
    CHECK(mono_now() - began < 1s);
    const auto health = daemon.journal->health();
    CHECK(health.queued <= Journal::max_queued);
    CHECK(health.dropped_total >= 5'000);
    // Two intents, the routes, and the flag that went and the pause.
    CHECK(daemon.until([&] { return daemon.runtime_files() == 5; }));
  }
  REQUIRE(daemon.until([&] {
    const auto health = daemon.journal->health();
    return health.writable && health.queued == 0;
  }));
  const auto lost = daemon.journal->health().dropped_total;
  CHECK(number(daemon.file(), "SELECT count(*) FROM events WHERE kind='journal'") == 1);
  CHECK(text(daemon.file(),
             "SELECT json_extract(details,'$.lost') FROM events WHERE kind='journal'") ==
        std::to_string(lost));
  CHECK(daemon.until([&] { return daemon.runtime_files() == 0; }));
  CHECK(number(daemon.file(), "SELECT timeline FROM route_memory") == 2);
  CHECK(number(daemon.file(), "SELECT count(*) FROM intents") == 3);
  CHECK(number(daemon.file(),
               fmt::format("SELECT count(*) FROM outcomes WHERE intent_id={}", unfinished)) == 0);
  CHECK(!daemon.notices.empty());
  CHECK(number(daemon.file(), "SELECT count(*) FROM kept") == 1);
  CHECK(number(daemon.file(), "SELECT count(*) FROM kept WHERE kind='automation'") == 1);
}

TEST_CASE("what was done while the disk was full is known to the next start") {
  Mount disk;
  TestFolder runtime;
  disk.tmpfs("1m");
  std::uint64_t unfinished = 0;
  std::uint64_t in_database = 0;
  {
    Daemon daemon(disk.path, runtime.path);
    daemon.journal->record(memory_of(1, 1), wall_now());
    in_database = daemon.act().id;
  }
  const Filler filler(disk.path);
  {
    Daemon daemon(disk.path, runtime.path);
    REQUIRE(daemon.memory.unfinished.size() == 1);
    REQUIRE(daemon.memory.unfinished[0].id == in_database);
    const auto finished = daemon.act();
    CHECK(finished.durability == Durability::runtime_file);
    REQUIRE_FALSE(daemon.journal->health().writable);
    daemon.journal->outcome(finished.id, ActionOutcome::ok, "", wall_now());
    daemon.journal->outcome(in_database, ActionOutcome::ok, "", wall_now());
    daemon.journal->record(memory_of(2, 2), wall_now());
    unfinished = daemon.act().id;
  }
  Daemon daemon(disk.path, runtime.path);
  REQUIRE(daemon.memory.unfinished.size() == 1);
  CHECK(daemon.memory.unfinished[0].id == unfinished);
  REQUIRE(daemon.memory.routes.size() == 1);
  CHECK(daemon.memory.routes[0].timeline == 2);
  CHECK(daemon.journal->next_intent_id() > unfinished);
}

TEST_CASE("a disk that hangs holds up neither acts nor records nor the exit") {
  Mount disk;
  TestFolder runtime;
  disk.ext4();
  auto daemon = std::make_unique<Daemon>(disk.path, runtime.path);
  REQUIRE(daemon->act().durability == Durability::database);
  disk.freeze(true);
  const auto first = daemon->act();
  CHECK(first.durability == Durability::runtime_file);
  CHECK(first.took < 2 * Journal::intent_patience + 50ms);
  const auto second = daemon->act();
  CHECK(second.durability == Durability::runtime_file);
  CHECK(second.took < 100ms);
  const auto began = mono_now();
  for (int n = 0; n < 1000; ++n) daemon->journal->record(event_of("x"), wall_now());
  CHECK(mono_now() - began < 200ms);
  REQUIRE(daemon->until([&] { return !daemon->journal->health().writable; }));
  CHECK_THAT(daemon->journal->health().error, Catch::Contains("has not answered for"));
  SECTION("it comes back") {
    disk.freeze(false);
    REQUIRE(daemon->until([&] {
      const auto health = daemon->journal->health();
      return health.writable && health.queued == 0 && daemon->runtime_files() == 0;
    }));
    CHECK(number(daemon->file(), "SELECT count(*) FROM intents") == 3);
  }
  SECTION("the daemon ends meanwhile") {
    const auto leaving = mono_now();
    daemon.reset();
    const auto took = mono_now() - leaving;
    CHECK(took < Journal::close_patience + 300ms);
    CHECK(files_named(runtime.path / "intents", ".json").size() == 2);
    const auto starting = mono_now();
    Daemon next(disk.path, runtime.path);  // open() on the hung disk
    CHECK(mono_now() - starting < Journal::open_patience + 300ms);
    CHECK(next.memory.unfinished.size() == 2);  // from the runtime folder
    CHECK(next.act().durability == Durability::runtime_file);
    disk.freeze(false);
    CHECK(next.until([&] { return next.journal->health().writable; }));
  }
}

TEST_CASE("a disk that gives errors is told apart, and acts go on") {
  // A sparse image on a file system that has no room for it: the loop device answers EIO.
  Mount outer;
  outer.tmpfs("4m");
  Mount disk;
  disk.image = outer.path / "image";
  TestFolder runtime;
  run_command(fmt::format(
      "truncate -s 16M {0} && mkfs.ext4 -q -O ^has_journal {0} && mount -o loop {0} {1}",
      disk.image.string(), disk.path.string()));
  Daemon daemon(disk.path, runtime.path);
  REQUIRE(daemon.act().durability == Durability::database);
  const Filler filler(outer.path);
  const bool noticed = daemon.until([&] {
    for (int n = 0; n < 100; ++n) {
      daemon.journal->record(event_of(std::string(1000, 'x')), wall_now());
    }
    daemon.act();
    return !daemon.journal->health().writable;
  });
  REQUIRE(noticed);
  CHECK_THAT(daemon.journal->health().error,
             Catch::Contains("Input/output error") || Catch::Contains("I/O error"));
  CHECK(daemon.act().durability == Durability::runtime_file);
  CHECK(daemon.journal->health().errors_total > 0);
}

TEST_CASE("a read-only disk: what is remembered can be read, and acts go to the runtime folder") {
  Mount disk;
  TestFolder runtime;
  disk.ext4();
  std::uint64_t unfinished = 0;
  {
    Daemon daemon(disk.path, runtime.path);
    daemon.journal->record(memory_of(3, 5), wall_now());
    unfinished = daemon.act().id;
  }
  run_command(fmt::format("mount -o remount,ro {}", disk.path.string()));
  Daemon daemon(disk.path, runtime.path);
  CHECK_FALSE(daemon.journal->health().writable);
  REQUIRE(daemon.memory.routes.size() == 1);
  CHECK(daemon.memory.routes[0].timeline == 3);
  REQUIRE(daemon.memory.unfinished.size() == 1);
  CHECK(daemon.memory.unfinished[0].id == unfinished);
  CHECK(daemon.act().durability == Durability::runtime_file);
  run_command(fmt::format("mount -o remount,rw {}", disk.path.string()));
  REQUIRE(daemon.until([&] { return daemon.journal->health().writable; }));
  CHECK(daemon.act().durability == Durability::database);
}

TEST_CASE("a lock held by another process: an act does not wait for it") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  REQUIRE(daemon.act().durability == Durability::database);
  OtherProcess other(daemon.file());
  const auto act = daemon.act();
  CHECK(act.durability == Durability::runtime_file);
  CHECK(act.took < 2 * Journal::intent_patience + 50ms);
  CHECK_THAT(daemon.journal->health().error, Catch::Contains("locked by another process"));
  other.let_go();
  REQUIRE(daemon.until(
      [&] { return daemon.journal->health().writable && daemon.runtime_files() == 0; }));
}

TEST_CASE("neither disk nor runtime folder: the caller is told, and acts all the same") {
  TestFolder state, runtime;
  write_file(state.path / "state", "not a folder");
  write_file(runtime.path / "run", "not a folder");
  Daemon daemon(state.path / "state", runtime.path / "run");
  CHECK_FALSE(daemon.journal->health().writable);
  CHECK(!daemon.journal->health().error.empty());
  CHECK(daemon.act().durability == Durability::volatile_only);
}

TEST_CASE("a damaged journal does not keep the daemon from starting") {
  TestFolder state, runtime;
  write_file(state.path / "journal.db", "no database at all, but quite some text in its place");
  Daemon daemon(state.path, runtime.path);
  CHECK(daemon.journal->health().writable);
  CHECK(daemon.act().durability == Durability::database);
  daemon.run_for(20ms);
  REQUIRE(daemon.notices.size() == 1);
  CHECK_THAT(daemon.notices[0], Catch::Contains("moved aside"));
  CHECK(files_named(state.path, "damaged").size() == 1);
}

TEST_CASE("a journal of a newer pointsman stays as it is; acts go to the runtime folder") {
  TestFolder state, runtime;
  { Daemon daemon(state.path, runtime.path); }
  {
    Database database;
    REQUIRE_FALSE(database.open(state.path / "journal.db", OpenMode::read_write));
    REQUIRE_FALSE(database.execute("PRAGMA user_version=99"));
  }
  const auto before = contents_of(state.path / "journal.db");
  Daemon daemon(state.path, runtime.path);
  CHECK_THAT(daemon.journal->health().error, Catch::Contains("newer pointsman"));
  CHECK(daemon.act().durability == Durability::runtime_file);
  CHECK(contents_of(state.path / "journal.db") == before);
}
