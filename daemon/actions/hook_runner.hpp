// Runs the hooks of routes: fence, demote, undemote, after_promote.
//
// A fence counts only when it said that it succeeded: `failed` and `unknown` both block what it was
// to make safe. Each hook has its own deadline and runs at most once at a time; what a run that was
// replaced by a reload still needs is kept until it ends. Loop's thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "daemon/actions/outside_call.hpp"
#include "policies/model/effect.hpp"

namespace pointsman {

class HookRunner {
 public:
  explicit HookRunner(ProberServices services) : services_(services) {}

  /// Asks for the users of commands, which may block: not while the loop serves.
  void load(const std::map<RouteName, std::map<HookKind, HookSpec>>& hooks);
  bool has(const RouteName& route, HookKind hook) const;
  /// Zero where there is none.
  Duration timeout(const RouteName& route, HookKind hook) const;

  /// The message begins with the hook's name. failed where there is none. The caller must have
  /// called throw_if_cancelled(false).
  asio::awaitable<ActReport> async_run(RunHook order);

 private:
  std::shared_ptr<OutsideCall> find(const RouteName& route, HookKind hook) const;

  const ProberServices services_;
  std::map<RouteName, std::map<HookKind, std::shared_ptr<OutsideCall>>> calls_;
};

/// POINTSMAN_ROUTE, _OLD, _NEW, _OLD_ADDRESS, _NEW_ADDRESS, _INCIDENT; empty where not known.
CallVariables hook_variables(const RunHook& order);

}  // namespace pointsman
