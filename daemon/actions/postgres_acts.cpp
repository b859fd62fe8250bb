#include "daemon/actions/postgres_acts.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "daemon/actions/promote_steps.hpp"
#include "probes/clock.hpp"
#include "probes/deadline.hpp"
#include "probes/dial.hpp"
#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

constexpr std::string_view no_privilege = "42501";
constexpr std::string_view not_in_recovery = "55000";

/// "10.0.1.11:5432: …"; the words of a deadline say how far it got.
std::string describe(const PgError& error, const std::string& peer) {
  if (error.kind != PgError::Kind::cancelled) {
    return peer.empty() ? error.message : fmt::format("{}: {}", peer, error.message);
  }
  switch (error.phase) {
    case PgPhase::resolve:
      return "its name was not resolved in time";
    case PgPhase::connect:
      return fmt::format("{} did not accept a connection in time", peer);
    case PgPhase::login:
      return fmt::format("connected to {}, but it did not answer the login in time", peer);
    case PgPhase::query:
      break;
  }
  return fmt::format("{} did not answer in time", peer);
}

}  // namespace

PostgresTalk::PostgresTalk(ProberServices services, PostgresSpec spec)
    : spec_(std::move(spec)), connection_(services.executor, services.resolver) {}

asio::awaitable<PgAnswer> PostgresTalk::async_run(std::string sql, MonoTime deadline) {
  PgAnswer answer;
  if (!connection_.check()) {
    PgTarget target;
    target.conninfo = spec_.conninfo;
    target.password = spec_.password;
    target.deadline = deadline;
    answer.error = co_await connection_.async_connect(std::move(target));
    if (answer.error) co_return answer;
  }
  answer = co_await connection_.async_query(std::move(sql));
  co_return answer;
}

asio::awaitable<PgAnswer> PostgresTalk::async_ask(std::string sql, MonoTime deadline) {
  auto work = async_run(std::move(sql), deadline);
  PgAnswer answer = co_await async_until(deadline, std::move(work));
  // What arrives later must not be taken for the answer to another question.
  if (answer.error && answer.error.kind != PgError::Kind::server) connection_.close();
  co_return answer;
}

asio::awaitable<PostgresSeen> async_look(PostgresTalk& talk, MonoTime deadline) {
  PostgresSeen seen;
  std::string question(look_question());
  PgAnswer answer = co_await talk.async_ask(std::move(question), deadline);
  std::optional<PostgresLook> look;
  if (!answer.error) look = read_look(answer.rows);
  if (!look) {
    seen.kind = answer.error ? answer.error.kind : PgError::Kind::protocol;
    seen.sqlstate = answer.error.sqlstate;
    seen.error = answer.error ? describe(answer.error, talk.peer())
                              : fmt::format("{} does not answer as PostgreSQL does", talk.peer());
    co_return seen;
  }
  seen.look = std::move(*look);
  if (!seen.look.standby || seen.look.timeline != 0 || !seen.look.may_list_wal) co_return seen;
  std::string which(timeline_question());
  answer = co_await talk.async_ask(std::move(which), deadline);
  // Where that fails the lower bound has to do.
  if (!answer.error) seen.look.timeline = read_timeline(answer.rows);
  co_return seen;
}

PostgresPromotion::PostgresPromotion(ProberServices services, PostgresSpec spec,
                                     PromoteServer order, Intend intend)
    : talk_(services, std::move(spec)), order_(std::move(order)), intend_(std::move(intend)) {}

PromoteReport PostgresPromotion::report(ActionOutcome outcome, std::string text) const {
  for (const std::string& note : notes_) text += "; " + note;
  return {outcome, std::move(text)};
}

