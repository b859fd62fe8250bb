// An event that happens once and that one coroutine waits for.
//
// Everything that answers from outside of Asio (a worker thread, sd-bus, a child that ends) sets
// one on the loop's thread. Waiting ends early when the coroutine is cancelled, also when it had
// been before. Not thread-safe: another thread posts to the loop first.
#pragma once

#include "probes/asio.hpp"

namespace pointsman {

class OneShot {
 public:
  explicit OneShot(asio::any_io_executor executor);

  void set();
  bool is_set() const { return set_; }

  /// True once set; false when the coroutine was cancelled first. The coroutine must have called
  /// throw_if_cancelled(false).
  asio::awaitable<bool> async_wait();
  /// The same, for at most `limit`, and whether or not the coroutine was cancelled before.
  asio::awaitable<bool> async_wait_at_most(std::chrono::nanoseconds limit);

 private:
  asio::steady_timer timer_;
  bool set_ = false;
};

}  // namespace pointsman
