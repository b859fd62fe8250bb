// The store: journal.db as a file that is opened, created, migrated, written, thinned out and, when
// it is damaged, moved aside. It never deletes a file that somebody else might want.
//
// Lives on the journal's thread alone; any call may wait for the disk as long as the disk likes.
// Limits: events 90 days and 200,000 rows; samples 30 days and 1,000,000 rows; history 31 days and
// 500,000 rows; intents and outcomes 90 days and 20,000 rows (unfinished intents are kept); a bite
// of retention deletes at most 500 rows of a table; a file is moved aside at most five times in a
// run of the daemon.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/journal/rows.hpp"
#include "daemon/journal/sqlite.hpp"

namespace pointsman {

enum class StoreTrouble {
  unwritable,  ///< the disk, rights, a lock: may pass by itself
  damaged,     ///< not a journal of ours, or one that is broken: to be moved aside
  newer,       ///< written by a newer pointsman: not touched
};

struct StoreFailure {
  StoreTrouble trouble = StoreTrouble::unwritable;
  std::string text;     ///< for health() and the log; names the file
  bool busy = false;    ///< another process holds it
  bool reopen = false;  ///< the connection is not to be trusted any more
};
using StoreStatus = std::optional<StoreFailure>;  ///< nothing: it went well

class Store {
 public:
  static constexpr std::int64_t events_max_rows = 200'000, samples_max_rows = 1'000'000,
                                acts_max_rows = 20'000, history_max_rows = 500'000;
  static constexpr std::chrono::hours events_max_age{24 * 90}, samples_max_age{24 * 30},
      acts_max_age{24 * 90}, history_max_age{24 * 31};
  static constexpr std::chrono::hours incidents_max_age{24 * 400};
  static constexpr std::int64_t incidents_max_rows = 2'000;
  static constexpr int retention_bite = 500;
  static constexpr int max_moves = 5;

  explicit Store(std::filesystem::path file);
  ~Store();

  /// Creates the file where there is none. A damaged one is moved aside, told to `notices`, and a
  /// new one takes its place.
  StoreStatus open(WallTime now, std::vector<std::string>& notices);
  void close();
  bool is_open() const { return statements_ != nullptr; }
  /// The last open() began a new file.
  bool is_new() const { return is_new_; }
  /// False when the file at our path is no longer the one that we have open.
  bool is_in_place() const;

  StoreStatus read_memory(JournalMemory& memory, std::vector<MemoryRow>& memories);
  /// What can be read where nothing can be written (a read-only file system), without its WAL;
  /// of a file of an older version, which can not be brought up there, what it has.
  bool read_memory_immutable(JournalMemory& memory, std::vector<MemoryRow>& memories);
  /// The highest intent in the file; 0: none.
  std::uint64_t highest_intent() const { return highest_intent_; }

  /// One transaction. Durable: on the disk when it returns. Rows that SQLite refuses for what they
  /// are (too big) are left out and counted in take_skipped().
  StoreStatus write(const Batch& batch, bool durable);
  std::uint64_t take_skipped() { return std::exchange(skipped_, 0); }

  /// Looks at every page; stops, without a verdict, when `interrupted` says so.
  StoreStatus check(const std::function<bool()>& interrupted);
  /// Deletes a bite of what is too old. `more` tells whether there is more to do.
  StoreStatus retain(WallTime now, bool& more);
  /// Renames journal.db and its -wal and -shm to journal.db.damaged-TIME.
  StoreStatus move_aside(const std::string& reason, WallTime now,
                         std::vector<std::string>& notices);

 private:
  struct Statements;

  StoreStatus open_existing();
  StoreStatus create();
  StoreStatus migrate();
  StoreStatus prepare_statements();
  StoreStatus read_memory_of(Database& database, std::int64_t version, JournalMemory& memory,
                             std::vector<MemoryRow>& memories);
  /// Reads each row of a question. The answer is no failure where there are no rows.
  StoreStatus read_rows(Database& database, const std::string& sql,
                        const std::function<void(const Statement&)>& take);
  bool insert(const Batch& batch);
  bool insert_event(const EventRow& row);
  bool insert_record(const RecordRow& record);
  bool passable();
  StoreStatus set_durable(bool durable);
  StoreFailure failure(const SqlError& error) const;
  StoreFailure file_failure(const std::string& what, const std::string& reason) const;

  std::filesystem::path file_;
  Database database_;
  std::unique_ptr<Statements> statements_;
  bool durable_ = false;
  bool is_new_ = false;
  int moves_ = 0;
  std::uint64_t skipped_ = 0;
  std::uint64_t highest_intent_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace pointsman
