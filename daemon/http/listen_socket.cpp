#include "daemon/http/listen_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/ip/tcp.hpp>

namespace pointsman {
namespace {

using Tcp = boost::asio::ip::tcp;

/// A descriptor that is closed unless it is released.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

Descriptor new_socket(int family) {
  return Descriptor{::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
}

void set_option(int descriptor, int level, int name, int value) {
  ::setsockopt(descriptor, level, name, &value, sizeof value);
}

std::string bind_error(const Endpoint& endpoint, const std::string& key, int number) {
  const std::string where = to_text(endpoint);
  switch (number) {
    case EADDRINUSE:
      return fmt::format(
          "cannot listen on {}: another program does already (`ss -ltnp sport = :{}` "
          "shows which); stop it, or give {} another port",
          where, endpoint.port, key);
    case EACCES:
      return fmt::format(
          "cannot listen on {}: ports below 1024 take a right that pointsman does "
          "not have (CAP_NET_BIND_SERVICE); give {} a port from 1024 up",
          where, key);
    case EADDRNOTAVAIL:
      return fmt::format(
          "cannot listen on {}: this machine does not have that address (`ip addr` "
          "lists those that it has; 0.0.0.0 means all of them); change {}",
          where, key);
    case EAFNOSUPPORT:
      return fmt::format(
          "cannot listen on {}: IPv6 is switched off on this machine; give {} an "
          "IPv4 address",
          where, key);
    default:
      return fmt::format("cannot listen on {}: {}; see {}", where, std::strerror(number), key);
  }
}

/// Nobody listens there any more: a daemon that was killed leaves its socket file.
bool nobody_answers(const sockaddr_un& address) {
  const Descriptor probe = new_socket(AF_UNIX);
  const int failed =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return failed != 0 && errno == ECONNREFUSED;
}

Status clear_the_path(const std::string& path, const sockaddr_un& address) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  struct stat found {};
  if (::stat(folder.c_str(), &found) != 0) {
    return Error{
        fmt::format("cannot make the control socket {}: the folder {}: {}; systemd makes "
                    "/run/pointsman (RuntimeDirectory=), else create it or change "
                    "listen.control",
                    path, folder.string(), std::strerror(errno))};
  }
  if (::lstat(path.c_str(), &found) != 0) return Nothing{};
  if (!S_ISSOCK(found.st_mode)) {
    return Error{
        fmt::format("cannot make the control socket {}: something else is there that is "
                    "no socket; move it away or change listen.control",
                    path)};
  }
  if (!nobody_answers(address)) {
    return Error{
        fmt::format("cannot make the control socket {}: another pointsman answers on it; "
                    "stop that one or change listen.control",
                    path)};
  }
  if (::unlink(path.c_str()) != 0) {
    return Error{fmt::format("cannot replace the control socket {} that a daemon left behind: {}",
                             path, std::strerror(errno))};
  }
  return Nothing{};
}

}  // namespace

Result<int> open_tcp_listener(const Endpoint& endpoint, const std::string& key) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(endpoint.host, error);
  if (error) {
    return Error{
        fmt::format("cannot listen on {}: {} takes a numeric address, such as 0.0.0.0 or "
                    "127.0.0.1",
                    to_text(endpoint), key)};
  }
  const Tcp::endpoint wanted(address, endpoint.port);
  Descriptor listener = new_socket(address.is_v6() ? AF_INET6 : AF_INET);
  if (listener.get() < 0) return Error{bind_error(endpoint, key, errno)};
  set_option(listener.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  // Accepted sockets inherit it, so that it costs no call for each.
  set_option(listener.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (address.is_v6()) set_option(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(listener.get(), wanted.data(), static_cast<socklen_t>(wanted.size())) != 0 ||
      ::listen(listener.get(), listen_backlog) != 0) {
    return Error{bind_error(endpoint, key, errno)};
  }
  return listener.release();
}

Result<int> open_unix_listener(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{
        fmt::format("cannot make the control socket '{}': its path must have 1 to {} bytes; "
                    "change listen.control",
                    path, sizeof address.sun_path - 1)};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (const Status cleared = clear_the_path(path, address); !cleared) return cleared.error();

  Descriptor listener = new_socket(AF_UNIX);
  // The file takes the socket's mode (less the umask) as it appears: it is never open to others.
  ::fchmod(listener.get(), 0660);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0660) != 0 || ::listen(listener.get(), listen_backlog) != 0) {
    return Error{
        fmt::format("cannot make the control socket {}: {}; may this user write to the "
                    "folder?",
                    path, std::strerror(errno))};
  }
  return listener.release();
}

Endpoint local_endpoint(int descriptor) {
  Tcp::endpoint local;
  auto size = static_cast<socklen_t>(local.capacity());
  if (::getsockname(descriptor, local.data(), &size) != 0) return {};
  local.resize(size);
  return Endpoint{local.address().to_string(), local.port()};
}

}  // namespace pointsman
