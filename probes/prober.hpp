// A prober: one configured probe that can be run, again and again, on the loop's thread.
//
// The caller (daemon/runtime) owns it, runs it at most once at a time and enforces the timeout: at
// `RunContext::deadline` it emits terminal cancellation to the running coroutine, which then must
// end soon with a Finding that says in which phase the time ran out (connect_timeout, dns_timeout,
// timeout, stuck). Cancellation never surfaces as an exception: async_run calls `co_await
// asio::this_coro::throw_if_cancelled(false)` first. What fails outside is a Finding with `fail`;
// what fails in us (no descriptors, no memory) is one with `inconclusive`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "policies/model/event.hpp"
#include "policies/model/sample.hpp"
#include "probes/asio.hpp"
#include "probes/spec.hpp"

namespace pointsman {

class Resolver;
class TlsContexts;

/// One run's surroundings. `trace` is told each step ("connected to 10.0.1.10:5432 in 0.4 ms") by
/// `pointsman probe -v`; empty in the daemon. Never told a secret.
struct RunContext {
  MonoTime deadline;
  std::function<void(std::string_view)> trace;

  void tell(std::string_view step) const {
    if (trace) trace(step);
  }
};

/// What probers share. Outlives them all.
struct ProberServices {
  asio::any_io_executor executor;
  Resolver& resolver;
  TlsContexts& tls_contexts;
};

class Prober {
 public:
  virtual ~Prober() = default;
  virtual asio::awaitable<Finding> async_run(RunContext& context) = 0;
  /// Called when a watched session ends outside a run, and from within a run where the kept session
  /// was told why it ends. Set once, before the first run.
  virtual void on_session_end(std::function<void(SessionEnd)>) {}
  /// Drops kept sessions and watches; nothing calls back afterwards. Not while a run is in flight.
  virtual void close() {}
};

std::unique_ptr<Prober> make_prober(const ProbeName& name, const ProbeSpec& spec,
                                    ProberServices services);

}  // namespace pointsman
