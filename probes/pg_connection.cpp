#include "probes/pg_connection.hpp"

#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <openssl/ssl.h>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "probes/clock.hpp"
#include "probes/pg_conninfo.hpp"
#include "probes/pg_message.hpp"
#include "probes/pg_rows.hpp"

namespace pointsman {
namespace {

using Kind = PgError::Kind;
using ResultPtr = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// A login takes five to ten polls; one that takes more is not PostgreSQL.
constexpr int max_polls = 1000;

/// Where one try leads: one address of one host.
struct Attempt {
  std::string host, hostaddr, port;

  std::string peer() const {
    if (hostaddr.empty()) return host.empty() ? "the local socket" : host;
    const std::string shown_port = port.empty() ? "5432" : port;
    const bool v6 = hostaddr.find(':') != std::string::npos;
    return (v6 ? "[" + hostaddr + "]" : hostaddr) + ":" + shown_port;
  }
};

PgError make_error(Kind kind, PgPhase phase, std::string message) {
  PgError error;
  error.kind = kind;
  error.phase = phase;
  error.message = std::move(message);
  return error;
}

PgError cancelled_in(PgPhase phase) {
  return make_error(Kind::cancelled, phase, "out of time");
}

PgStep step_of(ConnStatusType status) {
  if (status == CONNECTION_STARTED || status == CONNECTION_NEEDED) return PgStep::connecting;
  return status == CONNECTION_SSL_STARTUP ? PgStep::negotiating_tls : PgStep::logging_in;
}

PgError to_error(const Resolved& resolved, const std::string& host) {
  const auto text = fmt::format("{}: {}", host, resolved.message);
  switch (resolved.error) {
    case ResolveError::cancelled:
      return cancelled_in(PgPhase::resolve);
    case ResolveError::overloaded:
      return make_error(Kind::ours, PgPhase::resolve, text);
    default:
      return make_error(Kind::dns, PgPhase::resolve, text);
  }
}

bool may_try_next(const PgError& error) {
  switch (error.kind) {
    case Kind::refused:
    case Kind::unreachable:
    case Kind::cancelled:
      return true;
    case Kind::server:
      return error.sqlstate == "57P03";
    case Kind::protocol:  // target_session_attrs
      return error.message.starts_with("session is") || error.message.starts_with("server is");
    default:
      return false;
  }
}

}  // namespace

struct PgConnection::Impl : std::enable_shared_from_this<PgConnection::Impl> {
  Impl(asio::any_io_executor on, Resolver& names)
      : executor(on), resolver(names), socket(on), share_timer(on) {}
  ~Impl() { close(); }

  asio::awaitable<PgError> async_connect(PgTarget target);
  asio::awaitable<PgAnswer> async_query(std::string sql);
  bool check();
  void watch(std::function<void(SessionEnd)> on_end);
  void stop_watching();
  void close();
  bool is_open() const { return conn != nullptr && PQstatus(conn) == CONNECTION_OK; }
  SessionEnd session_end() const {
    return classify_session_end(last_words.sqlstate, last_words.source_function);
  }

  PGconn* conn = nullptr;
  std::string peer;
  bool heard = false;  ///< since the last async_connect or async_query began

 private:
  using Wait = asio::posix::descriptor_base::wait_type;

  asio::awaitable<PgError> async_find_addresses(std::vector<PgHost> hosts,
                                                std::vector<Attempt>& attempts);
  asio::awaitable<PgError> async_try(const PgOptions& options, const Attempt& attempt);
  asio::awaitable<PgError> async_poll_login();
  asio::awaitable<PgError> async_flush();
  asio::awaitable<PgError> async_read_results(PgRows& rows);
  asio::awaitable<bool> async_wait(Wait what);
  void limit_share(std::optional<MonoTime> deadline, std::size_t attempts_left);
  bool start(const PgOptions& options, const Attempt& attempt);
  bool consume();
  PgError failed_query() const;
  PgError take(const PGresult* result, PgRows& rows) const;
  void drop_socket_if_changed();
  void watch_on();
  static void on_notice(void* self, const PGresult* result);

