// The second half of a switch: is it in effect on the way that the application takes, and is
// nothing left on the old servers?
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "daemon/actions/pgbouncer_switch.hpp"

namespace pointsman {
namespace {

constexpr std::size_t max_queries = 8;
/// What keeps a server busy while the others' queries get other servers of the list.
constexpr Duration balanced_hold = std::chrono::milliseconds{40};
constexpr Duration resolve_limit = std::chrono::seconds{2};
/// How often the console is asked: often at first, when milliseconds count.
constexpr Duration first_tick = std::chrono::milliseconds{5};
constexpr Duration longest_tick = std::chrono::milliseconds{40};
/// A user that is not let in: for so long an application's own connection may come and be the
/// proof.
constexpr Duration refused_patience = std::chrono::seconds{2};
constexpr int max_cuts = 3;

std::string text_of(const Reached& reached) {
  if (reached.addr.empty()) return fmt::format("process {} behind a unix socket", reached.pid);
  return to_text(Endpoint{reached.addr, reached.port});
}

}  // namespace

asio::awaitable<bool> PgbouncerSwitch::async_prove() {
  const auto deadline = std::min(deadline_, mono_now() + tools_.limits.prove);
  make_queries(deadline);
  asio::steady_timer wake(tools_.executor);
  for (auto& query : queries_) {
    query->on_change([&wake] { wake.cancel(); });
    query->ask();
  }
  const bool is_proven = co_await async_prove_until(deadline, wake);
  for (auto& query : queries_) co_await query->async_stop();
  queries_.clear();
  co_return is_proven;
}

void PgbouncerSwitch::make_queries(MonoTime deadline) {
  PoolerQuery::Settings settings;
  settings.target.conninfo =
      verify_conninfo(tools_.pooler->admin(), route_.database, route_.verify_user);
  if (!route_.verify_user.empty()) settings.target.password = route_.verify_password;
  settings.target.application_name = "pointsman-verify";
  settings.deadline = deadline;
  const bool is_balanced = order_.to.size() > 1;
  if (is_balanced) settings.hold = balanced_hold;
  const auto count = is_balanced ? std::min(max_queries, 2 * order_.to.size()) : std::size_t{1};
  for (std::size_t i = 0; i < count; ++i) {
    queries_.push_back(std::make_unique<PoolerQuery>(tools_.executor, *tools_.resolver, settings));
  }
}

asio::awaitable<bool> PgbouncerSwitch::async_prove_until(MonoTime deadline,
                                                         asio::steady_timer& wake) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const bool is_resolved = co_await async_resolve();
  if (!is_resolved) co_return false;
  Duration tick = first_tick;
  ServersView view;
  while (!was_cancelled(cancellation)) {
    const auto seen_at = mono_now();
    const auto seen = co_await tools_.pooler->async_view(route_.database, deadline);
    if (seen.error.empty()) {
      view = view_servers(seen.servers, places_, database_.pool_size);
      const auto proof = judge(view, seen, seen_at);
      if (proof == Proof::failed) co_return false;
      bool is_free = task_ == Task::reconnect;  // what is in a transaction may end it
      if (!is_free) is_free = co_await async_free(view, has_session_pooling(seen.pools));
      if (!is_free && !failure_.empty()) co_return false;
      if (!view.foreign.empty()) times_.old_gone.reset();
      if (is_free && !times_.old_gone) times_.old_gone = mono_now();
      if (proof == Proof::query && !times_.verified) times_.verified = mono_now();
      if (is_free && proof != Proof::waiting) {
        verified_ = proof == Proof::query     ? Verified::query
                    : proof == Proof::servers ? Verified::servers
                                              : Verified::no;
        co_return proof != Proof::nothing || order_.cause != SwitchCause::verify ||
            fail(why_not_proven(view));
      }
    } else {
      last_trouble_ = seen.error;
    }
    if (mono_now() >= deadline) co_return fail(why_not_proven(view));
    wake.expires_at(to_steady(std::min(deadline, mono_now() + tick)));
    co_await wake.async_wait(as_result);
    tick = std::min(tick + tick / 4, longest_tick);
  }
  co_return fail("stopped");
}

