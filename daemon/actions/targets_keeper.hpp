// One targets file, shared by the routes (and poolers) that use it: who reads and writes it, in
// turn.
//
// Remembers what was last written for each database. Reading and writing happen on the act worker;
// a disk that hangs makes a call end at its deadline, never the loop wait. Loop's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/actions/act_worker.hpp"
#include "daemon/actions/deadline.hpp"
#include "daemon/actions/file_write.hpp"
#include "daemon/actions/targets_plan.hpp"
#include "policies/model/event.hpp"

namespace pointsman {

class TargetsKeeper {
 public:
  TargetsKeeper(ActWorker& worker, std::string path) : worker_(worker), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  const ManagedDatabases& managed() const { return managed_; }
  /// A configuration came into force. What was written before is remembered.
  void set_managed(ManagedDatabases managed);
  void remember(const std::string& database, std::string line);

  /// Held from reading to writing, so that no other route's line is lost.
  AsyncLock& lock() { return lock_; }

  asio::awaitable<ReadReport> async_read(MonoTime deadline);
  /// `written` is false and the error says so where it may or may not have been: then look.
  asio::awaitable<WriteReport> async_write(std::string text, MonoTime deadline);
  /// After a switch, when there is time: the spare is there and large enough. Empty or why not.
  asio::awaitable<std::string> async_ensure_spare(MonoTime deadline);

  void remember_kept(std::vector<FileLine> kept) { kept_ = std::move(kept); }
  const std::vector<FileLine>& kept() const { return kept_; }

  /// The file against what was last written for this database.
  FileState state_of(const std::string& database, const ReadReport& read) const;

 private:
  ActWorker& worker_;
  std::string path_;
  ManagedDatabases managed_;
  std::vector<FileLine> kept_;
  std::size_t size_ = 0;
  AsyncLock lock_;
};

}  // namespace pointsman