  asio::any_io_executor executor;
  Resolver& resolver;
  /// Registers libpq's descriptor with the reactor; never owns it: released before libpq may close
  /// it.
  asio::posix::stream_descriptor socket;
  asio::steady_timer share_timer;
  bool share_over = false;
  std::function<void(SessionEnd)> ended;
  std::uint64_t watch_number = 0;  ///< a wait of an older watch is ignored
  PgWords last_words;              ///< of a message that ends the session
};

void PgConnection::Impl::close() {
  stop_watching();
  share_timer.cancel();
  if (socket.is_open()) socket.release();
  if (conn != nullptr) PQfinish(std::exchange(conn, nullptr));
  last_words = {};
}

/// libpq closes its socket by itself when the peer is gone; then ours is only a number.
void PgConnection::Impl::drop_socket_if_changed() {
  if (socket.is_open() && (conn == nullptr || PQsocket(conn) != socket.native_handle())) {
    socket.release();
  }
}

void PgConnection::Impl::on_notice(void* self, const PGresult* result) {
  PgWords words = words_of(result);
  const std::string severity = result_field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (ends_session(words.sqlstate, severity)) {
    static_cast<Impl*>(self)->last_words = std::move(words);
  }
}

/// True when the socket became ready; false when cancelled, when the share of this address is used
/// up, or when close() was called meanwhile.
asio::awaitable<bool> PgConnection::Impl::async_wait(Wait what) {
  const auto self = shared_from_this();
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none || share_over) co_return false;
  if (!socket.is_open()) socket.assign(PQsocket(conn));
  const auto [ec] = co_await socket.async_wait(what, as_result);
  const bool in_time = state.cancelled() == asio::cancellation_type::none && !share_over;
  co_return !ec && in_time && conn != nullptr;
}

asio::awaitable<PgError> PgConnection::Impl::async_connect(PgTarget target) {
  const auto self = shared_from_this();
  close();
  peer.clear();
  auto options = read_options(target);
  if (!options) co_return make_error(Kind::ours, PgPhase::resolve, options.error().message);
  std::vector<Attempt> attempts;
  PgError error = co_await async_find_addresses(options.value().hosts, attempts);
  const auto state = co_await asio::this_coro::cancellation_state;
  const bool is_late = error && state.cancelled() != asio::cancellation_type::none;
  if (attempts.empty() || is_late) co_return error;

  for (std::size_t i = 0; i < attempts.size(); ++i) {
    limit_share(target.deadline, attempts.size() - i);
    error = co_await async_try(options.value(), attempts[i]);
    share_timer.cancel();
    share_over = false;
    if (!error) co_return error;
    close();
    const bool is_cancelled = state.cancelled() != asio::cancellation_type::none;
    if (is_cancelled || !may_try_next(error)) break;
  }
  co_return error;
}

/// `attempts` stays empty where nothing was found; the error is the last host's.
asio::awaitable<PgError> PgConnection::Impl::async_find_addresses(std::vector<PgHost> hosts,
                                                                  std::vector<Attempt>& attempts) {
  const auto state = co_await asio::this_coro::cancellation_state;
  PgError error;
  for (const auto& host : hosts) {
    if (host.hostaddr.empty() && host.is_unix()) {
      attempts.push_back({host.host, {}, host.port});
    } else if (!host.hostaddr.empty()) {
      attempts.push_back({host.host, host.hostaddr, host.port});
    } else {
      const Resolved resolved = co_await resolver.async_resolve(host.host);
      if (resolved.error != ResolveError::none) error = to_error(resolved, host.host);
      // Once out of time the first trouble is what it was: no further host is to blame.
      if (error && state.cancelled() != asio::cancellation_type::none) break;
      for (const auto& address : resolved.addresses) {
        attempts.push_back({host.host, address.to_string(), host.port});
      }
    }
    if (attempts.size() >= max_addresses) break;
  }
  if (attempts.size() > max_addresses) attempts.resize(max_addresses);
  co_return error;
}

void PgConnection::Impl::limit_share(std::optional<MonoTime> deadline, std::size_t attempts_left) {
  share_over = false;
  if (!deadline || attempts_left <= 1) return;
  const auto now = mono_now();
  share_timer.expires_at(to_steady(now + (*deadline - now) / static_cast<int>(attempts_left)));
  share_timer.async_wait([weak = weak_from_this()](const error_code& ec) {
    const auto self = weak.lock();
    if (ec || !self) return;
    self->share_over = true;
    if (self->socket.is_open()) self->socket.cancel();
  });
}

bool PgConnection::Impl::start(const PgOptions& options, const Attempt& attempt) {
  std::vector<const char*> keys, values;
  const auto add = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    keys.push_back(key);
    values.push_back(value.c_str());
  };
  for (const auto& [key, value] : options.common) add(key.c_str(), value);
  add("host", attempt.host);
  add("hostaddr", attempt.hostaddr);
  add("port", attempt.port);
  keys.push_back(nullptr);
  values.push_back(nullptr);
  conn = PQconnectStartParams(keys.data(), values.data(), 0);
  if (conn == nullptr) return false;
  PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);  // see pg_message.hpp
  PQsetNoticeReceiver(conn, &Impl::on_notice, this);
  return true;
}