/// The numeric addresses of where the route is to lead, as SHOW SERVERS prints them.
asio::awaitable<bool> PgbouncerSwitch::async_resolve() {
  for (const auto& target : order_.to) {
    Place place{target.endpoint, {}};
    if (target.endpoint.host.empty() || target.endpoint.host.starts_with("/") ||
        target.endpoint.host.starts_with("@")) {
      place.addresses = {"unix"};
    } else {
      auto work = tools_.resolver->async_resolve(target.endpoint.host);
      const auto resolved = co_await async_until(mono_now() + resolve_limit, std::move(work));
      if (resolved.addresses.empty()) {
        co_return fail(fmt::format("the name {} does not resolve here: {}", target.endpoint.host,
                                   resolved.message));
      }
      for (const auto& address : resolved.addresses) place.addresses.push_back(address.to_string());
    }
    places_.push_back(std::move(place));
  }
  seen_.assign(places_.size(), false);
  co_return true;
}

void PgbouncerSwitch::ask_again() {
  for (auto& query : queries_) query->ask();
}

bool PgbouncerSwitch::is_enough_seen() const {
  const auto count = static_cast<std::size_t>(std::count(seen_.begin(), seen_.end(), true));
  // A pool that may open one connection leads to one server at a time.
  if (task_ == Task::reconnect) return count > 0;
  const auto possible =
      database_.pool_size > 0 ? static_cast<std::size_t>(database_.pool_size) : places_.size();
  return count >= std::min(places_.size(), possible);
}

PgbouncerSwitch::Proof PgbouncerSwitch::judge_answers(const PoolerView& seen, MonoTime seen_at) {
  bool is_good = false;
  for (auto& query : queries_) {
    if (!query->reached()) continue;
    const auto reached = *query->reached();
    const auto* place = place_reached(reached, places_, seen.servers);
    // The console was asked before the answer came: it will know that process the next time.
    if (place == nullptr && reached.at >= seen_at) continue;
    if (place == nullptr) {
      last_trouble_ = fmt::format("a query through the pooler reached {}", text_of(reached));
      query->ask();
    } else if (!has_role(reached, order_.require)) {
      last_trouble_ = fmt::format("a query through the pooler reached {}, which is {}",
                                  to_text(place->endpoint),
                                  reached.in_recovery ? "a standby"
                                  : reached.read_only ? "read-only"
                                                      : "not a standby");
      if (!wrong_role_since_) wrong_role_since_ = mono_now();
      if (mono_now() - *wrong_role_since_ > tools_.limits.wrong_role) {
        fail(last_trouble_);
        return Proof::failed;
      }
      query->ask();
    } else {
      is_good = true;
      wrong_role_since_.reset();
      seen_[static_cast<std::size_t>(place - places_.data())] = true;
      if (!served_after_) served_after_ = reached.at - applied_;
    }
  }
  return is_good ? Proof::query : Proof::waiting;
}

PgbouncerSwitch::Proof PgbouncerSwitch::judge(const ServersView& view, const PoolerView& seen,
                                              MonoTime seen_at) {
  for (std::size_t i = 0; i < seen_.size(); ++i) seen_[i] = seen_[i] || view.seen[i];
  const auto answers = judge_answers(seen, seen_at);
  if (answers == Proof::failed) return answers;
  if (answers == Proof::query) {
    if (is_enough_seen()) return Proof::query;
    last_trouble_ = "not every server of the list was reached through the pooler yet";
    bool all_answered = true;
    for (const auto& query : queries_) all_answered = all_answered && query->reached();
    if (all_answered) ask_again();
    return Proof::waiting;
  }
  for (const auto& query : queries_) {
    if (query->error()) last_trouble_ = query->error().message;
  }
  const auto& first = *queries_.front();
  if (first.is_refused()) {
    last_trouble_ = fmt::format(
        "no query could be asked through the pooler ({}): give `verify: {{user, password}}` of a "
        "user "
        "that may connect to {}",
        first.error().message, route_.database);
    if (view.fresh > 0 && is_enough_seen()) {
      note(last_trouble_);
      return Proof::servers;
    }
    if (mono_now() - applied_ < refused_patience) return Proof::waiting;
    note(last_trouble_);
    return Proof::nothing;
  }
  const auto waiting_since = first.waiting_since();
  const bool waits_long = waiting_since && mono_now() - *waiting_since > tools_.limits.full_pool;
  const auto parts = parse_conninfo(tools_.pooler->admin().reveal());
  const auto user = !database_.force_user.empty() ? database_.force_user
                    : !route_.verify_user.empty() ? route_.verify_user
                    : parts                       ? parts.value().user
                                                  : std::string{};
  if (waits_long && view.fresh > 0 && is_enough_seen() && is_full(seen.pools, database_, user)) {
    note("the pool is full, so that the query still waits: the list of servers is the proof");
    return Proof::servers;
  }
  return Proof::waiting;
}

