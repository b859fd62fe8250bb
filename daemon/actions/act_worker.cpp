#include "daemon/actions/act_worker.hpp"

#include <signal.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include <boost/asio/post.hpp>

#include "probes/clock.hpp"

namespace pointsman {
namespace {

constexpr std::chrono::seconds close_patience{1};

/// One caller that waits; only the loop's thread touches it.
struct Waiter {
  explicit Waiter(const asio::any_io_executor& executor) : wake(executor) {}
  asio::steady_timer wake;
  bool done = false;
};

struct Task {
  std::function<void()> run;
  std::weak_ptr<Waiter> waiter;  ///< weak: its timer must not die on the worker's thread
};

}  // namespace

struct ActWorker::Shared : std::enable_shared_from_this<ActWorker::Shared> {
  explicit Shared(asio::any_io_executor on) : executor(std::move(on)) {}

  bool add(Task task);
  void drop(const std::shared_ptr<Waiter>& waiter);
  void work();
  void finish(std::weak_ptr<Waiter> waiter);

  asio::any_io_executor executor;  ///< under the mutex; empty once closed
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Task> queue;
  bool started = false, busy = false, closed = false, ended = false;
};

bool ActWorker::Shared::add(Task task) {
  const std::lock_guard lock(mutex);
  if (closed || queue.size() >= max_queued) return false;
  if (!started) {
    // Signals are the loop's: none is ever delivered to this thread.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    try {
      std::thread([self = shared_from_this()] { self->work(); }).detach();
      started = true;
    } catch (const std::system_error&) {
      // No thread to be had now; the next task tries again.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (!started) return false;
  }
  queue.push_back(std::move(task));
  changed.notify_all();
  return true;
}

void ActWorker::Shared::drop(const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex);
  std::erase_if(queue, [&](const Task& task) { return task.waiter.lock() == waiter; });
}

void ActWorker::Shared::finish(std::weak_ptr<Waiter> caller) {
  const std::lock_guard lock(mutex);
  busy = false;
  changed.notify_all();
  if (closed) return;
  asio::post(executor, [waiting = std::move(caller)] {
    const auto waiter = waiting.lock();
    if (!waiter) return;
    waiter->done = true;
    waiter->wake.cancel();
  });
}

void ActWorker::Shared::work() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] { return closed || !queue.empty(); });
    if (closed) break;
    Task task = std::move(queue.front());
    queue.pop_front();
    busy = true;
    lock.unlock();
    task.run();
    task.run = nullptr;
    finish(std::move(task.waiter));
    lock.lock();
  }
  ended = true;
  changed.notify_all();
}

ActWorker::ActWorker(asio::any_io_executor executor)
    : shared_(std::make_shared<Shared>(std::move(executor))) {}

ActWorker::~ActWorker() {
  std::unique_lock lock(shared_->mutex);
  shared_->closed = true;
  shared_->executor = {};
  shared_->queue.clear();
  shared_->changed.notify_all();
  if (!shared_->started) return;
  shared_->changed.wait_for(lock, close_patience, [&] { return shared_->ended; });
}

asio::awaitable<bool> ActWorker::async_run_task(std::function<void()> task, MonoTime deadline) {
  const auto shared = shared_;
  const auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor);
  waiter->wake.expires_at(to_steady(deadline));
  if (!shared->add({std::move(task), waiter})) co_return false;
  if (!waiter->done) co_await waiter->wake.async_wait(as_result);
  if (!waiter->done) shared->drop(waiter);
  co_return waiter->done;
}

}  // namespace pointsman
