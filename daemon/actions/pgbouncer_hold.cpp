#include "daemon/actions/pgbouncer_hold.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

/// How often the console is asked: a hold is over some milliseconds after the last commit.
constexpr Duration first_tick = std::chrono::milliseconds{2};
constexpr Duration longest_tick = std::chrono::milliseconds{20};
constexpr Duration look_limit = std::chrono::seconds{1};
constexpr Duration undo_limit = std::chrono::seconds{4};

std::string seconds_text(Duration duration) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(duration).count());
}

}  // namespace

asio::awaitable<std::string> async_let_go(SwitchTools tools, std::string database,
                                          MonoTime deadline) {
  RetryUse retry;
  auto& pooler = *tools.pooler;
  const auto error = co_await pooler.async_let_go(database, retry, deadline);
  POINTSMAN_FAULT_POINT("pgbouncer.hold_released");
  if (error.empty())
    co_await pooler.async_settle(database, retry, mono_now() + Pooler::settle_limit);
  POINTSMAN_FAULT_POINT("pgbouncer.hold_restore");
  // What is said here is about a setting that harms nobody; the clients are free.
  co_await pooler.async_restore(retry, mono_now() + tools.limits.restore);
  co_return error;
}

PgbouncerHold::PgbouncerHold(SwitchTools tools, PgbouncerRoute route, Intend intend,
                             MonoTime deadline)
    : tools_(std::move(tools)),
      route_(std::move(route)),
      intend_(std::move(intend)),
      deadline_(deadline),
      pause_(tools_.executor, *tools_.resolver, tools_.pooler->admin()) {}

asio::awaitable<HoldReport> PgbouncerHold::async_run() {
  started_ = mono_now();
  std::string why = co_await async_check();
  if (!why.empty()) co_return HoldReport{false, false, why};
  if (!tools_.pooler->begin_hold(route_.database)) {
    co_return HoldReport{false, false, fmt::format("{} is held already", route_.database)};
  }
  auto intent = to_json(steps());
  co_await intend_(std::move(intent));
  POINTSMAN_FAULT_POINT("pgbouncer.hold_intent");
  why = co_await async_begin();
  if (why.empty()) why = co_await async_wait_held();
  co_await pause_.async_close();
  if (!why.empty()) co_return co_await async_undo(std::move(why));
  POINTSMAN_FAULT_POINT("pgbouncer.held");
  co_return co_await async_report_held();
}

SwitchSteps PgbouncerHold::steps() const {
  SwitchSteps steps;
  steps.route = route_.route.text;
  steps.pooler = tools_.pooler->console().where();
  steps.file = tools_.file->path();
  steps.database = route_.database;
  steps.held = true;
  steps.killed = has_sessions_;
  return steps;
}

/// Why it cannot be held, before anything is done.
asio::awaitable<std::string> PgbouncerHold::async_check() {
  auto& pooler = *tools_.pooler;
  if (pooler.is_overdue(route_.database)) {
    // An earlier hold could not be undone.
    auto error = co_await async_let_go(tools_, route_.database, deadline_);
    if (!error.empty()) co_return error;
  }
  const auto view = co_await pooler.async_databases(deadline_);
  if (!view.error.empty()) co_return view.error;
  const auto* row = find_database(view.rows, route_.database);
  if (row == nullptr) co_return fmt::format("the pooler does not know {}", route_.database);
  if (pooler.is_held(route_.database)) co_return std::string{};  // async_run says so
  if (row->paused || row->disabled) {
    co_return fmt::format("{} is {} on the pooler, and not by us: {} {} on its console ends that",
                          route_.database, row->paused ? "paused" : "disabled",
                          row->paused ? "RESUME" : "ENABLE", quote_name(route_.database));
  }
  const auto servers = co_await pooler.async_view(route_.database, deadline_);
  has_sessions_ = has_session_pooling(servers.pools);
  co_return servers.error;
}

asio::awaitable<std::string> PgbouncerHold::async_begin() {
  if (has_sessions_) co_return co_await async_kill();
  pause_.start(route_.database, deadline_);
  co_return std::string{};
}

