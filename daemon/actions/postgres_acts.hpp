// Promoting a PostgreSQL standby, and the talk with a server that a planned change needs.
//
// The promotion: one more look at the candidate (promote_check), the intent, `pg_promote(false)`
// once, then a question each `poll` until it takes writes. What fails before pg_promote was sent is
// `failed`, and it names the GRANT where that is what is missing; from then on it is `ok` or
// `unknown`: a lost connection or a deadline leads to looking, never to asking again. Loop's
// thread.
#pragma once

#include <string>
#include <vector>

#include "daemon/actions/promote_check.hpp"
#include "daemon/actions/server_acts.hpp"
#include "probes/pg_connection.hpp"
#include "probes/prober.hpp"

namespace pointsman {

/// One session with one server, opened when it is first needed and anew when it is gone.
class PostgresTalk {
 public:
  PostgresTalk(ProberServices services, PostgresSpec spec);

  /// The answer, or why there is none; after a deadline the session is closed. The caller must have
  /// called throw_if_cancelled(false).
  asio::awaitable<PgAnswer> async_ask(std::string sql, MonoTime deadline);
  void close() { connection_.close(); }
  /// "10.0.1.11:5432": whom we asked; empty before the first try.
  std::string peer() const { return connection_.peer_address(); }

 private:
  asio::awaitable<PgAnswer> async_run(std::string sql, MonoTime deadline);
  const PostgresSpec spec_;
  PgConnection connection_;
};

/// One look; `error` is empty when it was had, else one line. The timeline is exact where our role
/// may know it.
struct PostgresSeen {
  std::string error;
  PgError::Kind kind = PgError::Kind::none;  ///< of the error
  std::string sqlstate;                      ///< likewise
  PostgresLook look;
};
asio::awaitable<PostgresSeen> async_look(PostgresTalk& talk, MonoTime deadline);

class PostgresPromotion {
 public:
  static constexpr Duration look_limit = std::chrono::seconds{3};
  /// How long a standby that has WAL of a newer timeline is waited for before it is refused.
  static constexpr Duration under_way_limit = std::chrono::seconds{1};
  static constexpr Duration poll = std::chrono::milliseconds{8};
  /// A candidate that does not answer is asked anew after this.
  static constexpr Duration answer_limit = std::chrono::seconds{1};
  /// How long the WAL receiver is given to end its try to connect (FACTS finding 10); refused, that
  /// is some milliseconds.
  static constexpr Duration calm_limit = std::chrono::milliseconds{120};

  PostgresPromotion(ProberServices services, PostgresSpec spec, PromoteServer order, Intend intend);
  PostgresPromotion(const PostgresPromotion&) = delete;
  PostgresPromotion& operator=(const PostgresPromotion&) = delete;

  /// Once. The caller must have called throw_if_cancelled(false).
  asio::awaitable<PromoteReport> async_run();

 private:
  asio::awaitable<void> async_wait_until_calm();
  asio::awaitable<PromoteReport> async_wait_promoted(std::string last_trouble);
  PromoteReport report(ActionOutcome outcome, std::string text) const;

  PostgresTalk talk_;
  PromoteServer order_;
  Intend intend_;
  MonoTime started_{}, deadline_{};
  PostgresLook look_;
  std::vector<std::string> notes_;
};

}  // namespace pointsman
