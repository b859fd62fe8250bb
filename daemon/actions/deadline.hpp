// A lock that coroutines wait for, beside the deadlines that all parts share (probes/deadline.hpp).
//
// On the loop's thread only. An AsyncLock is handed to those who wait in the order in which they
// came.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "probes/deadline.hpp"

namespace pointsman {

class AsyncLock {
 public:
  /// Unlocks when it goes; empty when the lock was not had.
  class Held {
   public:
    Held() = default;
    explicit Held(AsyncLock* lock) : lock_(lock) {}
    Held(Held&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
    Held& operator=(Held&& other) noexcept {
      release();
      lock_ = std::exchange(other.lock_, nullptr);
      return *this;
    }
    ~Held() { release(); }
    explicit operator bool() const { return lock_ != nullptr; }
    void release() {
      if (lock_ != nullptr) std::exchange(lock_, nullptr)->unlock();
    }

   private:
    AsyncLock* lock_ = nullptr;
  };

  /// Empty at the deadline, or when the caller is cancelled. The lock must outlive what is held.
  asio::awaitable<Held> async_lock(MonoTime deadline) {
    if (!locked_) {
      locked_ = true;
      co_return Held(this);
    }
    const auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor);
    waiter->wake.expires_at(to_steady(deadline));
    waiting_.push_back(waiter);
    co_await waiter->wake.async_wait(as_result);
    if (waiter->is_owner) co_return Held(this);
    std::erase(waiting_, waiter);
    co_return Held();
  }

 private:
  struct Waiter {
    explicit Waiter(const asio::any_io_executor& executor) : wake(executor) {}
    asio::steady_timer wake;
    bool is_owner = false;
  };

  void unlock() {
    if (waiting_.empty()) {
      locked_ = false;
      return;
    }
    const auto next = waiting_.front();
    waiting_.pop_front();
    next->is_owner = true;
    next->wake.cancel();
  }

  bool locked_ = false;
  std::deque<std::shared_ptr<Waiter>> waiting_;
};

}  // namespace pointsman
