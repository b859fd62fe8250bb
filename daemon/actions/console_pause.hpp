// PAUSE of one database, on a session of its own that is thrown away.
//
// Its answer may never come: a transaction stays open, RESUME on another session does not answer
// it, PAUSE of two databases answer each other (FACTS finding 9). So nobody waits for it: what SHOW
// DATABASES says on the usual console counts, and an error here only tells why nothing happens. To
// close the session does not undo the pause. async_close() must be awaited before it goes. Loop's
// thread.
#pragma once

#include <memory>
#include <string>

#include "daemon/actions/deadline.hpp"
#include "probes/pg_connection.hpp"

namespace pointsman {

class ConsolePause {
 public:
  ConsolePause(asio::any_io_executor executor, Resolver& resolver, Secret admin);
  ConsolePause(const ConsolePause&) = delete;
  ConsolePause& operator=(const ConsolePause&) = delete;
  ~ConsolePause();

  /// Once. Nothing is sent after `deadline`.
  void start(const std::string& database, MonoTime deadline);
  asio::awaitable<void> async_close();

  /// pgbouncer has it, or may have it.
  bool is_sent() const;
  /// pgbouncer said no: the database was not paused by this.
  bool is_refused() const;
  const PgError& error() const;

 private:
  struct State;
  static asio::awaitable<void> async_send(std::shared_ptr<State> state, std::string sql,
                                          MonoTime deadline);
  std::shared_ptr<State> state_;
};

}  // namespace pointsman
