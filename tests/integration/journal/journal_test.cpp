// The journal with its thread: on a disk that works, that is full, read-only, gone bad, locked or
// hung, and with a daemon that is killed. Needs root, to mount; what it mounts it unmounts.
#include "daemon/journal/journal.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "daemon/journal/kept_json.hpp"
#include "daemon/journal/sqlite.hpp"
#include "probes/clock.hpp"
#include "tests/unit/journal/folder.hpp"

using namespace pointsman;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::int64_t number(const fs::path& file, const std::string& sql) {
  Database database;
  std::int64_t value = -1;
  const auto opened = database.open(file, OpenMode::read_write);
  REQUIRE_FALSE(opened);
  const auto failed = database.read_integer(sql, value);
  if (failed) FAIL(failed->text);
  return value;
}

std::string text(const fs::path& file, const std::string& sql) {
  Database database;
  REQUIRE_FALSE(database.open(file, OpenMode::read_write));
  auto* prepared = database.prepare(sql);
  REQUIRE(prepared != nullptr);
  Statement statement(prepared);
  return statement.next_row() ? statement.text(0) : "";
}

Record event_of(std::string said) {
  Record record;
  record.subject = "bud";
  record.text = std::move(said);
  return record;
}

Record memory_of(std::uint32_t timeline, std::uint64_t epoch) {
  Record record = event_of("leads there");
  record.kind = RecordKind::route;
  record.memory = RouteMemory{RouteName("bud"), {ProbeName("replica-1")}, "7", timeline, epoch};
  return record;
}

Record keeping(Memory memory) {
  Record record = event_of("an operator did it");
  record.kind = RecordKind::operation;
  record.memory = std::move(memory);
  return record;
}

FlagMemory flag_of(const std::string& name) {
  return FlagMemory{FlagName(name), mono_now(), "redis is down", "ladder cache", {}, {}};
}

Incident incident_of(std::uint64_t id, IncidentState state) {
  Incident incident;
  incident.id = IncidentId{id};
  incident.subject = "route:bud";
  incident.state = state;
  return incident;
}

/// A daemon's part around a journal: the loop, and the two folders.
struct Daemon {
  Daemon(fs::path state, fs::path runtime)
      : paths{std::move(state), std::move(runtime)},
        journal(new Journal(loop.get_executor(), paths)) {
    journal->set_notice([this](const std::string& line) { notices.push_back(line); });
    journal->set_event_listener([this](const StoredEvent& event) { told.push_back(event); });
    memory = journal->open();
  }

  struct Act {
    Durability durability;
    Duration took;
    std::uint64_t id;
  };
  Act act() {
    std::optional<Durability> durability;
    const auto began = mono_now();
    const auto id = journal->next_intent_id();
    asio::co_spawn(loop, journal->async_intent({id, "bud", "switch", "{}", wall_now()}),
                   [&](std::exception_ptr, Durability d) { durability = d; });
    while (!durability) run_for(5ms);
    return {*durability, mono_now() - began, id};
  }

  void run_for(std::chrono::milliseconds time) {
    loop.restart();
    asio::steady_timer timer(loop, time);
    bool over = false;
    timer.async_wait([&over](error_code) { over = true; });
    while (!over) loop.run_one();
  }

  template <class Condition>
  bool until(Condition holds, std::chrono::milliseconds patience = 15s) {
    const auto deadline = mono_now() + patience;
    while (!holds() && mono_now() < deadline) run_for(20ms);
    return holds();
  }

  fs::path file() const { return paths.state_dir / "journal.db"; }
  std::size_t runtime_files() const {
    if (!fs::exists(paths.runtime_dir / "intents")) return 0;
    return files_named(paths.runtime_dir / "intents", ".json").size();
  }

  asio::io_context loop{1};
  JournalPaths paths;
  MemoryRestored restored() const { return restored_of(memory, {mono_now(), wall_now()}); }

  std::vector<std::string> notices;
  std::vector<StoredEvent> told;
  std::unique_ptr<Journal> journal;
  JournalMemory memory;
};

void run_command(const std::string& command) {
  INFO(command);
  REQUIRE(::system((command + " >/dev/null 2>&1").c_str()) == 0);
}

/// A mounted folder, unmounted at its end.
struct Mount {
  TestFolder folder;
  fs::path image = folder.path / "image";
  fs::path path = folder.path / "mnt";

