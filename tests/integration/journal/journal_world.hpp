// What the tests of the journal share: a daemon's part around one, folders that are mounted, a disk
// without room. Needs root, to mount; what it mounts it unmounts.
#pragma once

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "daemon/journal/journal.hpp"
#include "daemon/journal/kept_json.hpp"
#include "daemon/journal/sqlite.hpp"
#include "probes/clock.hpp"
#include "tests/unit/journal/folder.hpp"

namespace pointsman::testing {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

inline std::int64_t number(const fs::path& file, const std::string& sql) {
  Database database;
  std::int64_t value = -1;
  const auto opened = database.open(file, OpenMode::read_write);
  REQUIRE_FALSE(opened);
  const auto failed = database.read_integer(sql, value);
  if (failed) FAIL(failed->text);
  return value;
}

inline std::string text(const fs::path& file, const std::string& sql) {
  Database database;
  REQUIRE_FALSE(database.open(file, OpenMode::read_write));
  auto* prepared = database.prepare(sql);
  REQUIRE(prepared != nullptr);
  Statement statement(prepared);
  return statement.next_row() ? statement.text(0) : "";
}

/// Another process that holds SQLite's lock.
class OtherProcess {
 public:
  explicit OtherProcess(const fs::path& file) {
    REQUIRE_FALSE(database_.open(file, OpenMode::read_write));
    REQUIRE_FALSE(database_.execute("BEGIN EXCLUSIVE"));
  }
  void let_go() {
    REQUIRE_FALSE(database_.execute("COMMIT"));
    database_.close();
  }

 private:
  Database database_;
};

inline Record event_of(std::string said) {
  Record record;
  record.subject = "bud";
  record.text = std::move(said);
  return record;
}

inline Record memory_of(std::uint32_t timeline, std::uint64_t epoch) {
  Record record = event_of("leads there");
  record.kind = RecordKind::route;
  record.memory = RouteMemory{RouteName("bud"), {ProbeName("replica-1")}, "7", timeline, epoch};
  return record;
}

inline Record keeping(Memory memory) {
  Record record = event_of("an operator did it");
  record.kind = RecordKind::operation;
  record.memory = std::move(memory);
  return record;
}

inline FlagMemory flag_of(const std::string& name) {
  return FlagMemory{FlagName(name), mono_now(), "redis is down", "ladder cache", {}, {}};
}

inline Incident incident_of(std::uint64_t id, IncidentState state) {
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

inline void run_command(const std::string& command) {
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

inline long anonymous_kib() {
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

}  // namespace pointsman::testing
