#include "daemon/runtime/recovery.hpp"

#include <algorithm>
#include <set>

#include "daemon/runtime/log.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

/// The holds of a planned change are undone with it, in its order; all else by itself. Switches
/// come last: what a planned change had begun to move is looked at once it is settled.
int rank(const Intent& intent) {
  if (intent.kind == "switchover") return 0;
  return intent.kind == "switch" ? 2 : 1;
}

asio::awaitable<std::string> async_recover_one(RecoveryTools tools, Intent intent,
                                               std::vector<std::string> holds) {
  if (intent.kind == "switchover") {
    auto steps = switchover_steps_of_json(intent.steps);
    if (!steps) co_return "its steps can not be read; look at the route by hand";
    SwitchoverSteps found = std::move(*steps);
    co_return co_await tools.acts.async_recover(std::move(found), std::move(holds));
  }
  if (intent.kind == "switch" || intent.kind == "hold") {
    co_return co_await tools.routes.async_recover(std::move(intent));
  }
  if (auto steps = promote_steps_of_json(intent.steps)) {
    PromoteSteps found = std::move(*steps);
    co_return co_await tools.acts.async_recover(std::move(found));
  }
  co_return "the daemon ended in the middle of it: whether it happened is looked at, it is not "
            "done again";
}

}  // namespace

asio::awaitable<void> async_recover(RecoveryTools tools, std::vector<Intent> unfinished,
                                    std::function<void()> done) {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::stable_sort(unfinished.begin(), unfinished.end(),
                   [](const Intent& a, const Intent& b) { return rank(a) < rank(b); });
  std::set<std::uint64_t> handled;
  for (const Intent& intent : unfinished) {
    if (handled.contains(intent.id)) continue;
    Intent one = intent;
    std::vector<std::string> holds;
    std::vector<std::uint64_t> ids{intent.id};
    for (const Intent& other : unfinished) {
      if (intent.kind != "switchover" || other.subject != intent.subject) continue;
      if (other.kind == "hold") holds.push_back(other.steps);
      // Killed between two steps: the newer one says how far it got.
      if (other.kind == "switchover") one = other;
      if (other.kind == "hold" || other.kind == "switchover") ids.push_back(other.id);
    }
    std::string message;
    try {
      log_warn("unfinished " + intent.kind + " of " + intent.subject + ": looking at it");
      message = co_await async_recover_one(tools, std::move(one), std::move(holds));
    } catch (const std::exception& e) {
      message = e.what();
    }
    // Cut short: all that is left has to be looked at by the next start.
    if (tools.tasks.is_cancelled()) co_return;
    for (const std::uint64_t id : ids) {
      handled.insert(id);
      tools.journal.outcome(id, ActionOutcome::unknown, message, wall_now());
    }
  }
  done();
}

}  // namespace pointsman
