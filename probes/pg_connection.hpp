// One libpq connection, driven without blocking on Asio's reactor.
//
// Names are resolved first (Resolver) and libpq gets numeric addresses (hostaddr); its own
// connect_timeout is not used; PQsocket is looked up again after every PQconnectPoll. The caller
// sets the deadline by cancelling the coroutine; every call then returns soon with
// `PgError::cancelled` and the connection must be closed. Simple queries only: pgbouncer's admin
// console takes no others. At most `max_addresses` are tried, and `max_rows` rows are taken of one
// query. Service files of libpq are not read; what else it understands (sslmode, options, passfile)
// is left to it. Used by the postgres and pgbouncer probes and by daemon/actions. Not thread-safe:
// the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/event.hpp"
#include "policies/model/result.hpp"
#include "policies/model/time.hpp"
#include "probes/asio.hpp"
#include "probes/resolver.hpp"
#include "probes/secret.hpp"

namespace pointsman {

enum class PgPhase { resolve, connect, login, query };

/// What went wrong, where, and in whose words. `sqlstate` is empty where the server did not say.
struct PgError {
  /// `server`: an error that the server sent, with its sqlstate. `auth`: we cannot do what the
  /// server asks for (no password). `closed`: the peer ended the connection without a word.
  enum class Kind {
    none,
    cancelled,
    refused,
    unreachable,
    dns,
    tls,
    auth,
    server,
    closed,
    protocol,
    ours
  };
  Kind kind = Kind::none;
  PgPhase phase = PgPhase::connect;
  std::string sqlstate;         ///< "57P03"
  std::string source_function;  ///< PG_DIAG_SOURCE_FUNCTION
  std::string message;          ///< one line, no secret
  bool heard = false;           ///< something had come from the server since we asked
  explicit operator bool() const { return kind != Kind::none; }
};

/// A result as text. Columns are found by name, since pgbouncer inserts some in later versions.
struct PgRows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::string command_tag;  ///< "RELOAD", "SELECT 1"

  /// The value, or nullptr when there is no such column, or it is NULL.
  const std::string* get(std::size_t row, std::string_view column) const;
};

struct PgAnswer {
  PgError error;
  PgRows rows;
};

struct PgTarget {
  Secret conninfo;  ///< URI or keywords; as the user wrote it
  std::optional<Secret> password;
  std::string application_name = "pointsman";
  /// Where given, all addresses but the last get an equal share of what is left until then, so that
  /// a dead one does not eat it all. The caller still has to cancel.
  std::optional<MonoTime> deadline;
};

class PgConnection {
 public:
  static constexpr std::size_t max_addresses = 8;
  static constexpr std::size_t max_rows = 10'000;

  PgConnection(asio::any_io_executor executor, Resolver& resolver);
  ~PgConnection();
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  /// Closes what was open, then connects and logs in. Hosts of a list are tried in turn.
  asio::awaitable<PgError> async_connect(PgTarget target);
  /// One simple query. The last result's rows; the first error.
  asio::awaitable<PgAnswer> async_query(std::string sql);

  /// True while a session is there, as far as has been read from its socket.
  bool is_open() const;
  /// Reads what has arrived, without waiting; false when the session has ended. Cheap.
  bool check();
  /// After check() said false: how the session ended, as far as it was told.
  SessionEnd session_end() const;
  /// server_version_num of the session, or pgbouncer's as libpq reads it (11800); 0 when closed.
  int server_version() const;
  /// A ParameterStatus, e.g. "in_hot_standby" (14+), "default_transaction_read_only"; empty if
  /// unknown.
  std::string parameter(const char* name) const;
  /// The numeric address and port of the peer ("10.0.1.10:5432"); a socket's path for unix.
  /// Also of a session that is over, and of the last address that was tried in vain.
  std::string peer_address() const;

  /// While no query runs: calls `ended` once when the server closes the session or says a FATAL.
  /// Stopped by async_query, async_connect, close() and watch({}). What arrives meanwhile (a
  /// changed parameter) is read; a server tells of in_hot_standby only with its next answer, not by
  /// itself.
  void watch(std::function<void(SessionEnd)> ended);
  void close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// The parts of a conninfo that are not secret, as libpq understands it; the error names the
/// mistake.
struct ConninfoParts {
  std::string host, port, dbname, user;
  bool has_password = false;
};
Result<ConninfoParts> parse_conninfo(const std::string& conninfo);

}  // namespace pointsman
