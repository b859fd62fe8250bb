// Of a pooler: which databases we hold, and how their clients are let go again.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "daemon/actions/pooler.hpp"
#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

constexpr Duration command_limit = std::chrono::seconds{2};
/// A database must not stay paused because a caller's time was over.
constexpr Duration let_go_limit = std::chrono::seconds{4};
constexpr Duration settle_tick = std::chrono::milliseconds{10};
/// Seconds: pgbouncer's default of server_login_retry, and the most that is waited for a longer
/// one.
constexpr double usual_retry = 15, longest_kept = 60;

}  // namespace

bool Pooler::begin_hold(const std::string& database) {
  return holds_.emplace(database, Hold{mono_now(), false}).second;
}

bool Pooler::is_overdue(const std::string& database) const {
  const auto found = holds_.find(database);
  return found != holds_.end() &&
         (found->second.is_overdue || mono_now() - found->second.since > max_hold);
}

void Pooler::mark_overdue(const std::string& database) {
  const auto found = holds_.find(database);
  if (found != holds_.end()) found->second.is_overdue = true;
}

asio::awaitable<std::string> Pooler::async_kill_to_hold(std::string database, MonoTime deadline) {
  const auto turn = co_await turn_.async_lock(deadline);
  if (!turn) co_return fmt::format("console {} is busy with another switch", console_.where());
  const auto sql = "KILL " + quote_name(database);
  const auto limit = std::min(deadline, mono_now() + command_limit);
  const auto killed = co_await console_.async_command(sql, limit);
  POINTSMAN_FAULT_POINT("pgbouncer.hold_killed");
  co_return killed.error ? console_.describe(killed.error, sql) : std::string{};
}

asio::awaitable<std::string> Pooler::async_let_go(std::string database, RetryUse& use,
                                                  MonoTime deadline) {
  const auto limit = std::max(deadline, mono_now() + let_go_limit);
  std::string error;
  {
    const auto turn = co_await turn_.async_lock(limit);
    if (!turn) {
      error = fmt::format("console {} is busy with another switch", console_.where());
    } else {
      // First: else a pool whose login the hold has cut refuses its clients for the long retry.
      // Where it cannot be set they are let go all the same.
      const auto warning = co_await async_shorten(use, false, limit);
      error = co_await async_resume(database, limit);
      if (!error.empty() && !warning.empty()) error = warning + "; " + error;
    }
  }
  if (error.empty()) {
    end_hold(database);
  } else {
    mark_overdue(database);
  }
  co_return error;
}

asio::awaitable<void> Pooler::async_settle(std::string database, RetryUse& use, MonoTime deadline) {
  const auto limit = std::min(deadline, mono_now() + settle_limit);
  while (mono_now() < limit) {
    const auto view = co_await async_view(database, limit);
    if (view.error.empty() && is_settled(view.pools, view.servers)) co_return;
    co_await async_sleep_until(std::min(limit, mono_now() + settle_tick));
  }
  keep(database, use);
}

/// A failed login counts from its start, by the retry that is in force when the next client comes:
/// once the configured one has passed, nothing that was before counts any more.
void Pooler::keep(const std::string& database, RetryUse& use) {
  if (!use.on) return;
  use.on = false;
  if (kept_until_.contains(database)) --uses_;
  const double seconds = std::clamp(configured_.value_or(usual_retry), short_retry, longest_kept);
  kept_until_[database] =
      mono_now() + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

asio::awaitable<void> Pooler::async_restore_kept(std::string database, MonoTime deadline) {
  const auto kept = kept_until_.find(database);
  if (kept == kept_until_.end()) co_return;
  if (mono_now() < kept->second) {
    const auto view = co_await async_view(database, deadline);
    if (!view.error.empty() || !is_settled(view.pools, view.servers)) co_return;
  }
  if (kept_until_.erase(database) == 0) co_return;  // another look was quicker
  RetryUse use{true};
  co_await async_restore(use, deadline);
}

asio::awaitable<std::string> Pooler::async_setting(std::string key, MonoTime deadline) {
  const auto limit = std::min(deadline, mono_now() + command_limit);
  const auto answer = co_await console_.async_command("SHOW CONFIG", limit);
  co_return read_setting(answer.rows, key).value_or(std::string{});
}

asio::awaitable<std::string> Pooler::async_describe_holders(std::string database,
                                                            MonoTime deadline) {
  const auto view = co_await async_view(database, deadline);
  if (!view.error.empty()) co_return view.error;
  const auto limit = std::min(deadline, mono_now() + command_limit);
  const auto shown = co_await console_.async_command("SHOW CLIENTS", limit);
  if (shown.error) co_return console_.describe(shown.error, "SHOW CLIENTS");
  co_return describe_holders(view.servers, read_clients(shown.rows));
}

}  // namespace pointsman
