// What a killed daemon left half done, looked at before anything new is thought of.
//
// Each intent without an outcome is handed to whoever made it: an adapter undoes its pause or
// setting, a planned change is undone or carried on. Whether a promotion happened is the engine's
// to judge, once it has seen the servers; only what follows from one is finished here. Hooks and
// steps are not run again: that they were begun is all that is known.
#pragma once

#include <functional>
#include <vector>

#include "daemon/journal/journal.hpp"
#include "daemon/runtime/act_runner.hpp"
#include "daemon/runtime/route_runner.hpp"
#include "daemon/runtime/task_group.hpp"

namespace pointsman {

struct RecoveryTools {
  const TaskGroup& tasks;
  Journal& journal;
  RouteRunner& routes;
  ActRunner& acts;
};

/// In the order in which they were begun; every one has an outcome afterwards, and `done` is
/// called. When the tasks are cancelled meanwhile what is not over keeps its intent, and `done` is
/// not called.
asio::awaitable<void> async_recover(RecoveryTools tools, std::vector<Intent> unfinished,
                                    std::function<void()> done);

}  // namespace pointsman
