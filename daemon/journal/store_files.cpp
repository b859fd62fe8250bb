// The store's file: created under another name and renamed, so that an empty or half-made
// journal.db is never ours; opened; migrated; moved aside when it is damaged.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "daemon/journal/schema.hpp"
#include "daemon/journal/store.hpp"
#include "daemon/journal/store_statements.hpp"
#include "probes/clock.hpp"

namespace pointsman {

namespace fs = std::filesystem;

namespace {

constexpr const char* side_files[] = {"", "-wal", "-shm"};

fs::path with_suffix(const fs::path& file, const std::string& suffix) {
  return file.string() + suffix;
}

bool is_there(const fs::path& file) {
  std::error_code ec;
  return fs::exists(fs::symlink_status(file, ec));
}

/// "20261124T041936Z"
std::string compact(WallTime at) {
  std::string text;
  for (const char c : to_rfc3339(at)) {
    if (c == '.') break;
    if (c != '-' && c != ':') text += c;
  }
  return text + "Z";
}

bool sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = ::fsync(fd) == 0;
  ::close(fd);
  return synced;
}

/// The pragmas that hold for a connection, not for the file.
constexpr const char* connection_pragmas =
    "PRAGMA synchronous=NORMAL;"
    "PRAGMA cache_size=-256;"  // KiB
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA wal_autocheckpoint=256;"  // pages: the WAL stays near 1 MiB
    "PRAGMA journal_size_limit=1048576;"
    "PRAGMA mmap_size=0;";  // a disk that fails must give an error, not SIGBUS

}  // namespace

StoreFailure Store::file_failure(const std::string& what, const std::string& reason) const {
  return {StoreTrouble::unwritable, fmt::format("{}: {}: {}", file_.string(), what, reason), false,
          true};
}

StoreStatus Store::open(WallTime now, std::vector<std::string>& notices) {
  close();
  is_new_ = false;
  std::error_code ec;
  fs::create_directories(file_.parent_path(), ec);  // its failure shows in the next step
  struct stat status {};
  if (::stat(file_.c_str(), &status) != 0) {
    if (errno != ENOENT) return file_failure("cannot be looked at", std::strerror(errno));
    if (is_there(with_suffix(file_, "-wal"))) {
      if (auto failed = move_aside("its database is missing", now, notices)) return failed;
    }
    if (auto failed = create()) return failed;
  }
  auto failed = open_existing();
  if (failed && failed->trouble == StoreTrouble::damaged) {
    if (auto not_moved = move_aside(failed->text, now, notices)) return not_moved;
    failed = create();
    if (!failed) failed = open_existing();
    if (failed) failed->trouble = StoreTrouble::unwritable;
  }
  if (failed) close();
  return failed;
}

StoreStatus Store::create() {
  const fs::path fresh = with_suffix(file_, ".new");
  for (const char* suffix : {"", "-wal", "-shm", "-journal"})
    ::unlink(with_suffix(fresh, suffix).c_str());
  {
    Database database;
    if (auto failed = database.open(fresh, OpenMode::create)) return failure(*failed);
    std::string sql = fmt::format("BEGIN; PRAGMA application_id={};", journal_application_id);
    for (const char* migration : journal_migrations) sql += migration;
    sql += fmt::format("PRAGMA user_version={}; COMMIT; PRAGMA journal_mode=WAL;", journal_schema);
    if (auto failed = database.execute(sql)) return failure(*failed);
  }
  ::chmod(fresh.c_str(), 0640);
  if (::rename(fresh.c_str(), file_.c_str()) != 0) {
    return file_failure("cannot be created", std::strerror(errno));
  }
  if (!sync_folder(file_.parent_path())) {
    return file_failure("its folder cannot be synced", std::strerror(errno));
  }
  is_new_ = true;
  return {};
}