  Mount() { fs::create_directory(path); }
  void tmpfs(const std::string& size) {
    run_command(fmt::format("mount -t tmpfs -o size={} tmpfs {}", size, path.string()));
  }
  void ext4() {
    run_command(fmt::format("truncate -s 8M {0} && mkfs.ext4 -q {0} && mount -o loop {0} {1}",
                            image.string(), path.string()));
  }
  /// Every write and sync waits, uninterruptibly, until it is thawed.
  void freeze(bool on) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    const int done = ::ioctl(fd, on ? FIFREEZE : FITHAW, 0);
    ::close(fd);
    REQUIRE(done == 0);
    frozen_ = on;
  }
  ~Mount() {
    if (frozen_) freeze(false);
    (void)!::system(fmt::format("umount -l {} 2>/dev/null", path.string()).c_str());
  }

 private:
  bool frozen_ = false;
};

long anonymous_kib() {
  const auto all = contents_of("/proc/self/smaps_rollup");
  return std::stol(all.substr(all.find("Anonymous:") + 10));
}

/// Leaves no room at all; gone with the object's end.
struct Filler {
  fs::path file;
  explicit Filler(const fs::path& folder) : file(folder / "filler") {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const std::string block(4096, 'f');
    while (::write(fd, block.data(), block.size()) > 0) {
    }
    ::close(fd);
  }
  ~Filler() {
    std::error_code ec;
    fs::remove(file, ec);
  }
};

}  // namespace

TEST_CASE("records, samples, intents and outcomes are there after a restart") {
  TestFolder state, runtime;
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  {
    Daemon daemon(state.path, runtime.path);
    daemon.journal->record(event_of("a decision"), wall_now());
    Record route = memory_of(4, 11);
    std::get<RouteMemory>(route.memory).last_seen = SeenPosition{90'000'000, mono_now() - 5s};
    std::get<RouteMemory>(route.memory).last_switch = mono_now() - 1h;
    daemon.journal->record(route, wall_now());
    Sample sample;
    sample.probe = ProbeName("primary");
    daemon.journal->sample(sample, wall_now());
    const auto act = daemon.act();
    CHECK(act.durability == Durability::database);
    first = act.id;
    second = daemon.act().id;
    CHECK(second > first);
    CHECK(second < (std::uint64_t{1} << 53));
    daemon.journal->outcome(first, ActionOutcome::ok, "done", wall_now());
    CHECK(daemon.journal->health().writable);
  }
  Daemon daemon(state.path, runtime.path);
  REQUIRE(daemon.memory.unfinished.size() == 1);
  CHECK(daemon.memory.unfinished[0].id == second);
  REQUIRE(daemon.memory.routes.size() == 1);
  const RouteMemory& route = daemon.memory.routes[0];
  CHECK(route.timeline == 4);
  REQUIRE(route.last_seen);
  CHECK(route.last_seen->position == 90'000'000);
  CHECK(route.last_seen->at <= mono_now() - 5s);
  CHECK(route.last_seen->at > mono_now() - 30min);
  REQUIRE(route.last_switch);
  CHECK(*route.last_switch <= mono_now() - 59min);
  CHECK(daemon.journal->next_intent_id() > second);
  CHECK(number(daemon.file(), "SELECT count(*) FROM events") == 2);
  CHECK(number(daemon.file(), "SELECT count(*) FROM samples") == 1);
  CHECK(daemon.runtime_files() == 0);
}

TEST_CASE("a lone record is written soon, a kept sample within a minute") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  Sample sample;
  sample.probe = ProbeName("primary");
  daemon.journal->sample(sample, wall_now());
  daemon.run_for(700ms);
  CHECK(daemon.journal->health().queued == 1);
  daemon.journal->record(event_of("x"), wall_now());
  CHECK(daemon.until([&] { return daemon.journal->health().queued == 0; }, 2s));
}

