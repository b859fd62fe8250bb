// The postgres probe: one kept and watched session, asked one cheap question each run.
//
// The session is renewed once a minute, since only a new one shows that sessions can still be had;
// the new one is logged in before the old one is dropped, and where it cannot be had that is the
// run's finding, whatever the old one would have said. A run never tries twice. A session whose
// answer did not come in time is dropped. Holds at most two connections, for the length of a
// renewal.
#pragma once

#include <memory>

#include "probes/pg_connection.hpp"
#include "probes/postgres_facts.hpp"
#include "probes/prober.hpp"

namespace pointsman {

class PostgresProber final : public Prober {
 public:
  static constexpr std::chrono::seconds renew_after{60};

  PostgresProber(PostgresSpec spec, ProberServices services);
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

  bool needs_new_session(MonoTime now);
  asio::awaitable<PgError> async_open(Session& session, RunContext& context);
  asio::awaitable<Finding> async_ask(Session& session, RunContext& context, MonoTime started);
  void keep_or_drop();

  const PostgresSpec spec_;
  const ProberServices services_;
  std::function<void(SessionEnd)> ended_;
  std::unique_ptr<Session> session_;
  std::optional<MonoTime> caught_up_at_;
};

}  // namespace pointsman
