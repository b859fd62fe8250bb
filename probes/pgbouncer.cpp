#include "probes/pgbouncer.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/dial.hpp"
#include "probes/kinds.hpp"
#include "probes/postgres_facts.hpp"

namespace pointsman {
namespace {

constexpr std::string_view console_database = "pgbouncer";
constexpr std::size_t max_names = 5;  ///< in a message
/// Of clients, and of seconds: a stranger's numbers can be added up and turned into nanoseconds.
constexpr std::int64_t largest_count = 1'000'000'000;

std::optional<std::int64_t> get_count(const PgRows& rows, std::size_t row,
                                      std::string_view column) {
  const auto* text = rows.get(row, column);
  std::int64_t number = 0;
  if (text == nullptr) return std::nullopt;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (ec != std::errc{}) return std::nullopt;
  return number;
}

bool has_columns(const PgRows& rows, std::initializer_list<std::string_view> names) {
  return std::all_of(names.begin(), names.end(), [&rows](std::string_view name) {
    return std::find(rows.columns.begin(), rows.columns.end(), name) != rows.columns.end();
  });
}

bool is_console(const PgRows& rows, std::size_t row, std::string_view column) {
  const auto* name = rows.get(row, column);
  return name != nullptr && *name == console_database;
}

std::string list_text(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < max_names; ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > max_names) text += fmt::format(" and {} more", names.size() - max_names);
  return text;
}

std::string paused_text(const PgbouncerState& state) {
  std::string text;
  if (!state.paused.empty()) text = "paused: " + list_text(state.paused);
  if (!state.disabled.empty()) {
    text += (text.empty() ? "disabled: " : "; disabled: ") + list_text(state.disabled);
  }
  return text;
}

std::string wait_text(Duration wait, Duration limit) {
  return fmt::format("a client has waited {}, more than {}", duration_text(wait),
                     duration_text(limit));
}

}  // namespace

std::optional<PgbouncerState> read_pgbouncer(const PgRows& pools, const PgRows& databases) {
  if (!has_columns(pools, {"database", "cl_waiting", "sv_active", "sv_idle", "maxwait"}) ||
      !has_columns(databases, {"name", "paused", "disabled"})) {
    return std::nullopt;
  }
  PgbouncerState state;
  PgbouncerFacts& facts = state.facts;
  for (std::size_t row = 0; row < pools.rows.size(); ++row) {
    if (is_console(pools, row, "database")) continue;
    const auto count = [&](std::string_view column) {
      return std::clamp<std::int64_t>(get_count(pools, row, column).value_or(0), 0, largest_count);
    };
    facts.waiting += count("cl_waiting");
    facts.active += count("sv_active");
    facts.idle += count("sv_idle") + count("sv_used");  // used: idle for long, to be tested first
    const Duration wait =
        std::chrono::seconds{count("maxwait")} + std::chrono::microseconds{count("maxwait_us")};
    facts.maxwait = std::max(facts.maxwait, wait);
  }
  for (std::size_t row = 0; row < databases.rows.size(); ++row) {
    if (is_console(databases, row, "name")) continue;
    const auto* name = databases.get(row, "name");
    const bool is_paused = get_count(databases, row, "paused").value_or(0) != 0;
    const bool is_disabled = get_count(databases, row, "disabled").value_or(0) != 0;
    if (is_paused) state.paused.push_back(name != nullptr ? *name : "?");
    if (is_disabled) state.disabled.push_back(name != nullptr ? *name : "?");
    if (is_paused || is_disabled) ++facts.paused;
  }
  return state;
}

Finding judge_pgbouncer(const PgbouncerSpec& spec, const PgbouncerState& state) {
  const PgbouncerFacts& facts = state.facts;
  if (spec.max_wait_fail && facts.maxwait > *spec.max_wait_fail) {
    return Finding{Outcome::fail, Reason::over_threshold,
                   wait_text(facts.maxwait, *spec.max_wait_fail), facts};
  }
  if (spec.max_waiting && facts.waiting > *spec.max_waiting) {
    return Finding{Outcome::fail, Reason::over_threshold,
                   fmt::format("{} clients wait, more than {}", facts.waiting, *spec.max_waiting),
                   facts};
  }
  if (facts.paused > 0) {
    return Finding{Outcome::warn, Reason::paused, paused_text(state), facts};
  }
  if (spec.max_wait_warn && facts.maxwait > *spec.max_wait_warn) {
    return Finding{Outcome::warn, Reason::over_threshold,
                   wait_text(facts.maxwait, *spec.max_wait_warn), facts};
  }
  return Finding{Outcome::pass, Reason::ok,
                 fmt::format("{} clients wait, {} server connections are active, {} idle",
                             facts.waiting, facts.active, facts.idle),
                 facts};
}

