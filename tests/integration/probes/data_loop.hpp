// Runs a prober as daemon/runtime does: one run at a time, cancelled at its deadline.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>

#include "probes/clock.hpp"
#include "probes/prober.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"
#include "tests/support/servers.hpp"

namespace pointsman::test {

using namespace std::chrono_literals;

class DataLoop {
 public:
  asio::any_io_executor executor() { return io_.get_executor(); }
  Resolver& resolver() { return resolver_; }
  ProberServices services() { return {io_.get_executor(), resolver_, tls_}; }

  Finding run(Prober& prober, Duration timeout = 2s) {
    RunContext context{mono_now() + timeout,
                       [this](std::string_view step) { steps.emplace_back(step); }};
    return run_until(prober.async_run(context), context.deadline);
  }

  /// A coroutine's value; it gets terminal cancellation at the deadline.
  template <class T>
  T run_until(asio::awaitable<T> work, MonoTime deadline) {
    asio::cancellation_signal cancel;
    asio::steady_timer timer(io_, to_steady(deadline));
    timer.async_wait([&](const error_code& ec) {
      if (!ec) cancel.emit(asio::cancellation_type::terminal);
    });
    std::optional<T> value;
    std::exception_ptr thrown;
    asio::co_spawn(io_, std::move(work),
                   asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e, T v) {
                     thrown = e;
                     value = std::move(v);
                     timer.cancel();
                   }));
    io_.restart();
    while (!value && !thrown && io_.run_one() != 0) {
    }
    // Nothing may be left that refers to this frame.
    timer.cancel();
    io_.poll();
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*value);
  }

  /// Lets the loop run until it is true.
  template <class Predicate>
  bool run_while_not(Predicate is_true, Duration limit = 30s) {
    const auto until = mono_now() + limit;
    io_.restart();
    while (!is_true() && mono_now() < until) io_.run_one_for(50ms);
    return is_true();
  }

  std::vector<std::string> steps;

 private:
  asio::io_context io_{1};
  Resolver resolver_{io_.get_executor()};
  TlsContexts tls_;
};

}  // namespace pointsman::test
