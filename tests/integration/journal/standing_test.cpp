// What stands (the pause, flags, ladders, incidents, the outbox): over restarts, kills, a full disk
// and a journal that is lost.
#include "tests/integration/journal/journal_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

TEST_CASE("what stands comes back after a restart, and what was cleared does not") {
  TestFolder state, runtime;
  {
    Daemon daemon(state.path, runtime.path);
    auto& journal = *daemon.journal;
    const auto now = mono_now();
    journal.record(keeping(LadderMemory{LadderName("database"),
                                        "waiting",
                                        1,
                                        2,
                                        IncidentId{7},
                                        ActionId{9},
                                        now,
                                        now + 60s,
                                        {now},
                                        "print"}),
                   wall_now());
    journal.record(keeping(flag_of("caching_off")), wall_now());
    journal.record(keeping(flag_of("other")), wall_now());
    journal.record(keeping(FlagCleared{FlagName("other")}), wall_now());
    journal.record(keeping(AutomationSet{true, "upgrade", "uid 0", now + 600s}), wall_now());
    journal.record(keeping(DrainSet{true, "kernel", "uid 0"}), wall_now());
    journal.record(keeping(DrainSet{false, "", "uid 0"}), wall_now());
    journal.incident(incident_of(7, IncidentState::open), wall_now());
    journal.incident(incident_of(8, IncidentState::open), wall_now());
    journal.incident(incident_of(8, IncidentState::closed), wall_now());
    journal.outbox_put(NotifierName("oncall"), IncidentId{7}, R"({"n":1})", wall_now());
    journal.outbox_put(NotifierName("oncall"), IncidentId{7}, R"({"n":2})", wall_now());
    journal.outbox_put(NotifierName("oncall"), IncidentId{8}, "{}", wall_now());
    journal.outbox_remove(NotifierName("oncall"), IncidentId{8});
  }
  Daemon daemon(state.path, runtime.path);
  const MemoryRestored back = daemon.restored();
  REQUIRE(back.ladders.size() == 1);
  CHECK(back.ladders[0].fingerprint == "print");
  CHECK(*back.ladders[0].cooldown_until - mono_now() > 50s);
  REQUIRE(back.flags.size() == 1);
  CHECK(back.flags[0].flag.text == "caching_off");
  REQUIRE(back.automation);
  CHECK(back.automation->reason == "upgrade");
  CHECK_FALSE(back.drain);
  REQUIRE(back.incidents.size() == 2);
  CHECK(back.incidents[0]->state == IncidentState::open);
  CHECK(back.incidents[1]->state == IncidentState::closed);
  CHECK(back.last_incident == 8);
  const auto outbox = outbox_of(daemon.memory);
  REQUIRE(outbox.size() == 1);
  CHECK(outbox[0].document == R"({"n":2})");
}

TEST_CASE("an incident's opening and end, and what operators do, are on the disk at once") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  const auto stands = [&](const std::string& kind) {
    return number(daemon.file(), "SELECT count(*) FROM kept WHERE kind='" + kind + "'");
  };
  daemon.journal->incident(incident_of(1, IncidentState::open), wall_now());
  CHECK(daemon.until([&] { return stands("incident") == 1; }, 300ms));
  daemon.journal->incident(incident_of(1, IncidentState::closed), wall_now());
  CHECK(daemon.until(
      [&] {
        return number(daemon.file(), "SELECT count(*) FROM kept WHERE document LIKE '%closed%'") ==
               1;
      },
      300ms));
  daemon.journal->record(keeping(AutomationSet{true, "x", "uid 0", {}}), wall_now());
  CHECK(daemon.until([&] { return stands("automation") == 1; }, 300ms));
}

TEST_CASE("what one step of the engine says is written together") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  daemon.journal->incident(incident_of(7, IncidentState::open), wall_now());
  const std::string kept = "SELECT count(*) FROM kept WHERE kind='";
  REQUIRE(daemon.until([&] { return number(daemon.file(), kept + "incident'") == 1; }));
  Incident told = incident_of(7, IncidentState::open);
  told.told.push_back({NotifierName("oncall"), ""});
  {
    const Journal::Together together(*daemon.journal);
    daemon.journal->record(keeping(flag_of("caching_off")), wall_now());
    daemon.run_for(100ms);
    CHECK(number(daemon.file(), kept + "flag'") == 0);
    daemon.journal->incident(told, wall_now());
  }
  REQUIRE(daemon.until([&] { return number(daemon.file(), kept + "flag'") == 1; }, 300ms));
  CHECK_THAT(text(daemon.file(), "SELECT document FROM kept WHERE kind='incident'"),
             Catch::Contains("oncall"));
}

