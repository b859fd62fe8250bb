#include "daemon/actions/pooler_query.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace pointsman {
namespace {

constexpr Duration first_pause = std::chrono::milliseconds{5};
constexpr Duration longest_pause = std::chrono::milliseconds{100};
/// A try that gets no answer for so long may hang on a connection that leads nowhere.
constexpr Duration try_limit = std::chrono::seconds{3};

std::string percent_encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      result += c;
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

std::string query_text(Duration hold) {
  const auto seconds = std::chrono::duration<double>(hold).count();
  return fmt::format(
      "select coalesce(host(inet_server_addr()), '') as addr, coalesce(inet_server_port(), 0) as "
      "port, "
      "pg_backend_pid() as pid, pg_is_in_recovery()::int as in_recovery, "
      "(current_setting('transaction_read_only') = 'on')::int as read_only{}",
      seconds > 0 ? fmt::format(", pg_sleep({})", seconds) : "");
}

int number(const PgRows& rows, std::string_view column) {
  int result = 0;
  if (const auto* text = rows.get(0, column)) {
    std::from_chars(text->data(), text->data() + text->size(), result);
  }
  return result;
}

}  // namespace

std::string quote_conninfo(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

Secret verify_conninfo(const Secret& admin, const std::string& database, const std::string& user) {
  const auto& text = admin.reveal();
  if (text.starts_with("postgresql://") || text.starts_with("postgres://")) {
    const char separator = text.find('?') == std::string::npos ? '?' : '&';
    auto uri = fmt::format("{}{}dbname={}", text, separator, percent_encoded(database));
    if (!user.empty()) uri += fmt::format("&user={}", percent_encoded(user));
    return Secret(std::move(uri));
  }
  auto pairs = fmt::format("{} dbname={}", text, quote_conninfo(database));
  if (!user.empty()) pairs += fmt::format(" user={}", quote_conninfo(user));
  return Secret(std::move(pairs));
}

bool has_role(const Reached& reached, Require require) {
  switch (require) {
    case Require::writable:
    case Require::master:
      return !reached.in_recovery && !reached.read_only;
    case Require::standby:
    case Require::replica:
      return reached.in_recovery;
    case Require::any:
      return true;
  }
  return false;
}

const Place* place_reached(const Reached& reached, const std::vector<Place>& places,
                           const std::vector<ServerRow>& servers) {
  if (const auto* place = find_place(places, reached.addr, reached.port)) return place;
  // Two servers may have given the same number: then all of them must be wanted.
  const Place* found = nullptr;
  for (const auto& server : servers) {
    if (server.remote_pid != reached.pid) continue;
    const auto* place = find_place(places, server.addr, server.port);
    if (place == nullptr) return nullptr;
    found = place;
  }
  return found;
}

bool is_refusal(const PgError& error) {
  using Kind = PgError::Kind;
  if (error.kind == Kind::auth || error.kind == Kind::tls) return true;
  if (error.kind != Kind::server) return false;
  if (error.sqlstate.starts_with("28") || error.sqlstate == "42501") return true;
  // pgbouncer says 08P01 to everything, also for what the server told it.
  static constexpr std::array<std::string_view, 7> words{"authentication failed",
                                                         "no such user",
                                                         "permission denied for database",
                                                         "pg_hba.conf",
                                                         "is not permitted to log in",
                                                         "auth failed",
                                                         "not allowed"};
  const auto& said = error.message;
  if (std::any_of(words.begin(), words.end(),
                  [&](std::string_view part) { return said.find(part) != std::string::npos; })) {
    return true;
  }
  return said.starts_with("role \"") && said.ends_with("does not exist");
}

struct PoolerQuery::State {
  State(asio::any_io_executor on, Resolver& names, Settings given)
      : executor(on), connection(on, names), settings(std::move(given)), ended(on) {
    ended.expires_at(asio::steady_timer::time_point::max());
  }
  asio::any_io_executor executor;
  PgConnection connection;
  Settings settings;
  std::function<void()> changed;
  std::optional<Reached> reached;
  PgError error;
  std::optional<MonoTime> waiting_since;
  bool refused = false, running = false;
  int number = 0;  ///< an answer to an earlier ask() is not taken
  asio::cancellation_signal stop;
  asio::steady_timer ended;
};

PoolerQuery::PoolerQuery(asio::any_io_executor executor, Resolver& resolver, Settings settings)
    : state_(std::make_shared<State>(std::move(executor), resolver, std::move(settings))) {}

PoolerQuery::~PoolerQuery() {
  state_->changed = nullptr;
  if (state_->running) state_->stop.emit(asio::cancellation_type::terminal);
}

void PoolerQuery::on_change(std::function<void()> changed) {
  state_->changed = std::move(changed);
}

void PoolerQuery::ask() {
  state_->reached.reset();
  state_->error = {};
  ++state_->number;
  if (state_->running || state_->refused) return;
  state_->running = true;
  auto work = async_ask(state_);
  asio::co_spawn(state_->executor, std::move(work),
                 asio::bind_cancellation_slot(state_->stop.slot(),
                                              [state = state_](std::exception_ptr failure) {
                                                state->running = false;
                                                state->waiting_since.reset();
                                                state->connection.close();
                                                state->ended.cancel();
                                                if (failure) std::rethrow_exception(failure);
                                                if (state->changed) state->changed();
                                              }));
}

asio::awaitable<void> PoolerQuery::async_stop() {
  const auto state = state_;
  state->changed = nullptr;
  while (state->running) {
    state->stop.emit(asio::cancellation_type::terminal);
    co_await state->ended.async_wait(as_result);
  }
}

const std::optional<Reached>& PoolerQuery::reached() const {
  return state_->reached;
}
const PgError& PoolerQuery::error() const {
  return state_->error;
}
bool PoolerQuery::is_refused() const {
  return state_->refused;
}
std::optional<MonoTime> PoolerQuery::waiting_since() const {
  return state_->waiting_since;
}

/// Until there is an answer to the last ask(), or the user is refused, or the time is over.
asio::awaitable<void> PoolerQuery::async_ask(std::shared_ptr<State> state) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  Duration pause = first_pause;
  while (!was_cancelled(cancellation) && mono_now() < state->settings.deadline) {
    const int number = state->number;
    state->waiting_since = mono_now();
    auto work = async_try(state, number);
    const auto deadline = std::min(state->settings.deadline, mono_now() + try_limit);
    PgError error = co_await async_until(deadline, std::move(work));
    state->waiting_since.reset();
    // A session of its own each time: it must show that sessions can be had.
    state->connection.close();
    if (number == state->number) state->error = error;
    state->refused = is_refusal(error);
    if (state->refused || state->reached) co_return;
    if (state->changed) state->changed();
    co_await async_sleep_until(mono_now() + pause);
    pause = std::min(2 * pause, longest_pause);
  }
}

asio::awaitable<PgError> PoolerQuery::async_try(std::shared_ptr<State> state, int number_of_ask) {
  auto target = state->settings.target;
  PgError error = co_await state->connection.async_connect(std::move(target));
  if (error) co_return error;
  auto text = query_text(state->settings.hold);
  const auto answer = co_await state->connection.async_query(std::move(text));
  if (answer.error) co_return answer.error;
  if (number_of_ask != state->number) co_return error;
  Reached reached;
  if (const auto* addr = answer.rows.get(0, "addr")) reached.addr = *addr;
  reached.port = static_cast<std::uint16_t>(number(answer.rows, "port"));
  reached.pid = number(answer.rows, "pid");
  reached.in_recovery = number(answer.rows, "in_recovery") != 0;
  reached.read_only = number(answer.rows, "read_only") != 0;
  reached.at = mono_now();
  state->reached = std::move(reached);
  co_return error;
}

}  // namespace pointsman
