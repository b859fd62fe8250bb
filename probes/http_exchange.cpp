#include "probes/http_exchange.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "probes/clock.hpp"

namespace pointsman {
namespace {

using Progress = HttpResponseReader::Progress;

constexpr std::size_t read_size = 16 * 1024;

/// One recv into the stack; false when there is nothing yet.
bool receive_some(int fd, HttpExchange& exchange) {
  char buffer[read_size];
  const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
  if (got > 0) {
    exchange.read({buffer, static_cast<std::size_t>(got)});
  } else if (got == 0) {
    exchange.progress = exchange.reader.feed_eof();
  } else if (errno == EAGAIN || errno == EINTR) {
    return false;
  } else {
    exchange.fail(error_code(errno, boost::system::system_category()));
  }
  return true;
}

}  // namespace

void HttpExchange::read(std::string_view bytes) {
  if (!first_byte) first_byte = mono_now() - sent;
  progress = reader.feed(bytes);
}

void HttpExchange::fail(const error_code& ec) {
  const Fault fault = fault_of_io(ec);
  if (fault.reason == Reason::protocol_error)
    progress = reader.feed_eof();
  else
    error = ec;
}

asio::awaitable<void> async_exchange(StreamSocket& socket, HttpExchange& exchange) {
  const auto state = co_await asio::this_coro::cancellation_state;
  const std::string& bytes = exchange.request.bytes;
  exchange.sent = mono_now();
  const ssize_t sent = ::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  // What stands in the way of sending shows in the answer, or in its absence.
  const auto done = sent > 0 ? static_cast<std::size_t>(sent) : 0;
  exchange.was_sent = done > 0;
  if (done < bytes.size() && (sent >= 0 || errno == EAGAIN)) {
    exchange.cancelled = is_cancelled(state);
    if (exchange.cancelled) co_return;
    const auto [ec, wrote] =
        co_await asio::async_write(socket, asio::buffer(bytes) + done, as_result);
    exchange.was_sent = exchange.was_sent || wrote > 0;
  }
  while (exchange.goes_on()) {
    exchange.cancelled = is_cancelled(state);
    if (exchange.cancelled) co_return;
    const auto [ec] = co_await socket.async_wait(StreamSocket::wait_read, as_result);
    exchange.cancelled = is_cancelled(state) && ec;
    if (exchange.cancelled) co_return;
    if (ec)
      exchange.fail(ec);
    else
      receive_some(socket.native_handle(), exchange);
  }
}

asio::awaitable<void> async_exchange(TlsStream& stream, HttpExchange& exchange) {
  const auto state = co_await asio::this_coro::cancellation_state;
  exchange.sent = mono_now();
  exchange.cancelled = is_cancelled(state);
  if (exchange.cancelled) co_return;
  exchange.was_sent = true;
  co_await asio::async_write(stream, asio::buffer(exchange.request.bytes), as_result);
  std::vector<char> buffer(read_size);
  while (exchange.goes_on()) {
    exchange.cancelled = is_cancelled(state);
    if (exchange.cancelled) co_return;
    const auto [ec, got] = co_await stream.async_read_some(asio::buffer(buffer), as_result);
    if (got > 0) exchange.read({buffer.data(), got});
    if (!ec || !exchange.goes_on()) continue;
    exchange.cancelled = is_cancelled(state);
    if (!exchange.cancelled) exchange.fail(ec);
  }
}

HttpOutcome outcome_of(const HttpExchange& exchange) {
  HttpOutcome outcome;
  if (exchange.progress == Progress::complete) return outcome;
  const HttpResponseReader& reader = exchange.reader;
  const std::string& what = exchange.request.shown;
  const std::string waited = duration_text(mono_now() - exchange.sent);
  if (exchange.cancelled) {
    outcome.reason = Reason::timeout;
    if (reader.status() >= 200) {
      outcome.message = fmt::format("{} answered {}, but its body was not over within {}", what,
                                    reader.status(), waited);
    } else if (reader.got_any()) {
      outcome.message =
          fmt::format("{}: connected, but the answer was not over within {}", what, waited);
    } else {
      outcome.message = fmt::format("{}: connected, but no answer within {}", what, waited);
    }
  } else if (exchange.error) {
    outcome.reason = fault_of_io(exchange.error).reason;
    outcome.message = fmt::format("{}: {}", what, exchange.error.message());
  } else {
    outcome.reason = Reason::protocol_error;
    outcome.message = fmt::format("{}: not an HTTP answer: {}", what, reader.error());
  }
  return outcome;
}

}  // namespace pointsman
