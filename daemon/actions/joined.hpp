// Several awaits at once, and one that can be stopped from outside: none is ever abandoned.
//
// Both return when all that they started has ended. A caller that is cancelled hands the
// cancellation on; what was started says by its value that it was cut short. The caller must have
// called throw_if_cancelled(false). Loop's thread only; at most `max_joined` at once.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>

#include "policies/model/invariant.hpp"
#include "probes/deadline.hpp"

namespace pointsman {

inline constexpr std::size_t max_joined = 64;

/// Runs `work` so that `stop` ends it early. `stop` must have no other work meanwhile.
template <class T>
asio::awaitable<T> async_stoppable(asio::cancellation_signal& stop, asio::awaitable<T> work) {
  struct Running {
    explicit Running(const asio::any_io_executor& executor)
        : wake(executor, asio::steady_timer::time_point::max()) {}
    asio::steady_timer wake;
    std::optional<T> value;
    std::exception_ptr failure;
    bool done = false;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto state = std::make_shared<Running>(executor);
  asio::co_spawn(
      executor, std::move(work),
      asio::bind_cancellation_slot(stop.slot(), [state](std::exception_ptr failure, T value) {
        state->done = true;
        state->failure = std::move(failure);
        if (!state->failure) state->value = std::move(value);
        state->wake.cancel();
      }));
  while (!state->done) {
    co_await state->wake.async_wait(as_result);
    if (!state->done) stop.emit(asio::cancellation_type::terminal);
  }
  if (state->failure) std::rethrow_exception(state->failure);
  co_return std::move(*state->value);
}

/// All of them at once; the values in the same order. The first exception is thrown on once all
/// have ended.
template <class T>
asio::awaitable<std::vector<T>> async_all(std::vector<asio::awaitable<T>> works) {
  struct Running {
    explicit Running(const asio::any_io_executor& executor)
        : wake(executor, asio::steady_timer::time_point::max()) {}
    asio::steady_timer wake;
    std::vector<std::optional<T>> values;
    std::exception_ptr failure;
    std::size_t missing = 0;
  };
  POINTSMAN_INVARIANT(works.size() <= max_joined, "more at once than are ever meant to be");
  const auto executor = co_await asio::this_coro::executor;
  const auto state = std::make_shared<Running>(executor);
  state->values.resize(works.size());
  state->missing = works.size();
  std::vector<std::unique_ptr<asio::cancellation_signal>> stops;
  for (std::size_t i = 0; i < works.size(); ++i) {
    stops.push_back(std::make_unique<asio::cancellation_signal>());
    asio::co_spawn(executor, std::move(works[i]),
                   asio::bind_cancellation_slot(stops.back()->slot(),
                                                [state, i](std::exception_ptr failure, T value) {
                                                  if (failure)
                                                    state->failure = std::move(failure);
                                                  else
                                                    state->values[i] = std::move(value);
                                                  if (--state->missing == 0) state->wake.cancel();
                                                }));
  }
  while (state->missing != 0) {
    co_await state->wake.async_wait(as_result);
    if (state->missing == 0) break;
    for (const auto& stop : stops) stop->emit(asio::cancellation_type::terminal);
  }
  if (state->failure) std::rethrow_exception(state->failure);
  std::vector<T> values;
  for (auto& value : state->values) values.push_back(std::move(*value));
  co_return values;
}

}  // namespace pointsman
