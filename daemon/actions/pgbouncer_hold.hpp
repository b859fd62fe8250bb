// Holding the clients of one pgbouncer database for a planned change, and undoing it.
//
// The intent first, so that a start after a kill lets go what was ours and nothing else. Then PAUSE
// on a session that is thrown away (KILL where a pool is session-pooled: its sessions would stay on
// the old server for good, FACTS finding 5), and SHOW DATABASES until the database is paused and no
// server connection is left. Where that is not so at the deadline, the clients are let go and the
// report says who kept a transaction open: nobody's query is cut. Loop's thread.
#pragma once

#include <string>

#include "daemon/actions/adapter.hpp"
#include "daemon/actions/console_pause.hpp"
#include "daemon/actions/pgbouncer_switch.hpp"

namespace pointsman {

class PgbouncerHold {
 public:
  PgbouncerHold(SwitchTools tools, PgbouncerRoute route, Intend intend, MonoTime deadline);
  PgbouncerHold(const PgbouncerHold&) = delete;
  PgbouncerHold& operator=(const PgbouncerHold&) = delete;

  /// Once. The caller must have called throw_if_cancelled(false).
  asio::awaitable<HoldReport> async_run();

 private:
  asio::awaitable<std::string> async_check();
  asio::awaitable<std::string> async_begin();
  asio::awaitable<std::string> async_kill();
  asio::awaitable<std::string> async_wait_held();
  asio::awaitable<HoldReport> async_undo(std::string why);
  asio::awaitable<std::string> async_why_late();
  asio::awaitable<HoldReport> async_report_held();
  SwitchSteps steps() const;

  SwitchTools tools_;
  PgbouncerRoute route_;
  Intend intend_;
  MonoTime started_{}, deadline_{};
  ConsolePause pause_;
  bool has_sessions_ = false;  ///< of session pooling
  bool is_killed_ = false;
  bool is_paused_ = false;  ///< seen so
};

/// Lets the clients of a database that we hold go: the short retry, RESUME, and the retry back once
/// they are served. Empty, or what went wrong: then it is tried again at the next observation.
asio::awaitable<std::string> async_let_go(SwitchTools tools, std::string database,
                                          MonoTime deadline);

}  // namespace pointsman