asio::awaitable<PromoteReport> PostgresPromotion::async_run() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  started_ = mono_now();
  deadline_ = started_ + order_.timeout;
  const MonoTime look_until = std::min(deadline_, started_ + look_limit);
  PromoteJudgement judgement;
  while (true) {
    PostgresSeen seen = co_await async_look(talk_, look_until);
    if (!seen.error.empty()) {
      co_return report(ActionOutcome::failed,
                       fmt::format("{} was not promoted, and nothing was asked of it: {}",
                                   order_.to.probe.text, seen.error));
    }
    look_ = std::move(seen.look);
    judgement = judge_before_promotion(look_, order_);
    if (!may_be_under_way(look_, order_) || was_cancelled(cancellation)) break;
    if (mono_now() >= started_ + under_way_limit || mono_now() >= look_until) break;
    co_await async_sleep_until(mono_now() + poll);
  }
  if (judgement.verdict == PromoteVerdict::refuse) {
    co_return report(ActionOutcome::failed, std::move(judgement.text));
  }
  if (judgement.verdict == PromoteVerdict::already) {
    PromoteReport already = report(ActionOutcome::ok, std::move(judgement.text));
    already.timeline = look_.timeline;
    if (look_.replayed != 0) already.promotion_lsn = look_.replayed;
    co_return already;
  }
  if (!judgement.text.empty()) notes_.push_back(std::move(judgement.text));

  std::string steps = to_json(promote_steps_of(order_));
  co_await intend_(std::move(steps));
  POINTSMAN_FAULT_POINT("promote.intended");
  co_await async_wait_until_calm();
  if (was_cancelled(cancellation) || mono_now() >= deadline_) {
    co_return report(ActionOutcome::failed,
                     fmt::format("{} was not promoted: there was no time left to ask for it",
                                 order_.to.probe.text));
  }
  std::string promote = "SELECT pg_promote(false)";
  const PgAnswer asked =
      co_await talk_.async_ask(std::move(promote), std::min(deadline_, mono_now() + answer_limit));
  POINTSMAN_FAULT_POINT("promote.asked");
  std::string trouble;
  if (asked.error) {
    trouble = describe(asked.error, talk_.peer());
    // The session was gone before, and there was no other: it never had the question.
    if (asked.error.phase != PgPhase::query) {
      co_return report(ActionOutcome::failed,
                       fmt::format("{} was not promoted, and nothing was asked of it: {}",
                                   order_.to.probe.text, trouble));
    }
    const std::string& state = asked.error.sqlstate;
    if (state == no_privilege) {
      co_return report(ActionOutcome::failed,
                       fmt::format("{} was not promoted: {}. {}", order_.to.probe.text, trouble,
                                   grant_text(look_.user, look_.database)));
    }
    // 57P01 and its like end the session, and 55000 says that somebody else was quicker: look.
    const bool is_told = asked.error.kind == PgError::Kind::server && !state.starts_with("57") &&
                         state != not_in_recovery;
    if (is_told) {
      co_return report(ActionOutcome::failed,
                       fmt::format("{} was not promoted: {}", order_.to.probe.text, trouble));
    }
  }
  co_return co_await async_wait_promoted(std::move(trouble));
}

asio::awaitable<void> PostgresPromotion::async_wait_until_calm() {
  if (!look_.may_see_waits) co_return;
  const MonoTime until = std::min(deadline_, mono_now() + calm_limit);
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (!was_cancelled(cancellation)) {
    std::string question(startup_question());
    const PgAnswer answer =
        co_await talk_.async_ask(std::move(question), mono_now() + answer_limit);
    if (answer.error || read_startup(answer.rows) == StartupWait::calm) co_return;
    if (mono_now() + poll >= until) break;
    co_await async_sleep_until(mono_now() + poll / 2);
  }
  notes_.push_back(
      "its WAL receiver was about to connect, which can delay a promotion by "
      "wal_retrieve_retry_interval");
}

asio::awaitable<PromoteReport> PostgresPromotion::async_wait_promoted(std::string last_trouble) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const std::string& name = order_.to.probe.text;
  while (!was_cancelled(cancellation) && mono_now() < deadline_) {
    std::string question(promoted_question());
    const PgAnswer answer = co_await talk_.async_ask(
        std::move(question), std::min(deadline_, mono_now() + answer_limit));
    const auto read = answer.error ? std::nullopt : read_promoted(answer.rows);
    if (read && read->promoted) {
      const std::string took = duration_text(mono_now() - started_);
      if (read->read_only) {
        notes_.push_back(
            "default_transaction_read_only is on there: sessions write only where "
            "they ask for it");
      }
      PromoteReport done = report(
          ActionOutcome::ok, fmt::format("{} takes writes on timeline {} from {} on, after {}",
                                         name, read->timeline, lsn_text(read->begins_at), took));
      done.timeline = read->timeline;
      done.promotion_lsn = read->begins_at;
      co_return done;
    }
    last_trouble = answer.error ? describe(answer.error, talk_.peer()) : "it is still a standby";
    co_await async_sleep_until(mono_now() + poll);
  }
  co_return report(ActionOutcome::unknown,
                   fmt::format("the promotion of {} was asked for and not seen within {} ({}); it "
                               "may still happen: look at it before anything else is promoted",
                               name, duration_text(mono_now() - started_), last_trouble));
}

}  // namespace pointsman