StoreStatus Store::open_existing() {
  struct stat status {};
  if (::stat(file_.c_str(), &status) != 0) {
    return file_failure("cannot be looked at", std::strerror(errno));
  }
  if (status.st_size == 0) {
    return StoreFailure{StoreTrouble::damaged, fmt::format("{} is empty", file_.string())};
  }
  if (auto failed = database_.open(file_, OpenMode::read_write)) return failure(*failed);
  device_ = status.st_dev;
  inode_ = status.st_ino;

  std::int64_t application = 0;
  std::int64_t tables = 0;
  if (auto failed = database_.read_integer("PRAGMA application_id", application)) {
    return failure(*failed);
  }
  if (auto failed = database_.read_integer("SELECT count(*) FROM sqlite_schema", tables)) {
    return failure(*failed);
  }
  if (application != journal_application_id) {
    return StoreFailure{StoreTrouble::damaged,
                        fmt::format("{} is not a journal of pointsman", file_.string())};
  }
  if (auto failed = migrate()) return failed;
  if (sqlite3_db_readonly(database_.handle(), "main") == 1) {
    return file_failure("cannot be written", "it or its file system is read-only");
  }
  if (auto failed = database_.execute(connection_pragmas)) return failure(*failed);
  durable_ = false;
  return prepare_statements();
}

StoreStatus Store::migrate() {
  std::int64_t version = 0;
  if (auto failed = database_.read_integer("PRAGMA user_version", version)) return failure(*failed);
  if (version > journal_schema) {
    return StoreFailure{
        StoreTrouble::newer,
        fmt::format(
            "{} was written by a newer pointsman (schema {}; this one knows {}); it is left "
            "as it is and nothing is recorded: install the newer version, or move it away",
            file_.string(), version, journal_schema)};
  }
  if (version < 1) {
    return StoreFailure{StoreTrouble::damaged,
                        fmt::format("{} has no schema version", file_.string())};
  }
  for (; version < journal_schema; ++version) {
    const auto sql =
        fmt::format("BEGIN IMMEDIATE; {}; PRAGMA user_version={}; COMMIT;",
                    journal_migrations[static_cast<std::size_t>(version)], version + 1);
    if (auto failed = database_.execute(sql)) return failure(*failed);
  }
  // Somebody may have turned WAL off with another tool.
  if (auto failed = database_.execute("PRAGMA journal_mode=WAL")) return failure(*failed);
  return {};
}

StoreStatus Store::move_aside(const std::string& reason, WallTime now,
                              std::vector<std::string>& notices) {
  close();
  if (++moves_ > max_moves) {
    return StoreFailure{StoreTrouble::unwritable,
                        fmt::format("{}; it was moved aside {} times already since the start: the "
                                    "disk itself may be damaged",
                                    reason, max_moves)};
  }
  const std::string base = file_.string() + ".damaged-" + compact(now);
  std::string aside = base;
  for (int n = 2; is_there(aside) || is_there(aside + "-wal"); ++n)
    aside = fmt::format("{}-{}", base, n);
  for (const char* suffix : side_files) {
    const fs::path from = with_suffix(file_, suffix);
    if (!is_there(from)) continue;
    if (::rename(from.c_str(), (aside + suffix).c_str()) != 0) {
      return file_failure(fmt::format("is damaged and cannot be moved to {}", aside),
                          std::strerror(errno));
    }
  }
  notices.push_back(fmt::format("{}: moved aside to {}; a new journal is begun", reason, aside));
  return {};
}

bool Store::is_in_place() const {
  struct stat status {};
  return ::stat(file_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
}

StoreStatus Store::check(const std::function<bool()>& interrupted) {
  auto* prepared = database_.prepare("PRAGMA quick_check(1)");
  if (prepared == nullptr) return failure(database_.error());
  constexpr int every_instructions = 2000;
  sqlite3_progress_handler(
      database_.handle(), every_instructions,
      [](void* asked) { return (*static_cast<const std::function<bool()>*>(asked))() ? 1 : 0; },
      const_cast<void*>(static_cast<const void*>(&interrupted)));
  StoreStatus verdict;
  {
    Statement statement(prepared);
    if (statement.next_row()) {
      const auto text = statement.text(0);
      if (text != "ok") {
        verdict = StoreFailure{StoreTrouble::damaged,
                               fmt::format("{} is damaged: {}", file_.string(), text)};
      }
    } else if (const auto error = database_.error(); (error.code & 0xff) != SQLITE_INTERRUPT) {
      verdict = failure(error);
    }
  }
  sqlite3_progress_handler(database_.handle(), 0, nullptr, nullptr);
  return verdict;
}

}  // namespace pointsman
