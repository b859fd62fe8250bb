// Deadlines for calls that end soon after they are cancelled, and a lock that coroutines wait for.
//
// On the loop's thread only. An AsyncLock is handed to those who wait in the order in which they
// came.
#pragma once

#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>

#include "policies/model/time.hpp"
#include "probes/asio.hpp"
#include "probes/clock.hpp"

namespace pointsman {

inline bool was_cancelled(const asio::cancellation_state& state) {
  return state.cancelled() != asio::cancellation_type::none;
}

/// Sleeps until then, or until the caller is cancelled.
inline asio::awaitable<void> async_sleep_until(MonoTime until) {
  asio::steady_timer timer(co_await asio::this_coro::executor, to_steady(until));
  co_await timer.async_wait(as_result);
}

/// Runs `work` as a coroutine of its own, cancels it at the deadline (or when the caller is
/// cancelled) and returns when it has ended: its value says by itself that it was cancelled. The
/// caller must have called throw_if_cancelled(false).
template <class T>
asio::awaitable<T> async_until(MonoTime deadline, asio::awaitable<T> work) {
  struct Running {
    explicit Running(const asio::any_io_executor& executor) : wake(executor) {}
    asio::steady_timer wake;
    asio::cancellation_signal stop;
    std::optional<T> value;
    std::exception_ptr failure;
    bool done = false;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto state = std::make_shared<Running>(executor);
  state->wake.expires_at(to_steady(deadline));
  asio::co_spawn(executor, std::move(work),
                 asio::bind_cancellation_slot(state->stop.slot(),
                                              [state](std::exception_ptr failure, T value) {
                                                state->done = true;
                                                state->failure = std::move(failure);
                                                if (!state->failure)
                                                  state->value = std::move(value);
                                                state->wake.cancel();
                                              }));
  while (!state->done) {
    co_await state->wake.async_wait(as_result);
    if (state->done) break;
    state->wake.expires_at(asio::steady_timer::time_point::max());
    state->stop.emit(asio::cancellation_type::terminal);
  }
  if (state->failure) std::rethrow_exception(state->failure);
  co_return std::move(*state->value);
}

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
