#include "daemon/cli/control_client.hpp"

#include <grp.h>
#include <sys/stat.h>

#include <fmt/format.h>
#include <boost/asio/error.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "probes/asio.hpp"

namespace pointsman {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using Stream = beast::basic_stream<asio::local::stream_protocol>;

constexpr std::uint64_t max_body = 16 << 20;

struct Exchange {
  std::string socket, target, body;
  http::verb verb{};
  error_code failed;
  http::response<http::string_body> response;
};

asio::awaitable<void> async_exchange(Stream& stream, Exchange& exchange) {
  const asio::local::stream_protocol::endpoint endpoint(exchange.socket);
  auto [not_connected] = co_await stream.async_connect(endpoint, as_result);
  exchange.failed = not_connected;
  if (exchange.failed) co_return;

  http::request<http::string_body> request{exchange.verb, exchange.target, 11};
  request.set(http::field::host, "localhost");
  request.set(http::field::connection, "close");
  if (exchange.verb == http::verb::post) {
    request.body() = exchange.body;
    if (!exchange.body.empty()) request.set(http::field::content_type, "application/json");
    request.prepare_payload();
    request.content_length(exchange.body.size());
  }
  auto [not_sent, sent] = co_await http::async_write(stream, request, as_result);
  exchange.failed = not_sent;
  if (exchange.failed) co_return;

  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(max_body);
  auto [not_read, read] = co_await http::async_read(stream, buffer, parser, as_result);
  exchange.failed = not_read;
  if (!exchange.failed) exchange.response = parser.release();
}

/// "owner root, group pointsman", as far as they have names.
std::string group_of(const std::string& socket) {
  struct stat status {};
  if (::stat(socket.c_str(), &status) != 0) return "its group";
  const auto* group = ::getgrgid(status.st_gid);
  return group != nullptr ? fmt::format("group {}", group->gr_name)
                          : fmt::format("group {}", status.st_gid);
}

std::string explained(const std::string& socket, const error_code& failed, Duration patience) {
  namespace errc = boost::system::errc;
  if (failed == errc::permission_denied || failed == errc::operation_not_permitted) {
    return fmt::format(
        "permission denied at {}: the control socket is for its owner and {}: use sudo, or join "
        "the group",
        socket, group_of(socket));
  }
  if (failed == errc::no_such_file_or_directory || failed == errc::connection_refused ||
      failed == errc::not_a_directory) {
    return fmt::format(
        "no daemon answers at {}: is it running? systemctl status pointsman; another socket: "
        "--control PATH",
        socket);
  }
  if (failed == beast::error::timeout) {
    return fmt::format(
        "the daemon at {} did not answer within {} s: it hangs or is stopped; journalctl -u "
        "pointsman",
        socket, std::chrono::duration<double>(patience).count());
  }
  return fmt::format("the daemon at {} could not be asked: {}", socket, failed.message());
}

std::optional<Error> wrong_path(const std::string& socket) {
  constexpr std::size_t longest_path = 107;  // sockaddr_un
  if (socket.size() <= longest_path) return std::nullopt;
  return Error{fmt::format("{}: a socket's path has at most {} bytes", socket, longest_path)};
}

Result<ControlAnswer> ask(Exchange exchange, Duration patience) {
  if (const auto wrong = wrong_path(exchange.socket)) return *wrong;
  const std::string socket = exchange.socket;
  asio::io_context loop{1};
  Stream stream(loop);
  stream.expires_after(patience);
  bool thrown = false;
  asio::co_spawn(loop, async_exchange(stream, exchange),
                 [&thrown](std::exception_ptr problem) { thrown = problem != nullptr; });
  loop.run();
  if (thrown) return Error{fmt::format("the daemon at {} could not be asked", socket)};
  if (exchange.failed) return Error{explained(socket, exchange.failed, patience)};
  return ControlAnswer{static_cast<int>(exchange.response.result_int()),
                       std::move(exchange.response.body())};
}

/// What is listened to.
struct Listening {
  std::string socket, target;
  const std::function<bool(std::string_view)>& take;
  error_code failed;
  int status = 0;
  bool refused = false;  ///< `take` wanted no more
};

asio::awaitable<void> async_listen(Stream& stream, Listening& listening) {
  stream.expires_after(ControlClient::patience);
  const asio::local::stream_protocol::endpoint endpoint(listening.socket);
  auto [not_connected] = co_await stream.async_connect(endpoint, as_result);
  listening.failed = not_connected;
  if (listening.failed) co_return;
  http::request<http::empty_body> request{http::verb::get, listening.target, 11};
  request.set(http::field::host, "localhost");
  request.set(http::field::accept, "text/event-stream");
  auto [not_sent, sent] = co_await http::async_write(stream, request, as_result);
  listening.failed = not_sent;
  if (listening.failed) co_return;

  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  auto [no_head, head] = co_await http::async_read_header(stream, buffer, parser, as_result);
  listening.failed = no_head;
  if (listening.failed) co_return;
  listening.status = static_cast<int>(parser.get().result_int());
  if (listening.status != 200) co_return;
  char piece[8192];
  while (!parser.is_done()) {  // ends: each read has a deadline, and the caller may want no more
    parser.get().body().data = piece;
    parser.get().body().size = sizeof piece;
    stream.expires_after(ControlClient::silence);
    auto [not_read, read] = co_await http::async_read_some(stream, buffer, parser, as_result);
    const std::size_t count = sizeof piece - parser.get().body().size;
    if (count > 0 && !listening.take({piece, count})) {
      listening.refused = true;
      co_return;
    }
    if (not_read && not_read != http::error::need_buffer) {
      listening.failed = not_read;
      co_return;
    }
  }
}

}  // namespace

Result<ControlAnswer> ControlClient::get(const std::string& target) const {
  return ask({socket_, target, {}, http::verb::get, {}, {}}, get_patience_);
}

Result<ControlAnswer> ControlClient::post(const std::string& target,
                                          const std::string& body) const {
  return ask({socket_, target, body, http::verb::post, {}, {}}, long_patience);
}

Status ControlClient::stream(const std::string& target,
                             const std::function<bool(std::string_view)>& take) const {
  if (const auto wrong = wrong_path(socket_)) return *wrong;
  asio::io_context loop{1};
  Stream stream(loop);
  Listening listening{socket_, target, take, {}, 0, false};
  bool thrown = false;
  asio::co_spawn(loop, async_listen(stream, listening),
                 [&thrown](std::exception_ptr problem) { thrown = problem != nullptr; });
  loop.run();
  if (thrown) return Error{fmt::format("the daemon at {} could not be listened to", socket_)};
  if (listening.refused) return Error{"what the daemon sends can not be read"};
  const bool ended = !listening.failed || listening.failed == asio::error::eof ||
                     listening.failed == http::error::end_of_stream ||
                     listening.failed == http::error::partial_message;
  if (listening.status != 0 && listening.status != 200) {
    return Error{listening.status == 503
                     ? std::string("the daemon has as many listeners as it takes")
                     : fmt::format("the daemon at {} answered {}", socket_, listening.status)};
  }
  if (ended) return Error{fmt::format("the daemon at {} has ended the stream", socket_)};
  return Error{explained(socket_, listening.failed, listening.status == 200 ? silence : patience)};
}

std::string percent_encoded(const std::string& text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return encoded;
}

}  // namespace pointsman
