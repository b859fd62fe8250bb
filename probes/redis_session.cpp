#include "probes/redis_session.hpp"

#include <utility>

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "probes/deadline.hpp"
#include "probes/exec.hpp"

namespace pointsman {
namespace {

DialTarget target_of(const RedisSpec& spec) {
  DialTarget target;
  target.host = spec.host;
  target.port = spec.port;
  target.unix_socket = spec.unix_socket;
  return target;
}

RedisAnswer no_answer(std::string message, bool was_sent) {
  RedisAnswer answer;
  answer.message = std::move(message);
  answer.was_sent = was_sent;
  return answer;
}

}  // namespace

RedisSession::RedisSession(ProberServices services, RedisSpec spec)
    : spec_(std::move(spec)),
      services_(services),
      target_(target_of(spec_)),
      where_(spec_.unix_socket.empty() ? endpoint_text(spec_.host, spec_.port)
                                       : spec_.unix_socket) {}

RedisSession::~RedisSession() {
  close();
}

void RedisSession::close() {
  if (socket_) close_with_reset(*socket_);
  if (tls_) close_with_reset(tls_->next_layer());
  socket_.reset();
  tls_.reset();
}

template <class Stream>
asio::awaitable<RedisAnswer> RedisSession::async_talk(Stream& stream, std::string bytes) {
  const auto state = co_await asio::this_coro::cancellation_state;
  if (is_cancelled(state)) co_return no_answer(where_ + ": out of time", false);
  const auto [unsent, sent] = co_await asio::async_write(stream, asio::buffer(bytes), as_result);
  const bool was_sent = sent > 0;
  RedisDecoder decoder;
  std::string buffer(16 * 1024, '\0');
  while (!is_cancelled(state)) {
    const auto [ec, size] = co_await stream.async_read_some(asio::buffer(buffer), as_result);
    decoder.feed({buffer.data(), size});
    if (auto reply = decoder.next()) {
      RedisAnswer answer;
      answer.answered = answer.was_sent = true;
      answer.reply = std::move(*reply);
      if (answer.reply.is_error()) {
        answer.message = fmt::format("{}: {}", where_, printable_first_line(answer.reply.text));
      }
      co_return answer;
    }
    if (!decoder.broken().empty()) {
      co_return no_answer(
          fmt::format("{} does not answer as Redis does: {}", where_, decoder.broken()), was_sent);
    }
    if (ec && !is_cancelled(state)) {
      co_return no_answer(fmt::format("{} {}", where_, fault_of_io(ec).words), was_sent);
    }
  }
  co_return no_answer(where_ + " did not answer in time", was_sent);
}

asio::awaitable<RedisAnswer> RedisSession::async_exchange(std::vector<std::string> words) {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::string bytes = encode_redis_command(words);
  RedisAnswer answer;
  if (tls_) {
    answer = co_await async_talk(*tls_, std::move(bytes));
  } else {
    answer = co_await async_talk(*socket_, std::move(bytes));
  }
  if (!answer.answered) close();
  co_return answer;
}

asio::awaitable<RedisAnswer> RedisSession::async_connect(MonoTime deadline) {
  co_await asio::this_coro::throw_if_cancelled(false);
  RunContext context;
  context.deadline = deadline;
  Dialed dialed = co_await async_dial(services_, target_, context);
  if (!dialed.ok()) co_return no_answer(fmt::format("{}: {}", where_, dialed.message), false);
  if (spec_.tls) {
    const auto tls = services_.tls_contexts.get(*spec_.tls);
    if (!tls) co_return no_answer(tls.error().message, false);
    tls_context_ = tls.value();
    auto stream = std::make_unique<TlsStream>(std::move(dialed.socket), *tls_context_);
    const Handshaken shaken = co_await async_handshake(*stream, *spec_.tls, spec_.host, context);
    if (!shaken.ok()) co_return no_answer(fmt::format("{}: {}", where_, shaken.message), false);
    tls_ = std::move(stream);
  } else {
    socket_ = std::make_unique<StreamSocket>(std::move(dialed.socket));
  }
  RedisAnswer answer;
  answer.answered = true;
  if (spec_.password.empty() && spec_.username.empty()) co_return answer;
  std::vector<std::string> words{"AUTH"};
  if (!spec_.username.empty()) words.push_back(spec_.username);
  words.push_back(spec_.password.reveal());
  answer = co_await async_exchange(std::move(words));
  answer.was_sent = false;  // nothing that changes anything
  if (answer.reply.is_error()) {
    answer.answered = false;
    close();
  }
  co_return answer;
}

asio::awaitable<RedisAnswer> RedisSession::async_open(MonoTime deadline) {
  RedisAnswer answer;
  answer.answered = true;
  if (is_open()) co_return answer;
  auto work = async_connect(deadline);
  answer = co_await async_until(deadline, std::move(work));
  co_return answer;
}

asio::awaitable<RedisAnswer> RedisSession::async_command(std::vector<std::string> words,
                                                         MonoTime deadline) {
  RedisAnswer opened = co_await async_open(deadline);
  if (!opened.answered) co_return opened;
  auto work = async_exchange(std::move(words));
  co_return co_await async_until(deadline, std::move(work));
}

}  // namespace pointsman