asio::awaitable<PgError> PgConnection::Impl::async_try(const PgOptions& options,
                                                       const Attempt& attempt) {
  peer = attempt.peer();
  if (!start(options, attempt)) co_return make_error(Kind::ours, PgPhase::connect, "out of memory");
  PgError error = co_await async_poll_login();
  if (error) co_return error;
  PQsetnonblocking(conn, 1);
  if (attempt.hostaddr.empty() && attempt.host.empty()) peer = PQhost(conn);
  co_return error;
}

asio::awaitable<PgError> PgConnection::Impl::async_poll_login() {
  auto status = PQstatus(conn);
  // What failed within PQconnectStart failed while connecting: unix sockets answer at once.
  PgStep step = PgStep::connecting;
  auto polling = status == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  for (int polls = 0; polling == PGRES_POLLING_READING || polling == PGRES_POLLING_WRITING;
       ++polls) {
    status = PQstatus(conn);
    step = step_of(status);
    const PgPhase phase = step == PgStep::connecting ? PgPhase::connect : PgPhase::login;
    if (polls == max_polls) co_return make_error(Kind::protocol, phase, "the login has no end");
    const bool is_ready =
        co_await async_wait(polling == PGRES_POLLING_READING ? Wait::wait_read : Wait::wait_write);
    if (!is_ready) co_return cancelled_in(phase);
    heard = heard || polling == PGRES_POLLING_READING;
    // PQconnectPoll may close the socket and open another, perhaps with the same number.
    socket.release();
    polling = PQconnectPoll(conn);
  }
  if (polling == PGRES_POLLING_OK) co_return PgError{};
  co_return classify_login_failure(PQerrorMessage(conn), step, PQconnectionNeedsPassword(conn) != 0,
                                   peer);
}

/// Reads what has arrived, also what OpenSSL has read ahead. False: the session is over.
bool PgConnection::Impl::consume() {
  constexpr int max_rounds = 1024;
  bool is_alive = true;
  auto* ssl = static_cast<SSL*>(PQsslStruct(conn, "OpenSSL"));
  for (int round = 0; is_alive && round < max_rounds; ++round) {
    is_alive = PQconsumeInput(conn) == 1;
    if (ssl == nullptr || !is_alive || SSL_pending(ssl) == 0) break;
  }
  drop_socket_if_changed();
  return is_alive && PQstatus(conn) == CONNECTION_OK;
}

bool PgConnection::Impl::check() {
  if (!is_open()) return false;
  const bool is_alive = consume();
  const bool is_idle = PQisBusy(conn) == 0;  // reads also what was said before the end
  if (is_alive && is_idle && last_words.sqlstate.empty() && is_open()) return true;
  drop_socket_if_changed();
  return false;
}

asio::awaitable<PgError> PgConnection::Impl::async_flush() {
  while (true) {
    const int flushed = PQflush(conn);
    if (flushed == 0) co_return PgError{};
    if (flushed < 0) co_return failed_query();
    const bool is_ready = co_await async_wait(Wait::wait_write);
    if (!is_ready) co_return cancelled_in(PgPhase::query);
  }
}

PgError PgConnection::Impl::failed_query() const {
  PgError error = classify_query_failure(PQerrorMessage(conn));
  // A crash and an immediate stop are told by a notice before the connection closes.
  const bool was_told = error.kind == Kind::closed && !last_words.sqlstate.empty();
  return was_told ? error_of(last_words, PgPhase::query) : error;
}

/// Takes one result's rows, or says what is wrong with it.
PgError PgConnection::Impl::take(const PGresult* result, PgRows& rows) const {
  switch (PQresultStatus(result)) {
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK:
      rows = {};
      break;
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
      break;
    case PGRES_FATAL_ERROR: {
      PgWords words = words_of(result);
      return words.sqlstate.empty() ? failed_query() : error_of(std::move(words), PgPhase::query);
    }
    default:
      return make_error(Kind::protocol, PgPhase::query, "COPY is not possible in a probe's query");
  }
  append_rows(result, rows);
  if (rows.rows.size() > max_rows) {
    return make_error(Kind::protocol, PgPhase::query, fmt::format("more than {} rows", max_rows));
  }
  return {};
}

