#include "daemon/actions/pooler.hpp"

#include <cmath>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

constexpr Duration command_limit = std::chrono::seconds{2};
/// KILL leaves the database paused: RESUME is tried longer than anything else.
constexpr Duration resume_limit = std::chrono::seconds{4};
constexpr int max_resumes = 4;
constexpr Duration resume_pause = std::chrono::milliseconds{100};
constexpr std::string_view retry_key = "server_login_retry";

MonoTime soon(MonoTime deadline) {
  return std::min(deadline, mono_now() + command_limit);
}

bool is_short(double seconds) {
  return std::abs(seconds - Pooler::short_retry) < 1e-6;
}

/// pgbouncer prints seconds, with or without a fraction.
std::string seconds_text(double seconds) {
  return fmt::format("{}", seconds);
}

}  // namespace

asio::awaitable<DatabasesView> Pooler::async_databases(MonoTime deadline) {
  DatabasesView view;
  const auto answer = co_await console_.async_command("SHOW DATABASES", soon(deadline));
  if (answer.error) view.error = console_.describe(answer.error, "SHOW DATABASES");
  view.rows = read_databases(answer.rows);
  co_return view;
}

asio::awaitable<PoolsView> Pooler::async_pools(std::string database, MonoTime deadline) {
  PoolsView view;
  const auto answer = co_await console_.async_command("SHOW POOLS", soon(deadline));
  if (answer.error) view.error = console_.describe(answer.error, "SHOW POOLS");
  view.rows = read_pools(answer.rows, database);
  co_return view;
}

asio::awaitable<PoolerView> Pooler::async_view(std::string database, MonoTime deadline) {
  PoolerView view;
  const auto servers = co_await console_.async_command("SHOW SERVERS", soon(deadline));
  if (servers.error) {
    view.error = console_.describe(servers.error, "SHOW SERVERS");
    co_return view;
  }
  view.servers = read_servers(servers.rows, database);
  auto pools = co_await async_pools(std::move(database), deadline);
  view.error = std::move(pools.error);
  view.pools = std::move(pools.rows);
  co_return view;
}

asio::awaitable<std::optional<double>> Pooler::async_read_retry(std::string& error,
                                                                MonoTime deadline) {
  const auto answer = co_await console_.async_command("SHOW CONFIG", soon(deadline));
  if (answer.error) {
    error = console_.describe(answer.error, "SHOW CONFIG");
    co_return std::nullopt;
  }
  const auto text = read_setting(answer.rows, retry_key);
  if (!text) co_return std::nullopt;
  co_return std::strtod(text->c_str(), nullptr);
}

/// Within a turn. `after_reload`: what SHOW CONFIG says is what pgbouncer.ini has, unless the
/// RELOAD failed half-way and left ours.
asio::awaitable<std::string> Pooler::async_shorten(RetryUse& use, bool after_reload,
                                                   MonoTime deadline) {
  std::string error;
  const auto seconds = co_await async_read_retry(error, deadline);
  if (!error.empty()) co_return error;
  if (!seconds) co_return std::string{};  // a pgbouncer without the setting has no such memory
  if (!is_short(*seconds) && (after_reload || uses_ == 0)) configured_ = *seconds;
  if (!use.on) {
    use.on = true;
    ++uses_;
  }
  if (*seconds <= short_retry) co_return std::string{};
  const auto command = set_command(retry_key, seconds_text(short_retry));
  const auto answer = co_await console_.async_command(command, soon(deadline));
  if (answer.error) co_return console_.describe(answer.error, command);
  POINTSMAN_FAULT_POINT("pgbouncer.retry_set");
  co_return std::string{};
}

/// Within a turn. False where the console did not answer.
asio::awaitable<bool> Pooler::async_send_reload(Reloaded& reloaded, MonoTime deadline) {
  const auto serves = reloads_asked_;
  const auto answer = co_await console_.async_command("RELOAD", soon(deadline));
  if (answer.error && answer.error.kind == PgError::Kind::server &&
      answer.error.phase == PgPhase::query) {
    reloaded.refused = answer.error.message;  // each that asked is to see it for itself
  } else if (answer.error) {
    // Whether it was done is unknown; RELOAD twice is as good as once, so the next order does it.
    reloaded.error = console_.describe(answer.error, "RELOAD");
    co_return false;
  } else {
    reloads_done_ = serves;
  }
  POINTSMAN_FAULT_POINT("pgbouncer.reloaded");
  co_return true;
}

asio::awaitable<Pooler::Reloaded> Pooler::async_reload(RetryUse& use, MonoTime deadline) {
  Reloaded reloaded;
  const auto ask = ++reloads_asked_;
  const auto turn = co_await turn_.async_lock(deadline);
  if (!turn) {
    reloaded.error = fmt::format("console {} is busy with another switch", console_.where());
    co_return reloaded;
  }
  // One that began after the file was written has loaded it: before 1.24 each more would renew all
  // TLS connections.
  if (reloads_done_ < ask) {
    const bool has_answer = co_await async_send_reload(reloaded, deadline);
    if (!has_answer) co_return reloaded;
  }
  reloaded.error = co_await async_shorten(use, true, deadline);
  if (!reloaded.error.empty()) co_return reloaded;
  auto view = co_await async_databases(deadline);
  reloaded.error = std::move(view.error);
  reloaded.databases = std::move(view.rows);
  co_return reloaded;
}