TEST_CASE("killed at any moment: it opens, is whole, and has every intent that was acknowledged") {
  constexpr int kills = 50;
  TestFolder state, runtime;
  std::vector<std::uint64_t> acknowledged;
  int with_acknowledged = 0;
  for (int n = 0; n < kills; ++n) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      Daemon daemon(state.path, runtime.path);
      for (int round = 0;; ++round) {
        for (int k = 0; k < 20; ++k) daemon.journal->record(event_of("x"), wall_now());
        daemon.journal->record(memory_of(1, 1), wall_now());
        const auto act = daemon.act();
        if (act.durability == Durability::database) (void)!::write(ends[1], &act.id, sizeof act.id);
        if (round % 2 == 0) {
          daemon.journal->outcome(act.id, ActionOutcome::ok, "", wall_now());
        }
      }
    }
    ::close(ends[1]);
    // From within the very first steps to well into the work.
    ::usleep(static_cast<useconds_t>((n * 7919) % 150'000 + 200));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::uint64_t id = 0;
    bool any = false;
    while (::read(ends[0], &id, sizeof id) == sizeof id) {
      acknowledged.push_back(id);
      any = true;
    }
    with_acknowledged += any ? 1 : 0;
    ::close(ends[0]);

    const auto file = state.path / "journal.db";
    if (!fs::exists(file)) {
      REQUIRE(acknowledged.empty());
      continue;
    }
    REQUIRE(text(file, "PRAGMA integrity_check") == "ok");
    REQUIRE(files_named(state.path, "damaged").empty());
    for (const auto known : acknowledged) {
      REQUIRE(number(file, fmt::format("SELECT count(*) FROM intents WHERE id={}", known)) == 1);
    }
  }
  INFO(acknowledged.size() << " intents acknowledged");
  CHECK(with_acknowledged > kills / 2);
}

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

TEST_CASE("killed at any moment: what was written stands, the last of each") {
  constexpr int kills = 25;
  TestFolder state, runtime;
  std::uint64_t reached = 0;  // the last number that is known to be on the disk
  int told_something = 0;
  for (int n = 0; n < kills; ++n) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      Daemon daemon(state.path, runtime.path);
      for (std::uint64_t round = reached + 1;; ++round) {
        auto flag = flag_of("f");
        flag.reason = std::to_string(round);
        daemon.journal->record(keeping(flag), wall_now());
        daemon.journal->record(keeping(AutomationSet{round % 2 == 0, "r", "uid 0", {}}),
                               wall_now());
        daemon.journal->incident(incident_of(round, IncidentState::closed), wall_now());
        // What was queued before an intent is on the disk with it.
        if (daemon.act().durability == Durability::database) {
          (void)!::write(ends[1], &round, sizeof round);
        }
      }
    }
    ::close(ends[1]);
    ::usleep(static_cast<useconds_t>((n * 7919) % 100'000 + 20'000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const auto before = reached;
    while (::read(ends[0], &reached, sizeof reached) == sizeof reached) {
    }
    ::close(ends[0]);
    told_something += reached > before ? 1 : 0;
    if (reached == 0) continue;

    Daemon daemon(state.path, runtime.path);
    REQUIRE(daemon.journal->health().writable);
    const MemoryRestored back = daemon.restored();
    REQUIRE(back.flags.size() == 1);
    const auto stands = std::stoull(back.flags[0].reason);
    // The round that was killed may have come to the disk too.
    REQUIRE(stands >= reached);
    REQUIRE(stands <= reached + 1);
    REQUIRE(back.last_incident >= reached);
    if (stands == reached) {
      const bool paused = back.automation.has_value();
      REQUIRE((paused == (reached % 2 == 0) || back.last_incident > reached));
    }
    reached = std::max(reached, static_cast<std::uint64_t>(stands));
  }
  CHECK(told_something > kills / 2);
}

TEST_CASE("events: told at once with their numbers, which grow over restarts and are the file's") {
  TestFolder state, runtime;
  std::uint64_t last = 0;
  {
    Daemon daemon(state.path, runtime.path);
    CHECK(daemon.memory.last_event == 0);
    daemon.journal->record(event_of("one"), wall_now());
    daemon.journal->record(event_of("two"), wall_now());
    REQUIRE(daemon.told.size() == 2);
    CHECK(daemon.told[0].seq == 1);
    CHECK(daemon.told[1].text == "two");
    last = daemon.told[1].seq;
  }
  Daemon daemon(state.path, runtime.path);
  REQUIRE(daemon.memory.events.size() == 2);
  CHECK(daemon.memory.events[1].seq == last);
  CHECK(daemon.memory.events[1].text == "two");
  CHECK(daemon.memory.last_event > last + Journal::max_queued);
  daemon.journal->record(event_of("three"), wall_now());
  REQUIRE(daemon.told.size() == 1);
  CHECK(daemon.told[0].seq == daemon.memory.last_event + 1);
  CHECK(daemon.until([&] {
    return number(daemon.file(), fmt::format("SELECT count(*) FROM events WHERE seq={} AND "
                                             "text='three'",
                                             daemon.told[0].seq)) == 1;
  }));
}

