// pgbouncer's admin console: short commands, one at a time, each with its own deadline.
//
// Keeps one session and connects anew when it is gone. A command that may be sent twice (SHOW,
// RELOAD, SET) is sent again on a new session when a kept one turns out to be dead; for any other
// the caller has to look at what happened. Never sends PAUSE or SUSPEND, whose answer may never
// come. Loop's thread; must not outlive its loop.
#pragma once

#include <string>
#include <string_view>

#include "daemon/actions/deadline.hpp"
#include "probes/pg_connection.hpp"

namespace pointsman {

class Console {
 public:
  Console(asio::any_io_executor executor, Resolver& resolver, Secret admin);

  /// Errors that pgbouncer answers are in `error` with kind server; a deadline that passed has kind
  /// cancelled, and then nobody knows whether the command was run. The caller must have called
  /// throw_if_cancelled(false).
  asio::awaitable<PgAnswer> async_command(std::string sql, MonoTime deadline);

  /// "127.0.0.1:6432" or "/run/postgresql:6432": for messages.
  const std::string& where() const { return where_; }
  /// "console 127.0.0.1:6432 does not answer: …" or "… refused RELOAD: …"
  std::string describe(const PgError& error, std::string_view sql) const;

 private:
  asio::awaitable<PgAnswer> async_run(std::string sql, MonoTime deadline);

  PgConnection connection_;
  Secret admin_;
  std::string where_;
  AsyncLock lock_;
};

/// In double quotes, which always works: unquoted names are words only.
std::string quote_name(std::string_view name);
/// In single quotes: unquoted values are words only ("SET x=0.1" is an error).
std::string set_command(std::string_view key, std::string_view value);

}  // namespace pointsman
