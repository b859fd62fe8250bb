// An adapter makes one pooler lead where the engine wants, and says what it has in effect.
//
// On the loop's thread; what blocks (fsync) goes to the act worker. Knows nothing of the engine.
// Every call ends within its deadline. Before each step that changes the world it awaits `intend`.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"
#include "probes/asio.hpp"

namespace pointsman {

/// Makes an intent durable (daemon/journal) and returns when it is; `steps` as in Intent::steps.
using Intend = std::function<asio::awaitable<void>(std::string steps)>;

struct SwitchReport {
  ActionOutcome outcome = ActionOutcome::unknown;
  std::string message;
  Verified verified = Verified::no;
  bool rolled_back = false;
  SwitchTimes times{};  ///< where it ended ok
};

struct HoldReport {
  bool ok = false;
  bool held = false;
  std::string message;  ///< why not; or what was done
};

class Adapter {
 public:
  virtual ~Adapter() = default;
  virtual asio::awaitable<PoolerObservation> async_observe(RouteName route) = 0;
  virtual asio::awaitable<SwitchReport> async_switch(SwitchRoute order, Intend intend) = 0;
  /// Holds the clients of the route for a planned change, so that no query fails: pgbouncer's PAUSE
  /// (KILL in session pooling). `held` only once no transaction is left on the old server; at the
  /// deadline what was begun is undone. An adapter that cannot hold clients answers ok, held false.
  virtual asio::awaitable<HoldReport> async_hold(RouteName route, Intend intend,
                                                 MonoTime deadline) = 0;
  /// Lets the clients go again, whether or not anything was switched. Empty, or what went wrong.
  /// async_switch on a route that we hold lets them go by itself.
  virtual asio::awaitable<std::string> async_release(RouteName route, MonoTime deadline) = 0;
  /// Drops the server connections of the route, so that the pooler opens new ones to the same
  /// target.
  virtual asio::awaitable<SwitchReport> async_reconnect(RouteName route, MonoTime deadline) = 0;
  /// A start found this intent without an outcome: undo what only we can undo (a pause, a setting).
  virtual asio::awaitable<void> async_recover(std::string steps) = 0;
  /// A start found this intent of async_hold without an outcome and takes up the change that it was
  /// for (Switchover::async_recover, which ends it): the hold is ours again. Instead of
  /// async_recover.
  virtual void adopt_hold(const std::string& /*steps*/) {}
};

}  // namespace pointsman
