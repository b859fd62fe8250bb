#include "probes/postgres.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/deadline.hpp"
#include "probes/dial.hpp"
#include "probes/kinds.hpp"
#include "probes/pg_message.hpp"

namespace pointsman {
namespace {

bool has_facts(const std::optional<Finding>& finding) {
  return finding && std::holds_alternative<PostgresFacts>(finding->facts);
}

}  // namespace

PostgresProber::PostgresProber(PostgresSpec spec, ProberServices services, Duration renew_after)
    : spec_(std::move(spec)), services_(services), renew_after_(renew_after) {}

void PostgresProber::on_session_end(std::function<void(SessionEnd)> ended) {
  ended_ = std::move(ended);
}

void PostgresProber::close() {
  session_.reset();
  no_renewal_.reset();
  query_failure_.reset();
  caught_up_at_.reset();
}

/// What a session was told in a run. One that is lost without a word is the run's own finding.
void PostgresProber::tell_end(SessionEnd how) {
  if (how != SessionEnd::lost && ended_) ended_(how);
}

/// Reads what has come to the kept session.
void PostgresProber::drop_if_ended() {
  if (!session_ || session_->connection.check()) return;
  const SessionEnd how = session_->connection.session_end();
  session_.reset();
  tell_end(how);
}

void PostgresProber::keep_or_drop() {
  if (spec_.session == SessionUse::fresh) session_.reset();
  drop_if_ended();
  if (!session_) return;
  session_->connection.watch([this](SessionEnd how) {
    session_.reset();
    if (ended_) ended_(how);
  });
}

bool PostgresProber::is_renewal_due(MonoTime now) const {
  if (now - session_->opened < renew_after_) return false;
  return !no_renewal_ ||
         now - no_renewal_->at >= std::min<Duration>(renew_after_, renew_again_after);
}

Finding PostgresProber::failed(const PgError& error, const std::string& peer, Run& run) {
  run.heard = run.heard || error.heard;
  if (error.kind == PgError::Kind::server && error.phase == PgPhase::query) {
    tell_end(classify_session_end(error.sqlstate, error.source_function));
  }
  return finding_of_pg_error(error, peer, mono_now() - run.started);
}

asio::awaitable<PgError> PostgresProber::async_open(Session& session, Run& run) {
  PgTarget target;
  target.conninfo = spec_.conninfo;
  target.password = spec_.password;
  target.deadline = run.context.deadline;
  const MonoTime started = mono_now();
  run.tried_new = true;
  PgError error = co_await session.connection.async_connect(std::move(target));
  if (error) co_return error;
  run.heard = true;
  session.opened = mono_now();
  run.context.tell(fmt::format("logged in at {} in {}", session.connection.peer_address(),
                               duration_text(session.opened - started)));
  auto question = std::string(postgres_constants_question());
  PgAnswer answer = co_await session.connection.async_query(std::move(question));
  // Where the role may not read them they stay unknown.
  if (answer.error && answer.error.kind != PgError::Kind::server) co_return answer.error;
  if (!session.connection.is_open()) co_return answer.error;
  session.constants = read_constants(answer.rows, session.connection.parameter("server_version"));
  co_return PgError{};
}

asio::awaitable<Finding> PostgresProber::async_ask_facts(Session& session, Run& run) {
  co_await asio::this_coro::throw_if_cancelled(false);  // may be a coroutine of its own
  const std::string peer = session.connection.peer_address();
  const MonoTime asked = mono_now();
  auto question = std::string(postgres_question(session.last_role));
  const PgAnswer answer = co_await session.connection.async_query(std::move(question));
  if (answer.error) co_return failed(answer.error, peer, run);
  run.heard = true;
  auto facts = read_postgres_facts(answer.rows, session.constants);
  if (!facts) {
    Finding finding;
    finding.outcome = Outcome::fail;
    finding.reason = Reason::protocol_error;
    finding.message = fmt::format("{} answered another question than ours", peer);
    co_return finding;
  }
  session.last_role = facts->role;
  const MonoTime now = mono_now();
  bound_lag(*facts, now, caught_up_at_);
  Finding finding = judge_postgres(spec_, *facts);
  run.context.tell(
      fmt::format("asked {} in {}: {}", peer, duration_text(now - asked), finding.message));
  co_return finding;
}

asio::awaitable<Finding> PostgresProber::async_ask(Session& session, Run& run) {
  Finding finding = co_await async_ask_facts(session, run);
  if (spec_.query.empty() || finding.outcome != Outcome::pass) co_return finding;
  query_failure_.reset();
  const std::string peer = session.connection.peer_address();
  const MonoTime asked = mono_now();
  auto own = spec_.query;
  const PgAnswer answer = co_await session.connection.async_query(std::move(own));
  if (!answer.error) {
    run.context.tell(
        fmt::format("the configured query took {}", duration_text(mono_now() - asked)));
    co_return finding;
  }
  // The facts stay: the server answers, whatever became of this.
  Finding failure = failed(answer.error, peer, run);
  failure.message = "the configured query: " + failure.message;
  failure.facts = std::move(finding.facts);
  query_failure_ = failure;
  co_return failure;
}

/// The kept session has answered and `renewal` says how a new one did not come.
Finding PostgresProber::kept_finding(Finding kept, const Finding& renewal) {
  no_renewal_ = NoRenewal{mono_now(), renewal.message};
  if (kept.outcome == Outcome::pass && query_failure_) {
    // No time was left to ask it again: what it said last still holds.
    query_failure_->facts = std::move(kept.facts);
    return *query_failure_;
  }
  return warn_of_renewal(std::move(kept));
}

Finding PostgresProber::warn_of_renewal(Finding finding) const {
  if (!no_renewal_ || finding.outcome != Outcome::pass) return finding;
  finding.outcome = Outcome::warn;
  finding.reason = Reason::slow;
  finding.message += "; but no new session: " + no_renewal_->message;
  return finding;
}

asio::awaitable<Finding> PostgresProber::async_find(Run& run) {
  if (session_ && !is_renewal_due(run.started)) {
    Finding finding = co_await async_ask(*session_, run);
    co_return warn_of_renewal(std::move(finding));
  }
  std::optional<Finding> kept;
  if (session_) {
    const MonoTime half = run.started + (run.context.deadline - run.started) / 2;
    auto asking = async_ask_facts(*session_, run);
    kept = co_await async_until(half, std::move(asking));
    if (!session_->connection.is_open()) session_.reset();
  }
  auto fresh = std::make_unique<Session>(services_);
  const PgError error = co_await async_open(*fresh, run);
  if (error) {
    Finding failure = failed(error, fresh->connection.peer_address(), run);
    if (error.kind == PgError::Kind::cancelled && has_facts(kept)) {
      co_return kept_finding(*std::move(kept), failure);
    }
    no_renewal_.reset();
    co_return failure;
  }
  session_ = std::move(fresh);
  no_renewal_.reset();
  Finding finding = co_await async_ask(*session_, run);
  co_return finding;
}

asio::awaitable<Finding> PostgresProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Run run{context, mono_now()};
  if (session_) session_->connection.watch({});
  drop_if_ended();
  Finding finding = co_await async_find(run);
  keep_or_drop();
  tell_frozen_apart(finding, run.heard, run.tried_new);
  co_return finding;
}

std::unique_ptr<Prober> make_postgres_prober(const PostgresSpec& spec, ProberServices services) {
  return std::make_unique<PostgresProber>(spec, services);
}

}  // namespace pointsman
