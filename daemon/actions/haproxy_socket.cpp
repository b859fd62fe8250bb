#include "daemon/actions/haproxy_socket.hpp"

#include <sys/un.h>

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include "daemon/actions/deadline.hpp"

namespace pointsman {
namespace {

constexpr std::string_view no_right = "Permission denied";

void trim_end(std::string& text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
}

}  // namespace

HaproxySocket::HaproxySocket(asio::any_io_executor executor, std::string path)
    : executor_(std::move(executor)), path_(std::move(path)) {}

asio::awaitable<HaproxyAnswer> HaproxySocket::async_ask(std::string command, MonoTime deadline) {
  auto work = async_talk(std::move(command));
  co_return co_await async_until(deadline, std::move(work));
}

asio::awaitable<HaproxyAnswer> HaproxySocket::async_talk(std::string command) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  HaproxyAnswer answer;
  if (path_.size() >= sizeof(sockaddr_un::sun_path)) {
    answer.error = fmt::format("{}: too long for the name of a socket", path_);
    co_return answer;
  }
  asio::local::stream_protocol::socket socket(executor_);
  const asio::local::stream_protocol::endpoint where(path_);
  const auto [connected] = co_await socket.async_connect(where, as_result);
  if (connected) {
    answer.error = was_cancelled(cancellation)
                       ? fmt::format("HAProxy's socket {} takes no connection in time", path_)
                       : why_not_connected(connected.value());
    co_return answer;
  }
  const std::string request = command + "\n";
  const auto [unsent, sent] = co_await asio::async_write(socket, asio::buffer(request), as_result);
  answer.was_sent = sent > 0;
  error_code ec = unsent;
  std::array<char, 16 * 1024> chunk{};
  while (!ec) {
    const auto [failed, size] = co_await socket.async_read_some(asio::buffer(chunk), as_result);
    ec = failed;
    answer.text.append(chunk.data(), size);
    if (answer.text.size() <= max_answer) continue;
    answer.error = fmt::format("HAProxy's answer on {} is longer than 1 MiB", path_);
    co_return answer;
  }
  if (was_cancelled(cancellation)) {
    answer.error = fmt::format(
        "HAProxy does not answer on {} in time: does its process run, or does it hang?", path_);
  } else if (ec != asio::error::eof) {
    answer.error = fmt::format("HAProxy's socket {}: {}", path_, ec.message());
  } else if (answer.text.empty()) {
    answer.error = fmt::format("HAProxy closed {} without an answer", path_);
  }
  trim_end(answer.text);
  if (answer.error.empty() && answer.text == no_right) {
    answer.was_sent = false;
    answer.error = fmt::format(
        "HAProxy permits too little on {}: its configuration needs `stats socket {} level admin`",
        path_, path_);
  }
  co_return answer;
}

std::string HaproxySocket::why_not_connected(int error) const {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return fmt::format(
          "there is no socket {}: HAProxy does not run, or its configuration lacks `stats socket "
          "{} level admin`",
          path_, path_);
    case EACCES:
    case EPERM:
      return fmt::format(
          "pointsman's user may not open {}: put it in the socket's group (`stats socket {} level "
          "admin group haproxy mode 660`)",
          path_, path_);
    case ECONNREFUSED:
      return fmt::format("nobody listens on {}: HAProxy does not run", path_);
    default:
      return fmt::format("HAProxy's socket {}: {}", path_,
                         error_code(error, boost::system::system_category()).message());
  }
}

}  // namespace pointsman
