// The runtime folder's intents/: where acts are kept while SQLite can not take them. One file for
// each intent (ID.json, with its outcome once there is one), routes.json with the memory of the
// routes, and one for each thing that stands (kept-flag-NAME.json). The journal brings them into
// SQLite when it can be written again and removes them then; a start reads them too.
//
// The folder is on a tmpfs, so that it can be written when the disk can not. Still no file is
// touched on the loop's thread: jobs run one after another on a thread that is started for them and
// ends when there are none left. Limits: max_jobs waiting, max_files kept (incidents and alerts
// take at most max_stories, so that acts, flags and the pause find room); a file is read up to
// max_bytes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/journal/entry.hpp"

namespace pointsman {

class RuntimeFolder : public std::enable_shared_from_this<RuntimeFolder> {
 public:
  static constexpr std::size_t max_jobs = 200;
  static constexpr std::size_t max_files = 1000;
  static constexpr std::size_t max_stories = 500;
  static constexpr std::size_t max_bytes = max_entry_bytes;

  explicit RuntimeFolder(std::filesystem::path runtime_dir) : folder_(runtime_dir / "intents") {}

  /// `done` is told, on the worker's thread, whether the file is there and synced. Never blocks.
  void keep_intent(Intent intent, std::function<void(bool)> done);
  void keep_outcome(OutcomeRow outcome);
  void keep_memory(MemoryRow memory);
  /// Asks `wanted` first, on the worker's thread: SQLite may take them again by then.
  void keep_kept(std::vector<KeptRow> rows, std::function<bool()> wanted);
  void in_background(std::function<void()> job);

  /// False: certainly nothing is kept. Cheap.
  bool may_hold() const { return may_hold_; }
  /// True when the last job has ended by the deadline.
  bool wait_idle(MonoTime deadline);

  // These touch files and may block: not on the loop's thread.
  /// What is not readable as ours is left where it is and skipped.
  std::vector<RuntimeEntry> read();
  /// Removes what the entry was read from, unless it was written again since.
  void remove(const RuntimeEntry& entry);
  /// SQLite has what stands of this now, which is as new as ours.
  void forget(const KeptRow& row);

 private:
  bool enqueue(std::function<void()> job);
  void work();
  std::filesystem::path file_of(std::uint64_t id) const;
  std::filesystem::path file_of(const KeptRow& row) const;
  void write_kept(const KeptRow& row);
  std::size_t count_files() const;
  bool write(const std::filesystem::path& file, const std::string& text);

  const std::filesystem::path folder_;
  std::atomic<bool> may_hold_{true};  ///< until read() found nothing
  std::mutex files_;                  ///< held while files are touched
  std::mutex mutex_;                  ///< guards what follows; never held while files are touched
  std::condition_variable idle_;
  std::deque<std::function<void()>> jobs_;
  bool working_ = false;
  std::map<RouteName, MemoryRow> memories_;  ///< the worker's alone
};

}  // namespace pointsman
