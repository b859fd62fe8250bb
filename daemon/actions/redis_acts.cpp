#include "daemon/actions/redis_acts.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "daemon/actions/joined.hpp"
#include "daemon/actions/promote_steps.hpp"
#include "probes/clock.hpp"
#include "probes/dial.hpp"
#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

constexpr Duration demote_limit = std::chrono::seconds{5};
constexpr Duration rewrite_limit = std::chrono::milliseconds{500};

/// Empty, or what will be lost when that server restarts.
asio::awaitable<std::string> async_rewrite(RedisSession& session) {
  std::vector<std::string> words{"CONFIG", "REWRITE"};
  const RedisAnswer answer =
      co_await session.async_command(std::move(words), mono_now() + rewrite_limit);
  if (answer.ok()) co_return std::string();
  co_return fmt::format(
      "its new role is not in its configuration file, and a restart of it undoes it ({})",
      answer.message);
}

/// Of a replica whose link is down, which ROLE does not tell.
asio::awaitable<RedisHoldings> async_holdings(RedisSession& session, MonoTime deadline) {
  RedisHoldings holdings;
  std::vector<std::string> info{"INFO", "replication"};
  RedisAnswer answer = co_await session.async_command(std::move(info), deadline);
  if (answer.ok()) holdings.was_linked = read_was_linked(answer.reply);
  std::vector<std::string> size{"DBSIZE"};
  answer = co_await session.async_command(std::move(size), deadline);
  if (answer.ok()) holdings.keys = answer.reply.integer;
  co_return holdings;
}

bool does_follow(const RedisStanding& standing, const Endpoint& master) {
  return !standing.master && standing.follows == master;
}

}  // namespace

asio::awaitable<RedisSeen> async_role(RedisSession& session, MonoTime deadline) {
  RedisSeen seen;
  std::vector<std::string> words{"ROLE"};
  const RedisAnswer answer = co_await session.async_command(std::move(words), deadline);
  const auto standing = answer.ok() ? read_role(answer.reply) : std::nullopt;
  if (standing) {
    seen.standing = *standing;
  } else {
    seen.was_refused = answer.answered;
    seen.error =
        answer.ok() ? session.where() + ": not a Redis server's answer to ROLE" : answer.message;
  }
  co_return seen;
}

asio::awaitable<std::string> async_find_sentinel(RedisSession& session, MonoTime deadline) {
  std::vector<std::string> words = sentinel_question();
  const RedisAnswer answer = co_await session.async_command(std::move(words), deadline);
  if (!answer.ok()) {
    co_return fmt::format(
        "whether a Redis Sentinel watches it is not known ({}); our user needs PUBSUB NUMSUB",
        answer.message);
  }
  const auto sentinels = read_sentinels(answer.reply);
  if (sentinels == 0) co_return std::string();
  co_return fmt::format(
      "a live Redis Sentinel would act too: {} of them watch {}. Stop them (SENTINEL REMOVE), or "
      "leave `promote:` out so that we follow them",
      sentinels, session.where());
}

