// A switch that changes nothing: the pooler is to drop its server connections and open new ones.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "daemon/actions/pgbouncer_switch.hpp"

namespace pointsman {

asio::awaitable<SwitchReport> PgbouncerSwitch::async_run_reconnect(MonoTime deadline) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  task_ = Task::reconnect;
  started_ = mono_now();
  deadline_ = std::min(deadline, started_ + tools_.limits.total);
  bool is_proven = co_await async_drop_servers();
  if (is_proven) is_proven = co_await async_prove();
  co_await async_finish();
  if (was_cancelled(cancellation)) {
    failure_ = "stopped before its end";
    co_return report(ActionOutcome::unknown);
  }
  auto result = report(is_proven ? ActionOutcome::ok : ActionOutcome::failed);
  if (is_proven) {
    result.message = fmt::format("the server connections of {} were dropped; {}", route_.database,
                                 result.message);
  }
  co_return result;
}

asio::awaitable<bool> PgbouncerSwitch::async_drop_servers() {
  auto& pooler = *tools_.pooler;
  const auto view = co_await pooler.async_databases(deadline_);
  if (!view.error.empty()) co_return fail(view.error);
  const auto* row = find_database(view.rows, route_.database);
  if (row == nullptr) co_return fail(fmt::format("the pooler does not know {}", route_.database));
  if (row->paused || row->disabled) {
    co_return fail(fmt::format("{} is {} on the pooler{}: no new connection would come of it",
                               route_.database, row->paused ? "paused" : "disabled",
                               pooler.is_held(route_.database) ? " for a planned change" : ""));
  }
  database_ = *row;
  order_.to.clear();
  for (auto& endpoint : endpoints_of(*row)) {
    order_.to.push_back(SwitchTarget{ProbeName{}, std::move(endpoint)});
  }
  applied_ = mono_now();
  const auto error = co_await pooler.async_reconnect(route_.database, retry_, deadline_);
  co_return error.empty() || fail(error);
}

}  // namespace pointsman