TEST_CASE("events are told while nothing can be written, and the journal's own lines too") {
  TestFolder state, runtime;
  write_file(state.path / "state", "not a folder");
  Daemon daemon(state.path / "state", runtime.path);
  daemon.journal->record(event_of("x"), wall_now());
  daemon.run_for(20ms);
  REQUIRE(daemon.told.size() >= 2);
  CHECK(daemon.told[0].text == "x");
  CHECK(daemon.told[1].kind == "journal");
  CHECK(daemon.told[0].seq > 1'000'000'000);  // above whatever the file has
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
  Database other;
  REQUIRE_FALSE(other.open(daemon.file(), OpenMode::read_write));
  REQUIRE_FALSE(other.execute("BEGIN EXCLUSIVE"));
  const auto act = daemon.act();
  CHECK(act.durability == Durability::runtime_file);
  CHECK(act.took < 2 * Journal::intent_patience + 50ms);
  CHECK_THAT(daemon.journal->health().error, Catch::Contains("locked by another process"));
  REQUIRE_FALSE(other.execute("COMMIT"));
  other.close();
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

TEST_CASE(
    "a journal that was removed while we run is begun anew, with what is known of the routes") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  daemon.journal->record(memory_of(6, 2), wall_now());
  daemon.journal->record(keeping(flag_of("f")), wall_now());
  daemon.journal->incident(incident_of(1, IncidentState::open), wall_now());
  REQUIRE(daemon.act().durability == Durability::database);
  for (const auto& file : files_named(state.path, "journal.db")) fs::remove(file);
  REQUIRE(daemon.act().durability == Durability::database);
  CHECK(number(daemon.file(), "SELECT timeline FROM route_memory") == 6);
  CHECK(number(daemon.file(), "SELECT count(*) FROM kept") == 2);
  CHECK(number(daemon.file(), "SELECT count(*) FROM intents") == 1);
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

TEST_CASE("the journal's threads block every signal") {
  TestFolder state, runtime;
  Daemon daemon(state.path, runtime.path);
  int others = 0;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::getpid())) continue;
    const auto status = contents_of(task.path() / "status");
    const auto at = status.find("SigBlk:");
    REQUIRE(at != std::string::npos);
    const auto mask = std::stoull(status.substr(at + 7, 20), nullptr, 16);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE}) {
      CHECK((mask >> (signal - 1) & 1) == 1);
    }
    ++others;
  }
  CHECK(others >= 1);
}

TEST_CASE("at rest: eleven probes at five seconds cost hardly anything", "[.bench]") {
  TestFolder state, runtime;
  const auto memory_before = anonymous_kib();
  Daemon daemon(state.path, runtime.path);
  daemon.run_for(200ms);
  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  // A day of samples, as fast as they can be given: 11 x 17280.
  const auto began = mono_now();
  auto at = wall_now();
  for (int n = 0; n < 17'280; ++n) {
    for (int p = 0; p < 11; ++p) {
      Sample sample;
      sample.probe = ProbeName("probe-" + std::to_string(p));
      sample.finished = MonoTime{n * 5s};
      sample.finding.outcome = Outcome::pass;
      sample.finding.facts = PostgresFacts{};
      daemon.journal->sample(sample, at);
    }
    at += 5s;
    if (n % 500 == 0) daemon.run_for(20ms);
  }
  REQUIRE(daemon.until([&] { return daemon.journal->health().queued < 1000; }));
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  const auto cpu = [](const rusage& r) {
    return static_cast<double>(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           static_cast<double>(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
  };
  WARN("a day of samples: " << cpu(after) - cpu(before) << " s of CPU in "
                            << std::chrono::duration<double>(mono_now() - began).count()
                            << " s, file " << fs::file_size(daemon.file()) / 1024
                            << " KiB, anonymous memory " << anonymous_kib() - memory_before
                            << " KiB more than before open()");
}