asio::awaitable<ActReport> async_follow(RedisSession& session, Endpoint master, Clients clients,
                                        MonoTime deadline) {
  RedisSeen seen = co_await async_role(session, deadline);
  if (!seen.error.empty()) co_return ActReport{ActionOutcome::failed, seen.error};
  const bool did_before = does_follow(seen.standing, master);
  if (!did_before) {
    std::vector<std::string> words{"REPLICAOF", master.host, std::to_string(master.port)};
    const RedisAnswer told = co_await session.async_command(std::move(words), deadline);
    if (!told.ok() && (told.answered || !told.was_sent)) {
      co_return ActReport{ActionOutcome::failed, told.message};
    }
  }
  std::string note;
  if (clients == Clients::cut) {
    std::vector<std::string> words{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"};
    const RedisAnswer cut = co_await session.async_command(std::move(words), deadline);
    if (!cut.ok()) note = fmt::format("; its clients were not cut ({})", cut.message);
  }
  seen = co_await async_role(session, deadline);
  if (!seen.error.empty()) co_return ActReport{ActionOutcome::unknown, seen.error + note};
  if (!does_follow(seen.standing, master)) {
    co_return ActReport{ActionOutcome::failed, fmt::format("{} was told to follow {} and does not",
                                                           session.where(), to_text(master))};
  }
  if (!did_before) {
    const std::string unsaved = co_await async_rewrite(session);
    if (!unsaved.empty()) note += "; " + unsaved;
  }
  co_return ActReport{ActionOutcome::ok,
                      fmt::format("{} follows {}{}", session.where(), to_text(master), note)};
}

RedisPromotion::RedisPromotion(ProberServices services, RedisSpec candidate,
                               std::map<ProbeName, RedisSpec> others, PromoteServer order,
                               Intend intend)
    : services_(services),
      candidate_(services, std::move(candidate)),
      others_(std::move(others)),
      order_(std::move(order)),
      intend_(std::move(intend)) {}

PromoteReport RedisPromotion::report(ActionOutcome outcome, std::string text) const {
  for (const std::string& note : notes_) text += "; " + note;
  return {outcome, std::move(text)};
}

asio::awaitable<PromoteReport> RedisPromotion::async_run() {
  started_ = mono_now();
  deadline_ = started_ + order_.timeout;
  const std::string& name = order_.to.probe.text;
  const MonoTime look_until = std::min(deadline_, started_ + look_limit);
  const RedisSeen seen = co_await async_role(candidate_, look_until);
  std::string why = seen.error;
  if (why.empty()) why = co_await async_find_sentinel(candidate_, look_until);
  if (why.empty() && !seen.standing.master) {
    RedisHoldings holdings;
    if (seen.standing.offset < 0) holdings = co_await async_holdings(candidate_, look_until);
    why = judge_redis_candidate(seen.standing, holdings, name);
  }
  if (!why.empty()) {
    co_return report(
        ActionOutcome::failed,
        fmt::format("{} was not promoted, and nothing was asked of it: {}", name, why));
  }
  std::string steps = to_json(promote_steps_of(order_));
  co_await intend_(std::move(steps));
  POINTSMAN_FAULT_POINT("promote.intended");
  std::string trouble;
  if (!seen.standing.master) {
    std::vector<std::string> words{"REPLICAOF", "NO", "ONE"};
    const RedisAnswer asked = co_await candidate_.async_command(std::move(words), deadline_);
    POINTSMAN_FAULT_POINT("promote.asked");
    if (!asked.ok() && (asked.answered || !asked.was_sent)) {
      co_return report(ActionOutcome::failed,
                       fmt::format("{} was not promoted: {}", name, asked.message));
    }
    trouble = asked.message;
  }
  PromoteReport done = co_await async_wait_master(std::move(trouble));
  if (done.outcome != ActionOutcome::ok) co_return done;
  if (seen.standing.master) done.message += ", and did before";
  co_await async_point_others();
  const std::string unsaved = co_await async_rewrite(candidate_);
  if (!unsaved.empty()) notes_.push_back(unsaved);
  PromoteReport whole = report(ActionOutcome::ok, std::move(done.message));
  whole.promotion_lsn = done.promotion_lsn;
  co_return whole;
}

asio::awaitable<PromoteReport> RedisPromotion::async_wait_master(std::string last_trouble) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const std::string& name = order_.to.probe.text;
  while (!was_cancelled(cancellation) && mono_now() < deadline_) {
    const RedisSeen seen =
        co_await async_role(candidate_, std::min(deadline_, mono_now() + look_limit));
    if (seen.error.empty() && seen.standing.master) {
      PromoteReport done{ActionOutcome::ok,
                         fmt::format("{} takes writes from offset {} on, after {}", name,
                                     seen.standing.offset, duration_text(mono_now() - started_))};
      done.promotion_lsn =
          static_cast<std::uint64_t>(std::max<std::int64_t>(0, seen.standing.offset));
      co_return done;
    }
    last_trouble = seen.error.empty() ? "it is still a replica" : seen.error;
    co_await async_sleep_until(mono_now() + poll);
  }
  co_return report(ActionOutcome::unknown,
                   fmt::format("the promotion of {} was asked for and not seen within {} ({}); it "
                               "may still happen: look at it before anything else is promoted",
                               name, duration_text(mono_now() - started_), last_trouble));
}

asio::awaitable<ActReport> RedisPromotion::async_point(SwitchTarget other) {
  const auto spec = others_.find(other.probe);
  if (spec == others_.end()) {
    co_return ActReport{ActionOutcome::failed, other.probe.text + " has no redis probe"};
  }
  RedisSession session(services_, spec->second);
  co_return co_await async_follow(session, order_.to.endpoint, Clients::stay,
                                  mono_now() + others_limit);
}

asio::awaitable<void> RedisPromotion::async_point_others() {
  std::vector<asio::awaitable<ActReport>> works;
  for (const SwitchTarget& other : order_.others) works.push_back(async_point(other));
  const std::vector<ActReport> reports = co_await async_all(std::move(works));
  POINTSMAN_FAULT_POINT("promote.others_pointed");
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const std::string& name = order_.others[i].probe.text;
    notes_.push_back(reports[i].outcome == ActionOutcome::ok
                         ? name + ": " + reports[i].message
                         : fmt::format("{} does not follow it yet: {}", name, reports[i].message));
  }
}

asio::awaitable<ActReport> async_demote_redis(ProberServices services, RedisSpec server,
                                              RedisSpec new_master, DemoteServer order,
                                              Intend intend) {
  const MonoTime deadline = mono_now() + demote_limit;
  const std::string& name = order.server.probe.text;
  RedisSession master(services, std::move(new_master)), old(services, std::move(server));
  const RedisSeen seen = co_await async_role(master, deadline);
  std::string why = seen.error;
  if (why.empty() && !seen.standing.master) {
    why = fmt::format("{} is no master", order.new_master.probe.text);
  }
  if (why.empty()) why = co_await async_find_sentinel(old, deadline);
  if (!why.empty()) {
    co_return ActReport{ActionOutcome::failed, fmt::format("{} was left as it is: {}", name, why)};
  }
  std::string steps = demote_json(order);
  co_await intend(std::move(steps));
  POINTSMAN_FAULT_POINT("demote.intended");
  ActReport followed =
      co_await async_follow(old, order.new_master.endpoint, Clients::cut, deadline);
  POINTSMAN_FAULT_POINT("demote.done");
  if (followed.outcome == ActionOutcome::ok) {
    followed.message = fmt::format("{}: {}", name, followed.message);
  } else {
    followed.message = fmt::format(
        "{} does not follow the new master, and whoever asks it directly may write there: {}. Cut "
        "it off, or run on it: REPLICAOF {} {}",
        name, followed.message, order.new_master.endpoint.host, order.new_master.endpoint.port);
  }
  co_return followed;
}

}  // namespace pointsman