asio::awaitable<std::string> Pooler::async_resume(std::string database, MonoTime deadline) {
  const auto sql = "RESUME " + quote_name(database);
  std::string error;
  for (int i = 0; i < max_resumes && mono_now() < deadline; ++i) {
    const auto answer = co_await console_.async_command(sql, soon(deadline));
    error = answer.error ? console_.describe(answer.error, sql) : std::string{};
    POINTSMAN_FAULT_POINT("pgbouncer.resumed");
    // Whatever was answered, only what SHOW DATABASES says counts.
    const auto view = co_await async_databases(deadline);
    if (view.error.empty()) {
      const auto* row = find_database(view.rows, database);
      if (row == nullptr || !row->paused) co_return std::string{};
    } else if (error.empty()) {
      error = view.error;
    }
    co_await async_sleep_until(mono_now() + resume_pause);
  }
  if (error.empty()) error = fmt::format("{} had no effect", sql);
  co_return fmt::format("{}; {} may still be paused by us: {} on console {} lets clients through",
                        error, database, sql, console_.where());
}

asio::awaitable<std::string> Pooler::async_kill(std::string database, MonoTime deadline) {
  const auto before = co_await async_databases(deadline);
  if (!before.error.empty()) co_return before.error;
  const auto* row = find_database(before.rows, database);
  if (row == nullptr) co_return fmt::format("{} is not known to the pooler", database);
  if (row->paused) co_return fmt::format("{} is paused, and not by us", database);
  const auto sql = "KILL " + quote_name(database);
  const auto killed = co_await console_.async_command(sql, soon(deadline));
  POINTSMAN_FAULT_POINT("pgbouncer.killed");
  // Done or not: it must not stay paused. RESUME of one that is not paused changes nothing.
  const auto resumed = co_await async_resume(database, mono_now() + resume_limit);
  if (!resumed.empty()) {
    begin_hold(database);
    mark_overdue(database);
    co_return resumed;
  }
  co_return killed.error ? console_.describe(killed.error, sql) : std::string{};
}

/// False where this pgbouncer has no KILL_CLIENT, or a stuck connection has no client.
asio::awaitable<bool> Pooler::async_kill_clients(std::vector<ServerRow> stuck, MonoTime deadline) {
  const auto shown = co_await console_.async_command("SHOW CLIENTS", soon(deadline));
  if (shown.error) co_return false;
  const auto ids = find_owner_ids(read_clients(shown.rows), stuck);
  if (ids.empty()) co_return false;
  for (const auto& id : ids) {
    const auto sql = "KILL_CLIENT " + id;
    const auto answer = co_await console_.async_command(sql, soon(deadline));
    if (answer.error && answer.error.kind != PgError::Kind::server) co_return false;
  }
  co_return true;
}

asio::awaitable<std::string> Pooler::async_cut(std::string database, std::vector<ServerRow> stuck,
                                               RetryUse& use, MonoTime deadline) {
  const auto turn = co_await turn_.async_lock(deadline);
  if (!turn) co_return fmt::format("console {} is busy with another switch", console_.where());
  // First, so that a client that logs in between KILL and RESUME does not start the long retry.
  auto error = co_await async_shorten(use, false, deadline);
  if (!error.empty()) co_return error;
  const bool is_exact = co_await async_kill_clients(std::move(stuck), deadline);
  if (is_exact) co_return std::string{};
  error = co_await async_kill(std::move(database), deadline);
  if (!error.empty()) co_return error;
  // Somebody else's RELOAD in between would have undone it.
  co_return co_await async_shorten(use, false, deadline);
}

asio::awaitable<std::string> Pooler::async_reconnect(std::string database, RetryUse& use,
                                                     MonoTime deadline) {
  const auto turn = co_await turn_.async_lock(deadline);
  if (!turn) co_return fmt::format("console {} is busy with another switch", console_.where());
  const auto error = co_await async_shorten(use, false, deadline);
  if (!error.empty()) co_return error;
  const auto sql = "RECONNECT " + quote_name(database);
  const auto answer = co_await console_.async_command(sql, soon(deadline));
  co_return answer.error ? console_.describe(answer.error, sql) : std::string{};
}

asio::awaitable<std::string> Pooler::async_restore(RetryUse& use, MonoTime deadline) {
  if (!use.on) co_return std::string{};
  const auto turn = co_await turn_.async_lock(deadline);
  use.on = false;
  if (--uses_ > 0) co_return std::string{};
  if (!turn) co_return fmt::format("{} stays at {} s", retry_key, short_retry);
  std::string error;
  const auto seconds = co_await async_read_retry(error, deadline);
  if (!error.empty()) co_return error;
  if (!seconds || !is_short(*seconds)) co_return std::string{};
  if (configured_ && is_short(*configured_)) co_return std::string{};
  // Setting it back touches nothing else; a RELOAD would, before 1.24, renew all TLS connections.
  const auto command = configured_ ? set_command(retry_key, seconds_text(*configured_)) : "RELOAD";
  const auto answer = co_await console_.async_command(command, soon(deadline));
  if (answer.error) co_return console_.describe(answer.error, command);
  const auto now = co_await async_read_retry(error, deadline);
  if (!error.empty()) co_return error;
  if (!now || !is_short(*now)) co_return std::string{};
  if (!configured_) {
    // pgbouncer.ini has it so; or it cannot be read, and a later RELOAD tells.
    configured_ = *now;
    co_return std::string{};
  }
  co_return fmt::format("{} is still {} s after {}", retry_key, short_retry, command);
}

asio::awaitable<std::string> Pooler::async_clean_up(RetryUse& use, MonoTime deadline) {
  std::string error;
  if (!use.on && uses_ == 0) {
    const auto seconds = co_await async_read_retry(error, deadline);
    use.on = seconds && is_short(*seconds);
    uses_ += use.on ? 1 : 0;
  }
  const auto restored = co_await async_restore(use, deadline);
  co_return error.empty() ? restored : error;
}

}  // namespace pointsman
