// Deadlines for calls that end soon after they are cancelled, as a prober's run does.
//
// Shared by everything that awaits the network on the loop's thread. What is awaited is never
// abandoned: at the deadline it is cancelled, and async_until returns when it has ended.
#pragma once

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

}  // namespace pointsman
