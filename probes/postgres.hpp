// The postgres probe: one kept and watched session, asked one cheap question each run.
//
// The session is renewed once a minute, since only a new one shows that sessions can still be had.
// The kept one is asked first, within half the time, then the new one is logged in before the old
// one is dropped. Where the server says why it cannot be had, that is the run's finding, whatever
// the old one said; where nothing comes (a directory or a name server that hangs the login) the
// old one stays, its answer is the finding with a warning, and the renewal is tried again later.
// A session whose answer did not come in time is dropped. `timeout` means that not a byte came, and
// that a new session was asked for: see tell_frozen_apart. Holds at most two connections, for the
// length of a renewal.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "probes/pg_connection.hpp"
#include "probes/postgres_facts.hpp"
#include "probes/prober.hpp"

namespace pointsman {

class PostgresProber final : public Prober {
 public:
  static constexpr std::chrono::seconds usual_renewal{60};
  /// Until the next try, where a login had no end. Each leaves a process in the server behind.
  static constexpr std::chrono::seconds renew_again_after{10};

  PostgresProber(PostgresSpec spec, ProberServices services, Duration renew_after = usual_renewal);
  asio::awaitable<Finding> async_run(RunContext& context) override;
  void on_session_end(std::function<void(SessionEnd)> ended) override;
  void close() override;

 private:
  struct Session {
    explicit Session(ProberServices services) : connection(services.executor, services.resolver) {}
    PgConnection connection;
    PostgresConstants constants;
    MonoTime opened;
    PostgresRole last_role = PostgresRole::unknown;
  };
  struct Run {
    RunContext& context;
    MonoTime started;
    bool heard = false;      ///< a byte came from the server
    bool tried_new = false;  ///< a new session was asked for
  };
  /// A new session that did not come in time, while the kept one was there.
  struct NoRenewal {
    MonoTime at;
    std::string message;
  };

  bool is_renewal_due(MonoTime now) const;
  asio::awaitable<Finding> async_find(Run& run);
  asio::awaitable<PgError> async_open(Session& session, Run& run);
  asio::awaitable<Finding> async_ask(Session& session, Run& run);
  asio::awaitable<Finding> async_ask_facts(Session& session, Run& run);
  Finding failed(const PgError& error, const std::string& peer, Run& run);
  Finding kept_finding(Finding kept, const Finding& renewal);
  Finding warn_of_renewal(Finding finding) const;
  void tell_end(SessionEnd how);
  void drop_if_ended();
  void keep_or_drop();

  const PostgresSpec spec_;
  const ProberServices services_;
  const Duration renew_after_;
  std::function<void(SessionEnd)> ended_;
  std::unique_ptr<Session> session_;
  std::optional<NoRenewal> no_renewal_;
  std::optional<Finding> query_failure_;  ///< of the configured query, when it was last asked
  std::optional<MonoTime> caught_up_at_;
};

}  // namespace pointsman
