#include "probes/postgres.hpp"

#include <utility>

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/dial.hpp"
#include "probes/kinds.hpp"

namespace pointsman {

PostgresProber::PostgresProber(PostgresSpec spec, ProberServices services)
    : spec_(std::move(spec)), services_(services) {}

void PostgresProber::on_session_end(std::function<void(SessionEnd)> ended) {
  ended_ = std::move(ended);
}

void PostgresProber::close() {
  session_.reset();
  caught_up_at_.reset();
}

bool PostgresProber::needs_new_session(MonoTime now) {
  if (session_) {
    session_->connection.watch({});
    if (!session_->connection.check()) session_.reset();
  }
  return !session_ || spec_.session == SessionUse::fresh || now - session_->opened >= renew_after;
}

asio::awaitable<PgError> PostgresProber::async_open(Session& session, RunContext& context) {
  PgTarget target;
  target.conninfo = spec_.conninfo;
  target.password = spec_.password;
  target.deadline = context.deadline;
  const MonoTime started = mono_now();
  PgError error = co_await session.connection.async_connect(std::move(target));
  if (error) co_return error;
  session.opened = mono_now();
  context.tell(fmt::format("logged in at {} in {}", session.connection.peer_address(),
                           duration_text(session.opened - started)));
  auto question = std::string(postgres_constants_question());
  PgAnswer answer = co_await session.connection.async_query(std::move(question));
  // Where the role may not read them they stay unknown.
  if (answer.error && answer.error.kind != PgError::Kind::server) co_return answer.error;
  if (!session.connection.is_open()) co_return answer.error;
  session.constants = read_constants(answer.rows, session.connection.parameter("server_version"));
  co_return PgError{};
}

asio::awaitable<Finding> PostgresProber::async_ask(Session& session, RunContext& context,
                                                   MonoTime started) {
  const std::string peer = session.connection.peer_address();
  const MonoTime asked = mono_now();
  auto question = std::string(postgres_question(session.last_role));
  const PgAnswer answer = co_await session.connection.async_query(std::move(question));
  if (answer.error) co_return finding_of_pg_error(answer.error, peer, mono_now() - started);
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
  context.tell(
      fmt::format("asked {} in {}: {}", peer, duration_text(now - asked), finding.message));
  if (spec_.query.empty() || finding.outcome != Outcome::pass) co_return finding;

  auto own = spec_.query;
  const PgAnswer second = co_await session.connection.async_query(std::move(own));
  if (second.error) {
    finding = finding_of_pg_error(second.error, peer, mono_now() - started);
    finding.message = "the configured query: " + finding.message;
    finding.facts = *facts;
  } else {
    context.tell(fmt::format("the configured query took {}", duration_text(mono_now() - now)));
  }
  co_return finding;
}

void PostgresProber::keep_or_drop() {
  if (!session_) return;
  if (spec_.session == SessionUse::fresh || !session_->connection.check()) {
    session_.reset();
    return;
  }
  session_->connection.watch([this](SessionEnd how) {
    session_.reset();
    if (ended_) ended_(how);
  });
}

asio::awaitable<Finding> PostgresProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const MonoTime started = mono_now();
  if (needs_new_session(started)) {
    auto fresh = std::make_unique<Session>(services_);
    const PgError error = co_await async_open(*fresh, context);
    if (error) {
      keep_or_drop();
      co_return finding_of_pg_error(error, fresh->connection.peer_address(), mono_now() - started);
    }
    session_ = std::move(fresh);
  }
  const Finding finding = co_await async_ask(*session_, context, started);
  keep_or_drop();
  co_return finding;
}

std::unique_ptr<Prober> make_postgres_prober(const PostgresSpec& spec, ProberServices services) {
  return std::make_unique<PostgresProber>(spec, services);
}

}  // namespace pointsman
