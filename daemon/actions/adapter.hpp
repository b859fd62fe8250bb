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
};

class Adapter {
 public:
  virtual ~Adapter() = default;
  virtual asio::awaitable<PoolerObservation> async_observe(RouteName route) = 0;
  virtual asio::awaitable<SwitchReport> async_switch(SwitchRoute order, Intend intend) = 0;
  /// A start found this intent without an outcome: undo what only we can undo (a pause, a setting).
  virtual asio::awaitable<void> async_recover(std::string steps) = 0;
};

}  // namespace pointsman
