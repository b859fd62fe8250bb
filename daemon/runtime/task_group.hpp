// Owns coroutines: none is detached, each is cancelled and awaited when the daemon stops.
//
// On the loop's thread. An exception that escapes a task is a bug of ours: it is told to `on_error`
// and the task counts as ended.
#pragma once

#include <functional>
#include <list>
#include <string>

#include "probes/asio.hpp"

namespace pointsman {

class TaskGroup {
 public:
  TaskGroup(asio::any_io_executor executor, std::function<void(const std::string&)> on_error);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(asio::awaitable<void> task);
  /// Emits terminal cancellation to every task; they end in their own time.
  void cancel();
  bool is_cancelled() const { return cancelled_; }
  std::size_t size() const { return tasks_.size(); }

 private:
  struct Task {
    asio::cancellation_signal signal;
  };
  asio::any_io_executor executor_;
  std::function<void(const std::string&)> on_error_;
  std::list<Task> tasks_;
  bool cancelled_ = false;
};

/// What an exception says, for the log.
std::string describe(std::exception_ptr error);

}  // namespace pointsman
