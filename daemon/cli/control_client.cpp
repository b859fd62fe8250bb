#include "daemon/cli/control_client.hpp"

#include <grp.h>
#include <sys/stat.h>

#include <fmt/format.h>
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
  std::string socket, target;
  http::verb verb{};
  error_code failed;
  http::response<http::string_body> response;
};

asio::awaitable<void> async_exchange(Stream& stream, Exchange& exchange) {
  const asio::local::stream_protocol::endpoint endpoint(exchange.socket);
  auto [not_connected] = co_await stream.async_connect(endpoint, as_result);
  exchange.failed = not_connected;
  if (exchange.failed) co_return;

  http::request<http::empty_body> request{exchange.verb, exchange.target, 11};
  request.set(http::field::host, "localhost");
  request.set(http::field::connection, "close");
  if (exchange.verb == http::verb::post) request.content_length(0);
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

Result<ControlAnswer> ask(const std::string& socket, http::verb verb, const std::string& target,
                          Duration patience) {
  constexpr std::size_t longest_path = 107;  // sockaddr_un
  if (socket.size() > longest_path) {
    return Error{fmt::format("{}: a socket's path has at most {} bytes", socket, longest_path)};
  }
  asio::io_context loop{1};
  Stream stream(loop);
  stream.expires_after(patience);
  Exchange exchange{socket, target, verb, {}, {}};
  bool thrown = false;
  asio::co_spawn(loop, async_exchange(stream, exchange),
                 [&thrown](std::exception_ptr problem) { thrown = problem != nullptr; });
  loop.run();
  if (thrown) return Error{fmt::format("the daemon at {} could not be asked", socket)};
  if (exchange.failed) return Error{explained(socket, exchange.failed, patience)};
  return ControlAnswer{static_cast<int>(exchange.response.result_int()),
                       std::move(exchange.response.body())};
}

}  // namespace

Result<ControlAnswer> ControlClient::get(const std::string& target) const {
  return ask(socket_, http::verb::get, target, get_patience_);
}

Result<ControlAnswer> ControlClient::post(const std::string& target) const {
  return ask(socket_, http::verb::post, target, long_patience);
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
