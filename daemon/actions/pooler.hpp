// One pgbouncer: its console, and what must not be interleaved on it.
//
// RELOAD resets run-time settings, so RELOAD and the short server_login_retry that has to follow it
// (FACTS finding 1: else a pool may refuse for 15 s to connect at all) are one turn; KILL and
// RESUME are another. Several switches of routes on this pooler may run: those that ask for a
// RELOAD at the same moment share one, and the setting goes back when the last has ended. A daemon
// that dies before leaves a harmless 0.3 s. Remembers which databases we hold, since it outlives a
// reload of the configuration. Never sends PAUSE (console_pause.hpp). Loop's thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/actions/console.hpp"
#include "daemon/actions/console_rows.hpp"

namespace pointsman {

/// Of the pooler's connections that a switch needs again and again.
struct PoolerView {
  std::string error;  ///< empty when all of it was read
  std::vector<ServerRow> servers;
  std::vector<PoolRow> pools;
};

struct PoolsView {
  std::string error;
  std::vector<PoolRow> rows;
};

struct DatabasesView {
  std::string error;
  std::vector<DatabaseRow> rows;
};

/// A use of the short server_login_retry; given back by async_restore.
struct RetryUse {
  bool on = false;
};

class Pooler {
 public:
  /// Below a third of a second, pgbouncer's tick, nothing is gained; 0 would be a storm of
  /// connects.
  static constexpr double short_retry = 0.3;
  /// A hold that nobody let go for so long was forgotten.
  static constexpr Duration max_hold = std::chrono::minutes{5};
  /// How long clients that wait for a first server connection put off what the next says.
  static constexpr Duration settle_limit = std::chrono::seconds{1};

  Pooler(asio::any_io_executor executor, Resolver& resolver, Secret admin)
      : console_(std::move(executor), resolver, admin), admin_(std::move(admin)) {}

  Console& console() { return console_; }
  const Secret& admin() const { return admin_; }

  /// RELOAD, the short retry, then what SHOW DATABASES says: RELOAD says "RELOAD" also when the
  /// file was refused. `error` where the console did not answer; a refused RELOAD (1.25) is in
  /// `refused`.
  struct Reloaded {
    std::string error, refused;
    std::vector<DatabaseRow> databases;
  };
  asio::awaitable<Reloaded> async_reload(RetryUse& use, MonoTime deadline);

  /// Cuts the connections of `stuck` and no others where pgbouncer can (1.24: KILL_CLIENT), else
  /// all of the database: every client of it is disconnected once. Empty, or what went wrong.
  asio::awaitable<std::string> async_cut(std::string database, std::vector<ServerRow> stuck,
                                         RetryUse& use, MonoTime deadline);

  /// Marks all server connections of the database for closing: for a name that has a new address.
  asio::awaitable<std::string> async_reconnect(std::string database, RetryUse& use,
                                               MonoTime deadline);

  /// KILL, and the database stays paused: a hold where sessions would never end. Empty, or what
  /// went wrong. It may be paused in either case.
  asio::awaitable<std::string> async_kill_to_hold(std::string database, MonoTime deadline);

  /// The short retry, then RESUME of a database that we hold. Ends the hold where that worked; else
  /// the hold is overdue. Empty, or what went wrong.
  asio::awaitable<std::string> async_let_go(std::string database, RetryUse& use, MonoTime deadline);

  /// Waits, at most settle_limit, until every pool of the database is seen to be logged in. Before
  /// that the long retry must not come back: a pool whose last login failed or was cut would wait
  /// it out, and nothing on the console tells which those are. Where one stays without a connection
  /// (its clients may be between two tries) the pooler takes the use over, and the short retry
  /// stays for as long as such a failure is remembered: async_restore_kept.
  asio::awaitable<void> async_settle(std::string database, RetryUse& use, MonoTime deadline);

  /// At each look: the short retry that async_settle kept goes back when its time is over, or every
  /// pool of the database has logged in.
  asio::awaitable<void> async_restore_kept(std::string database, MonoTime deadline);

  /// False: it is held already.
  bool begin_hold(const std::string& database);
  void end_hold(const std::string& database) { holds_.erase(database); }
  bool is_held(const std::string& database) const { return holds_.count(database) != 0; }
  /// Held, but by nobody any more who would let it go.
  bool is_overdue(const std::string& database) const;
  void mark_overdue(const std::string& database);

  /// Gives the use back; the last one puts server_login_retry as pgbouncer.ini has it. Empty, or a
  /// warning.
  asio::awaitable<std::string> async_restore(RetryUse& use, MonoTime deadline);

  /// After a start: a short retry that a killed daemon left goes back, with `use`.
  asio::awaitable<std::string> async_clean_up(RetryUse& use, MonoTime deadline);

  asio::awaitable<DatabasesView> async_databases(MonoTime deadline);
  asio::awaitable<PoolerView> async_view(std::string database, MonoTime deadline);
  asio::awaitable<PoolsView> async_pools(std::string database, MonoTime deadline);
  /// A value of SHOW CONFIG; empty where there is none, or no answer.
  asio::awaitable<std::string> async_setting(std::string key, MonoTime deadline);
  /// Who keeps server connections of the database busy, in words. Never fails.
  asio::awaitable<std::string> async_describe_holders(std::string database, MonoTime deadline);

 private:
  struct Hold {
    MonoTime since{};
    bool is_overdue = false;
  };
  void keep(const std::string& database, RetryUse& use);
  asio::awaitable<std::optional<double>> async_read_retry(std::string& error, MonoTime deadline);
  asio::awaitable<std::string> async_shorten(RetryUse& use, bool after_reload, MonoTime deadline);
  asio::awaitable<std::string> async_kill(std::string database, MonoTime deadline);
  asio::awaitable<std::string> async_resume(std::string database, MonoTime deadline);
  asio::awaitable<bool> async_send_reload(Reloaded& reloaded, MonoTime deadline);
  asio::awaitable<bool> async_kill_clients(std::vector<ServerRow> stuck, MonoTime deadline);

  Console console_;
  Secret admin_;
  AsyncLock turn_;
  int uses_ = 0;
  std::optional<double> configured_;  ///< server_login_retry of pgbouncer.ini, as last seen
  std::map<std::string, MonoTime> kept_until_;  ///< by database: a use that async_settle took over
  std::uint64_t reloads_asked_ = 0;
  std::uint64_t reloads_done_ = 0;  ///< the newest ask that a RELOAD, begun after it, has served
  std::map<std::string, Hold> holds_;
};

}  // namespace pointsman