asio::awaitable<std::string> PgbouncerHold::async_kill() {
  is_killed_ = true;
  co_return co_await tools_.pooler->async_kill_to_hold(route_.database, deadline_);
}

/// Until nobody is left on the old server; else why not.
asio::awaitable<std::string> PgbouncerHold::async_wait_held() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  Duration tick = first_tick;
  while (!was_cancelled(cancellation)) {
    // Not cut off by our own deadline: the last look is what tells why it was missed.
    const auto view = co_await tools_.pooler->async_databases(mono_now() + look_limit);
    const auto* row = find_database(view.rows, route_.database);
    if (view.error.empty() && row == nullptr) {
      co_return fmt::format("the pooler does not know {} any more", route_.database);
    }
    if (row != nullptr && row->paused) {
      if (!std::exchange(is_paused_, true)) POINTSMAN_FAULT_POINT("pgbouncer.paused");
      if (row->current_connections == 0) co_return std::string{};
    }
    // Before the look at the clock: why nothing happens says more than that it took too long.
    if (pause_.error() && (pause_.is_refused() || !pause_.is_sent())) {
      co_return tools_.pooler->console().describe(pause_.error(), "PAUSE");
    }
    if (mono_now() >= deadline_) {
      if (!view.error.empty()) co_return view.error;
      co_return co_await async_why_late();
    }
    if (is_paused_ && !is_killed_) {
      // A client of a session pool came after the first look.
      const auto servers = co_await tools_.pooler->async_view(route_.database, deadline_);
      has_sessions_ = has_session_pooling(servers.pools);
      if (has_sessions_) {
        const auto error = co_await async_kill();
        if (!error.empty()) co_return error;
        continue;
      }
    }
    co_await async_sleep_until(std::min(deadline_, mono_now() + tick));
    tick = std::min(tick + tick / 4, longest_tick);
  }
  co_return std::string("stopped");
}

asio::awaitable<std::string> PgbouncerHold::async_why_late() {
  if (!is_paused_) {
    co_return fmt::format("{} was not paused within {}", route_.database,
                          seconds_text(mono_now() - started_));
  }
  const auto holders =
      co_await tools_.pooler->async_describe_holders(route_.database, mono_now() + undo_limit / 4);
  co_return fmt::format("a transaction on {} did not end within {}: {}", route_.database,
                        seconds_text(mono_now() - started_), holders);
}

asio::awaitable<HoldReport> PgbouncerHold::async_undo(std::string why) {
  auto& pooler = *tools_.pooler;
  HoldReport report;
  const bool is_ours = is_killed_ || (pause_.is_sent() && !pause_.is_refused());
  if (!is_ours) {
    pooler.end_hold(route_.database);
    report.message = std::move(why);
    co_return report;
  }
  const auto error = co_await async_let_go(tools_, route_.database, mono_now() + undo_limit);
  if (!error.empty()) {
    report.message = fmt::format("{}; and it could not be undone: {}", why, error);
    co_return report;
  }
  if (!is_paused_ && pooler.begin_hold(route_.database)) {
    // A PAUSE that was sent and not seen may take effect yet: the next observation looks.
    pooler.mark_overdue(route_.database);
  }
  report.message = why + (is_killed_ ? "; its clients have to connect anew"
                                     : "; its clients were let go again, no query was cut");
  co_return report;
}

asio::awaitable<HoldReport> PgbouncerHold::async_report_held() {
  HoldReport report{true, true, {}};
  const auto took = seconds_text(mono_now() - started_);
  report.message =
      is_killed_ ? fmt::format("{} has session pooling: its sessions were ended, new ones wait",
                               route_.database)
                 : fmt::format("{} is held after {}: no transaction is left, its clients wait",
                               route_.database, took);
  const auto limit = co_await tools_.pooler->async_setting("query_wait_timeout", deadline_);
  if (!limit.empty() && limit != "0") {
    report.message += fmt::format(" for at most {} s (query_wait_timeout)", limit);
  }
  co_return report;
}

}  // namespace pointsman