TEST_CASE("what stands was changed while the disk was full: the next start knows it") {
  Mount disk;
  TestFolder runtime;
  disk.tmpfs("1m");
  {
    Daemon daemon(disk.path, runtime.path);
    daemon.journal->record(keeping(flag_of("early")), wall_now());
    daemon.journal->record(keeping(flag_of("late")), wall_now());
    daemon.journal->outbox_put(NotifierName("oncall"), IncidentId{1}, "{}", wall_now());
  }
  const Filler filler(disk.path);
  {
    Daemon daemon(disk.path, runtime.path);
    CHECK(daemon.restored().flags.size() == 2);
    (void)daemon.act();  // finds out that the disk is full
    daemon.journal->record(keeping(AutomationSet{true, "full", "uid 0", {}}), wall_now());
    daemon.journal->record(keeping(FlagCleared{FlagName("early")}), wall_now());
    daemon.journal->incident(incident_of(5, IncidentState::open), wall_now());
    daemon.journal->outbox_remove(NotifierName("oncall"), IncidentId{1});
    REQUIRE_FALSE(daemon.journal->health().writable);
  }
  const auto check = [](Daemon& daemon) {
    const MemoryRestored back = daemon.restored();
    REQUIRE(back.automation);
    CHECK(back.automation->reason == "full");
    REQUIRE(back.flags.size() == 1);
    CHECK(back.flags[0].flag.text == "late");
    REQUIRE(back.incidents.size() == 1);
    CHECK(outbox_of(daemon.memory).empty());
  };
  {
    Daemon daemon(disk.path, runtime.path);
    check(daemon);
    fs::remove(filler.file);
    REQUIRE(daemon.until([&] { return daemon.runtime_files() == 0; }));
    CHECK(number(daemon.file(), "SELECT count(*) FROM kept") == 3);
  }
  Daemon daemon(disk.path, runtime.path);
  check(daemon);
}

TEST_CASE("what stands outlives a journal that is damaged, deleted or of a newer version") {
  TestFolder state, runtime;
  {
    Daemon daemon(state.path, runtime.path);
    daemon.journal->record(memory_of(6, 2), wall_now());
    daemon.journal->record(keeping(flag_of("caching_off")), wall_now());
    daemon.journal->record(keeping(flag_of("other")), wall_now());
    daemon.journal->record(keeping(AutomationSet{true, "upgrade", "uid 0", {}}), wall_now());
    daemon.journal->record(keeping(DrainSet{true, "kernel", "uid 0"}), wall_now());
    daemon.journal->incident(incident_of(7, IncidentState::open), wall_now());
    daemon.run_for(50ms);
    daemon.journal->record(keeping(FlagCleared{FlagName("other")}), wall_now());
  }
  const auto stands = [&] {
    Daemon daemon(state.path, runtime.path);
    const MemoryRestored back = daemon.restored();
    REQUIRE(back.routes.size() == 1);
    CHECK(back.routes[0].timeline == 6);
    REQUIRE(back.flags.size() == 1);
    CHECK(back.flags[0].flag.text == "caching_off");
    REQUIRE(back.automation);
    CHECK(back.automation->paused);
    CHECK(back.automation->reason == "upgrade");
    REQUIRE(back.drain);
    CHECK(back.drain->reason == "kernel");
    daemon.run_for(50ms);
    return daemon.notices;
  };
  CHECK(stands().empty());
  write_file(state.path / "journal.db", "garbage");
  for (const char* suffix : {"-wal", "-shm"})
    fs::remove(state.path / (std::string("journal.db") + suffix));
  const auto notices = stands();
  REQUIRE(notices.size() == 2);
  CHECK_THAT(notices[0] + notices[1], Catch::Contains("known from standing.json"));
  CHECK(stands().empty());  // the new journal has it
  for (const auto& file : files_named(state.path, "journal.db")) fs::remove(file);
  CHECK(stands().size() == 1);
  {
    Database database;
    REQUIRE_FALSE(database.open(state.path / "journal.db", OpenMode::read_write));
    REQUIRE_FALSE(database.execute("PRAGMA user_version=99"));
  }
  CHECK(stands().size() == 2);

  // Garbage in both: nothing is known, and that is no reason not to start.
  write_file(state.path / "journal.db", "garbage");
  write_file(state.path / "standing.json", "{\"routes\":[{}],\"standing\":[]}");
  Daemon daemon(state.path, runtime.path);
  CHECK(daemon.journal->health().writable);
  CHECK_FALSE(daemon.restored().automation);
  daemon.run_for(20ms);
  REQUIRE(daemon.notices.size() == 2);
  CHECK_THAT(daemon.notices[0], Catch::Contains("is forgotten"));
}
