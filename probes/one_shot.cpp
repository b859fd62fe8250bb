#include "probes/one_shot.hpp"

#include "probes/clock.hpp"

namespace pointsman {

OneShot::OneShot(asio::any_io_executor executor)
    : timer_(executor, std::chrono::steady_clock::time_point::max()) {}

void OneShot::set() {
  set_ = true;
  timer_.cancel();
}

asio::awaitable<bool> OneShot::async_wait() {
  while (!set_) {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return false;
    co_await timer_.async_wait(as_result);
  }
  co_return true;
}

asio::awaitable<bool> OneShot::async_wait_at_most(std::chrono::nanoseconds limit) {
  const auto until = to_steady(mono_now() + limit);
  while (!set_) {
    timer_.expires_at(until);
    const auto [ec] = co_await timer_.async_wait(as_result);
    if (!ec) co_return set_;  // the limit has passed; a set() or a cancellation would be an error
    if (mono_now() >= MonoTime{until.time_since_epoch()}) co_return set_;
  }
  co_return true;
}

}  // namespace pointsman
