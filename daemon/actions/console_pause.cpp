#include "daemon/actions/console_pause.hpp"

#include <utility>

#include "daemon/actions/console.hpp"

namespace pointsman {

struct ConsolePause::State {
  State(const asio::any_io_executor& on, Resolver& names, Secret console)
      : executor(on), connection(on, names), admin(std::move(console)), ended(on) {
    ended.expires_at(asio::steady_timer::time_point::max());
  }
  asio::any_io_executor executor;
  PgConnection connection;
  Secret admin;
  PgError error;
  bool sent = false, refused = false, running = false;
  asio::cancellation_signal stop;
  asio::steady_timer ended;
};

ConsolePause::ConsolePause(asio::any_io_executor executor, Resolver& resolver, Secret admin)
    : state_(std::make_shared<State>(executor, resolver, std::move(admin))) {}

ConsolePause::~ConsolePause() {
  if (state_->running) state_->stop.emit(asio::cancellation_type::terminal);
}

bool ConsolePause::is_sent() const {
  return state_->sent;
}
bool ConsolePause::is_refused() const {
  return state_->refused;
}
const PgError& ConsolePause::error() const {
  return state_->error;
}

void ConsolePause::start(const std::string& database, MonoTime deadline) {
  state_->running = true;
  auto work = async_send(state_, "PAUSE " + quote_name(database), deadline);
  asio::co_spawn(state_->executor, std::move(work),
                 asio::bind_cancellation_slot(state_->stop.slot(),
                                              [state = state_](std::exception_ptr failure) {
                                                state->running = false;
                                                state->connection.close();
                                                state->ended.cancel();
                                                if (failure) std::rethrow_exception(failure);
                                              }));
}

asio::awaitable<void> ConsolePause::async_close() {
  const auto state = state_;
  while (state->running) {
    state->stop.emit(asio::cancellation_type::terminal);
    co_await state->ended.async_wait(as_result);
  }
}

asio::awaitable<void> ConsolePause::async_send(std::shared_ptr<State> state, std::string sql,
                                               MonoTime deadline) {
  co_await asio::this_coro::throw_if_cancelled(false);
  PgTarget target{.conninfo = state->admin, .password = std::nullopt, .deadline = deadline};
  auto connecting = state->connection.async_connect(std::move(target));
  state->error = co_await async_until(deadline, std::move(connecting));
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (state->error || was_cancelled(cancellation)) co_return;
  state->sent = true;
  // No deadline of its own: it is over when the session is closed.
  const auto answer = co_await state->connection.async_query(std::move(sql));
  state->error = answer.error;
  state->refused = answer.error.kind == PgError::Kind::server;
}

}  // namespace pointsman
