// The pgbouncer probe: what the admin console says of pools, waiting clients and paused databases.
//
// One kept console session, renewed once a minute and dropped when an answer did not come in time.
// It only asks (SHOW); it never changes anything. Columns are found by name, since later versions
// insert some. Reading and judging are pure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "probes/pg_connection.hpp"
#include "probes/prober.hpp"

namespace pointsman {

struct PgbouncerState {
  PgbouncerFacts facts;
  std::vector<std::string> paused;  ///< names of databases
  std::vector<std::string> disabled;
};
/// nullopt: these are not the columns of SHOW POOLS and SHOW DATABASES. The console's own pool and
/// database are left out.
std::optional<PgbouncerState> read_pgbouncer(const PgRows& pools, const PgRows& databases);

Finding judge_pgbouncer(const PgbouncerSpec& spec, const PgbouncerState& state);

/// Like finding_of_pg_error, with what the console's refusals mean.
Finding finding_of_console_error(const PgError& error, const std::string& peer, Duration waited);

class PgbouncerProber final : public Prober {
 public:
  static constexpr std::chrono::seconds renew_after{60};

  PgbouncerProber(PgbouncerSpec spec, ProberServices services);
  asio::awaitable<Finding> async_run(RunContext& context) override;
  void close() override;

 private:
  struct Session {
    explicit Session(ProberServices services) : connection(services.executor, services.resolver) {}
    PgConnection connection;
    MonoTime opened;
  };

  asio::awaitable<PgError> async_open(Session& session, RunContext& context);
  asio::awaitable<Finding> async_ask(Session& session, RunContext& context, MonoTime started);

  const PgbouncerSpec spec_;
  const ProberServices services_;
  std::unique_ptr<Session> session_;
};

}  // namespace pointsman
