// The act worker: the one thread of the process on which an act may block (the targets file's
// fsync).
//
// Takes closures and hands their values back to the loop. The caller waits until its deadline and
// no longer: work that has not begun by then never will; work that is stuck (a hung disk) is left
// to the thread, which nobody joins, and must look at a WriteGate before it changes what others
// read. At most `max_queued` wait; a further one is refused at once. All calls on the loop's
// thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "policies/model/time.hpp"
#include "probes/asio.hpp"

namespace pointsman {

class ActWorker {
 public:
  static constexpr std::size_t max_queued = 64;

  explicit ActWorker(asio::any_io_executor executor);
  /// What is queued is dropped. Waits at most 1 s for what runs, then leaves the thread to itself.
  ~ActWorker();
  ActWorker(const ActWorker&) = delete;
  ActWorker& operator=(const ActWorker&) = delete;

  /// The work's value; nothing when the deadline passed, the caller was cancelled or the queue is
  /// full. `work` must own all that it touches: it may outlive the caller.
  template <class T>
  asio::awaitable<std::optional<T>> async_run(std::function<T()> work, MonoTime deadline) {
    auto value = std::make_shared<std::optional<T>>();
    std::function<void()> task = [value, work = std::move(work)] { *value = work(); };
    const bool is_done = co_await async_run_task(std::move(task), deadline);
    // Only once it is done: until then the thread may be writing it.
    std::optional<T> taken;
    if (is_done) taken = std::move(*value);
    co_return taken;
  }

 private:
  struct Shared;
  asio::awaitable<bool> async_run_task(std::function<void()> task, MonoTime deadline);
  std::shared_ptr<Shared> shared_;
};

}  // namespace pointsman