/// True when no connection is left where the route does not lead. Cuts what would stay for ever.
asio::awaitable<bool> PgbouncerSwitch::async_free(const ServersView& view, bool is_session) {
  if (view.foreign.empty()) co_return true;
  const auto marked = std::count_if(view.foreign.begin(), view.foreign.end(),
                                    [](const ServerRow& server) { return server.close_needed; });
  const bool all_marked = marked == static_cast<std::ptrdiff_t>(view.foreign.size());
  if (!all_marked) {
    last_trouble_ = fmt::format(
        "{} server connections lead elsewhere, though {} is what the pooler was told: does a name "
        "have "
        "another address there?",
        static_cast<std::ptrdiff_t>(view.foreign.size()) - marked, destination());
    // What only is to be verified is not touched.
    if (order_.cause == SwitchCause::verify) co_return fail(last_trouble_);
    if (!std::exchange(reconnected_, true)) {
      const auto error = co_await tools_.pooler->async_reconnect(route_.database, retry_,
                                                                 mono_now() + tools_.limits.apply);
      if (!error.empty()) last_trouble_ = error;
    }
    co_return false;
  }
  if (must_cut(view, is_session)) co_return co_await async_cut(view);
  co_return false;
}

bool PgbouncerSwitch::must_cut(const ServersView& view, bool is_session) {
  const auto now = mono_now();
  const auto elapsed = now - applied_;
  std::map<std::string, MonoTime> closing;
  bool is_overdue = false;
  for (const auto& server : view.foreign) {
    if (!server.closes_by_itself()) continue;
    const auto found = closing_since_.find(server.ptr);
    const auto since = found == closing_since_.end() ? now : found->second;
    closing[server.ptr] = since;
    is_overdue = is_overdue || now - since > tools_.limits.idle_close;
  }
  closing_since_ = std::move(closing);
  if (cuts_ >= max_cuts) return false;
  if (view.stuck.empty()) return is_overdue;
  // Transactions on a living server end by themselves; sessions do not.
  if (order_.old_targets == OldTargets::alive && !is_session) return elapsed > tools_.limits.drain;
  const bool is_serving = view.fresh > 0 || served_after_.has_value();
  return is_serving || view.is_exhausted || elapsed > tools_.limits.patience;
}

asio::awaitable<bool> PgbouncerSwitch::async_cut(const ServersView& view) {
  ++cuts_;
  steps_.killed = true;
  if (steps_.database.empty()) {
    steps_.route = order_.route.text;
    steps_.pooler = tools_.pooler->console().where();
    steps_.file = tools_.file->path();
    steps_.database = route_.database;
    steps_.wanted = line_;
  }
  steps_.retry = true;
  co_await intend_(to_json(steps_));
  const auto error = co_await tools_.pooler->async_cut(route_.database, view.foreign, retry_,
                                                       mono_now() + tools_.limits.apply);
  if (!error.empty()) {
    last_trouble_ = error;
  } else {
    note(fmt::format("{} server connections that hung on the old server were cut",
                     view.foreign.size()));
    steps_.killed = false;
  }
  // What was seen before is no proof of what is left now.
  seen_.assign(places_.size(), false);
  ask_again();
  co_return false;
}

std::string PgbouncerSwitch::why_not_proven(const ServersView& view) const {
  std::string why = fmt::format("{} is not proven to lead to {}", route_.database, destination());
  if (!view.foreign.empty()) {
    const auto& server = view.foreign.front();
    why += fmt::format(": {} server connections still lead elsewhere, one to {}",
                       view.foreign.size(), to_text(Endpoint{server.addr, server.port}));
  }
  if (!last_trouble_.empty()) why += ": " + last_trouble_;
  return why;
}

}  // namespace pointsman