asio::awaitable<PgError> PgConnection::Impl::async_read_results(PgRows& rows) {
  PgError first;
  bool is_new_result = true;
  while (true) {
    while (PQisBusy(conn) != 0) {
      const bool is_ready = co_await async_wait(Wait::wait_read);
      if (!is_ready) co_return cancelled_in(PgPhase::query);
      heard = true;
      if (!consume() && PQisBusy(conn) != 0) co_return failed_query();
    }
    const ResultPtr result(PQgetResult(conn), &PQclear);
    if (!result) co_return first;
    const auto status = PQresultStatus(result.get());
    if (is_new_result && status != PGRES_FATAL_ERROR) rows = {};
    is_new_result = status != PGRES_SINGLE_TUPLE;
    PgError error = take(result.get(), rows);
    if (error && !first) first = std::move(error);
    // What cannot be read to its end: too many rows, COPY.
    if (first.kind == Kind::protocol || first.kind == Kind::closed) co_return first;
  }
}

asio::awaitable<PgAnswer> PgConnection::Impl::async_query(std::string sql) {
  const auto self = shared_from_this();
  stop_watching();
  PgAnswer answer;
  if (!is_open()) {
    answer.error = make_error(Kind::closed, PgPhase::query, "there is no session");
    co_return answer;
  }
  if (PQsendQuery(conn, sql.c_str()) == 0) {
    answer.error = failed_query();
  } else {
    PQsetSingleRowMode(conn);  // so that max_rows bounds what is held
    answer.error = co_await async_flush();
    if (!answer.error) answer.error = co_await async_read_results(answer.rows);
  }
  if (conn == nullptr) {
    answer.error = cancelled_in(PgPhase::query);
  } else if (!is_open() || PQtransactionStatus(conn) != PQTRANS_IDLE) {
    // Broken, in mid-answer, or left inside a transaction, which would hold back VACUUM.
    if (!is_open() && !answer.error) {
      static_cast<void>(PQisBusy(conn));  // reads what was said between the answer and the end
      answer.error = failed_query();
    }
    close();
  }
  co_return answer;
}

void PgConnection::Impl::watch(std::function<void(SessionEnd)> on_end) {
  stop_watching();
  if (!on_end || !is_open()) return;
  ended = std::move(on_end);
  ++watch_number;
  watch_on();
}

void PgConnection::Impl::stop_watching() {
  ++watch_number;
  if (!ended) return;
  ended = nullptr;
  if (socket.is_open()) socket.cancel();
}

void PgConnection::Impl::watch_on() {
  if (!socket.is_open()) socket.assign(PQsocket(conn));
  socket.async_wait(Wait::wait_read, [weak = weak_from_this(), number = watch_number](error_code) {
    const auto self = weak.lock();
    if (!self || number != self->watch_number) return;
    if (self->check()) return self->watch_on();  // a parameter or a notice: read and kept by libpq
    const auto how = self->session_end();
    const auto callback = std::exchange(self->ended, nullptr);
    self->close();
    callback(how);
  });
}

PgConnection::PgConnection(asio::any_io_executor executor, Resolver& resolver)
    : impl_(std::make_shared<Impl>(std::move(executor), resolver)) {}

PgConnection::~PgConnection() {
  impl_->close();
}

asio::awaitable<PgError> PgConnection::async_connect(PgTarget target) {
  const auto impl = impl_;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  impl->heard = false;
  PgError error = co_await impl->async_connect(std::move(target));
  error.heard = impl->heard;
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return error;
}

asio::awaitable<PgAnswer> PgConnection::async_query(std::string sql) {
  const auto impl = impl_;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  impl->heard = false;
  PgAnswer answer = co_await impl->async_query(std::move(sql));
  answer.error.heard = impl->heard;
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return answer;
}

bool PgConnection::is_open() const {
  return impl_->is_open();
}

bool PgConnection::check() {
  return impl_->check();
}

SessionEnd PgConnection::session_end() const {
  return impl_->session_end();
}

int PgConnection::server_version() const {
  return is_open() ? PQserverVersion(impl_->conn) : 0;
}

std::string PgConnection::parameter(const char* name) const {
  const char* value = is_open() ? PQparameterStatus(impl_->conn, name) : nullptr;
  return value != nullptr ? value : "";
}

std::string PgConnection::peer_address() const {
  return impl_->peer;
}

void PgConnection::watch(std::function<void(SessionEnd)> ended) {
  impl_->watch(std::move(ended));
}

void PgConnection::close() {
  impl_->close();
}

}  // namespace pointsman