Finding finding_of_console_error(const PgError& error, const std::string& peer, Duration waited) {
  Finding finding = finding_of_pg_error(error, peer, waited);
  const auto says = [&error](std::string_view words) {
    return error.message.find(words) != std::string::npos;
  };
  if (error.kind != PgError::Kind::server) return finding;
  if (says("not allowed") || says("admin access needed")) {
    finding.reason = Reason::auth_failed;
    finding.message = "the user may not use the console: name it in stats_users or admin_users";
  } else if (says("authentication failed") || says("no such user") || says("password")) {
    finding.reason = Reason::auth_failed;
  } else if (says("shutting down") || says("closing because: shutdown")) {
    finding.reason = Reason::stopping;
  }
  return finding;
}

PgbouncerProber::PgbouncerProber(PgbouncerSpec spec, ProberServices services)
    : spec_(std::move(spec)), services_(services) {}

void PgbouncerProber::close() {
  session_.reset();
}

asio::awaitable<PgError> PgbouncerProber::async_open(Session& session, RunContext& context) {
  PgTarget target;
  target.conninfo = spec_.admin;
  target.deadline = context.deadline;
  const MonoTime started = mono_now();
  PgError error = co_await session.connection.async_connect(std::move(target));
  session.opened = mono_now();
  if (!error) {
    context.tell(fmt::format("logged in at the console {} in {}", session.connection.peer_address(),
                             duration_text(session.opened - started)));
  }
  co_return error;
}

asio::awaitable<Finding> PgbouncerProber::async_ask(Session& session, RunContext& context,
                                                    MonoTime started) {
  const std::string peer = session.connection.peer_address();
  const MonoTime asked = mono_now();
  const auto failed = [&](const PgError& error) {
    return finding_of_console_error(error, peer, mono_now() - started);
  };
  std::string show_pools = "SHOW POOLS", show_databases = "SHOW DATABASES";
  const PgAnswer pools = co_await session.connection.async_query(std::move(show_pools));
  if (pools.error) co_return failed(pools.error);
  const PgAnswer databases = co_await session.connection.async_query(std::move(show_databases));
  if (databases.error) co_return failed(databases.error);
  auto state = read_pgbouncer(pools.rows, databases.rows);
  if (!state) {
    PgError error;
    error.kind = PgError::Kind::protocol;
    error.message = fmt::format("{} does not answer as pgbouncer's console does", peer);
    co_return failed(error);
  }
  const auto version = session.connection.parameter("server_version");  // "1.18.0/bouncer"
  state->facts.version = version.substr(0, version.find('/'));
  Finding finding = judge_pgbouncer(spec_, *state);
  context.tell(
      fmt::format("asked {} in {}: {}", peer, duration_text(mono_now() - asked), finding.message));
  co_return finding;
}

asio::awaitable<Finding> PgbouncerProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const MonoTime started = mono_now();
  if (session_ && !session_->connection.check()) session_.reset();
  if (!session_ || started - session_->opened >= renew_after) {
    auto fresh = std::make_unique<Session>(services_);
    const PgError error = co_await async_open(*fresh, context);
    if (error) {
      co_return finding_of_console_error(error, fresh->connection.peer_address(),
                                         mono_now() - started);
    }
    session_ = std::move(fresh);
  }
  Finding finding = co_await async_ask(*session_, context, started);
  if (!session_->connection.is_open()) session_.reset();
  co_return finding;
}

std::unique_ptr<Prober> make_pgbouncer_prober(const PgbouncerSpec& spec, ProberServices services) {
  return std::make_unique<PgbouncerProber>(spec, services);
}

}  // namespace pointsman
