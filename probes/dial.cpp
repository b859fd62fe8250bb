#include "probes/dial.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "probes/clock.hpp"
#include "probes/resolver.hpp"

namespace pointsman {
namespace {

using SocketAddress = asio::generic::stream_protocol::endpoint;

constexpr int in_progress = -1;  ///< of begin_connect; else 0 or an errno

struct OneAddress {
  SocketAddress endpoint;
  std::uint16_t port = 0;
  bool is_v4 = false, is_unix = false;
  MonoTime until;  ///< the whole deadline, or this address's share of it
  bool has_share = false;
};

/// Creates the socket and starts to connect. On loopback the handshake is over when connect()
/// returns, though it says EINPROGRESS: asking once more spares the wait for the reactor.
int begin_connect(StreamSocket& socket, const OneAddress& to) {
  const int family = to.endpoint.protocol().family();
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int result = 0;
  if (!to.is_unix) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const auto length = static_cast<socklen_t>(to.endpoint.size());
  if (::connect(fd, to.endpoint.data(), length) != 0) result = errno;
  if (result == EINPROGRESS && ::connect(fd, to.endpoint.data(), length) == 0)
    result = 0;
  else if (result == EINPROGRESS)
    result = errno;
  if (result == EISCONN) result = 0;
  if (result != 0 && result != EALREADY && result != EINPROGRESS) {
    ::close(fd);
    return result;
  }
  error_code ec;
  socket.assign(to.endpoint.protocol(), fd, ec);
  if (ec) {
    ::close(fd);
    return ec.value();
  }
  return result == 0 ? 0 : in_progress;
}

/// Ends one address's wait at its share of the deadline. Kept apart from the coroutine's frame,
/// since the timer's handler may run after the wait is over.
struct Share {
  StreamSocket* socket = nullptr;
  bool over = false;
};

struct Connected {
  int error = 0;  ///< an errno; ETIMEDOUT also where the share was used up
  bool cancelled = false;
};

asio::awaitable<Connected> async_connect_one(StreamSocket& socket, const OneAddress& to) {
  Connected outcome;
  const int begun = begin_connect(socket, to);
  if (begun != in_progress) {
    outcome.error = begun;
    co_return outcome;
  }
  const auto state = co_await asio::this_coro::cancellation_state;
  if (is_cancelled(state)) {
    outcome.cancelled = true;
    co_return outcome;
  }
  const auto share = std::make_shared<Share>();
  std::optional<asio::steady_timer> timer;
  if (to.has_share) {
    share->socket = &socket;
    timer.emplace(socket.get_executor(), to_steady(to.until));
    timer->async_wait([share](const error_code& ec) {
      if (ec || share->socket == nullptr) return;
      share->over = true;
      share->socket->cancel();
    });
  }
  const auto [ec] = co_await socket.async_wait(StreamSocket::wait_write, as_result);
  share->socket = nullptr;
  timer.reset();
  if (ec) {
    outcome.cancelled = is_cancelled(state);
    outcome.error = share->over ? ETIMEDOUT : ec.value();
    co_return outcome;
  }
  socklen_t size = sizeof outcome.error;
  ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &outcome.error, &size);
  co_return outcome;
}

SocketAddress unix_endpoint(const std::string& path) {
  return SocketAddress(asio::local::stream_protocol::endpoint(path));
}

bool fits_unix(const std::string& path) {
  return path.size() < sizeof(sockaddr_un::sun_path);
}

/// Which of two failures tells a person more: an answer before a silence before no route.
int weight(Reason reason) {
  switch (reason) {
    case Reason::connect_refused:
      return 3;
    case Reason::connect_timeout:
      return 2;
    case Reason::unreachable:
      return 1;
    default:
      return 4;
  }
}

void fail(Dialed& dialed, Reason reason, std::string message) {
  dialed.reason = reason;
  dialed.message = std::move(message);
}

std::string since_text(MonoTime started) {
  return duration_text(mono_now() - started);
}

void fail_resolve(Dialed& dialed, const DialTarget& target, const Resolved& resolved) {
  switch (resolved.error) {
    case ResolveError::cancelled:
      return fail(dialed, Reason::dns_timeout,
                  fmt::format("no answer for the name {} within {}", target.host,
                              duration_text(dialed.dns.value_or(Duration{}))));
    case ResolveError::overloaded:
      return fail(dialed, Reason::prober_error,
                  fmt::format("cannot resolve {}: {}", target.host, resolved.message));
    case ResolveError::none:
    case ResolveError::not_found:
    case ResolveError::temporary:
      return fail(dialed, Reason::dns_failed,
                  fmt::format("cannot resolve {}: {}", target.host, resolved.message));
  }
}

Fault fault_of_unix(int error) {
  switch (error) {
    case ENOENT:
      return {Reason::unreachable, "there is no such socket"};
    case EAGAIN:
      return {Reason::connect_refused, "its queue of connections is full"};
    default:
      return fault_of_connect(error, false);
  }
}

std::string family_text(IpVersion version) {
  return version == IpVersion::v4 ? "IPv4" : "IPv6";
}

/// The addresses of the target; on failure `dialed` says why and the list is empty.
asio::awaitable<std::vector<asio::ip::address>> async_addresses(ProberServices services,
                                                                const DialTarget& target,
                                                                const RunContext& context,
                                                                Dialed& dialed) {
  error_code not_numeric;
  const auto numeric = asio::ip::make_address(target.host, not_numeric);
  std::vector<asio::ip::address> addresses;
  if (!not_numeric) {
    if (target.ip == IpVersion::any || numeric.is_v4() == (target.ip == IpVersion::v4)) {
      addresses.push_back(numeric);
    } else {
      fail(dialed, Reason::dns_failed,
           fmt::format("{} is not an {} address", target.host, family_text(target.ip)));
    }
    co_return addresses;
  }
  const MonoTime started = mono_now();
  Resolved resolved = co_await services.resolver.async_resolve(target.host, target.ip);
  dialed.dns = mono_now() - started;
  if (resolved.error != ResolveError::none) {
    fail_resolve(dialed, target, resolved);
    co_return addresses;
  }
  addresses = std::move(resolved.addresses);
  if (addresses.size() > DialTarget::max_addresses) addresses.resize(DialTarget::max_addresses);
  if (context.trace) {
    std::string list;
    for (const auto& address : addresses) list += ' ' + address.to_string();
    context.tell(
        fmt::format("resolved {} in {}:{}", target.host, duration_text(*dialed.dns), list));
  }
  co_return addresses;
}

std::string text_of(const Dialed& dialed, const OneAddress& to) {
  return to.is_unix ? dialed.address : endpoint_text(dialed.address, to.port);
}

/// Connects to one address and notes in `dialed` how it went. True: no other need be tried.
asio::awaitable<bool> async_try(Dialed& dialed, const OneAddress& to, const RunContext& context) {
  const MonoTime started = mono_now();
  const Connected outcome = co_await async_connect_one(dialed.socket, to);
  if (outcome.error == 0 && !outcome.cancelled) {
    dialed.connect = mono_now() - started;
    dialed.reason = Reason::ok;
    dialed.message.clear();
    if (context.trace) {
      context.tell(fmt::format("connected to {} in {}", text_of(dialed, to),
                               duration_text(*dialed.connect)));
    }
    co_return true;
  }
  error_code ignored;
  dialed.socket.close(ignored);
  if (outcome.cancelled || outcome.error == ETIMEDOUT) {
    fail(dialed, Reason::connect_timeout,
         fmt::format("no connection to {} within {}", text_of(dialed, to), since_text(started)));
  } else {
    const Fault fault =
        to.is_unix ? fault_of_unix(outcome.error) : fault_of_connect(outcome.error, to.is_v4);
    fail(dialed, fault.reason,
         fmt::format("cannot connect to {}: {}", text_of(dialed, to), fault.words));
  }
  context.tell(dialed.message);
  co_return outcome.cancelled || dialed.reason == Reason::prober_error;
}

asio::awaitable<void> async_dial_unix(Dialed& dialed, const DialTarget& target,
                                      const RunContext& context) {
  dialed.address = target.unix_socket;
  if (!fits_unix(target.unix_socket)) {
    fail(dialed, Reason::prober_error,
         fmt::format("the socket's path {} is too long", target.unix_socket));
    co_return;
  }
  OneAddress to;
  to.endpoint = unix_endpoint(target.unix_socket);
  to.is_unix = true;
  co_await async_try(dialed, to, context);
}

}  // namespace

asio::awaitable<Dialed> async_dial(ProberServices services, const DialTarget& target,
                                   const RunContext& context) {
  Dialed dialed(services.executor);
  if (!target.unix_socket.empty()) {
    co_await async_dial_unix(dialed, target, context);
    co_return dialed;
  }
  const auto addresses = co_await async_addresses(services, target, context, dialed);
  Reason worst = Reason::ok;
  std::string worst_message;
  std::size_t tried = 0;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    OneAddress to;
    to.endpoint = SocketAddress(asio::ip::tcp::endpoint(addresses[i], target.port));
    dialed.address = addresses[i].to_string();
    to.port = target.port;
    to.is_v4 = addresses[i].is_v4();
    const auto left = static_cast<Duration::rep>(addresses.size() - i);
    to.has_share = left > 1;
    if (to.has_share) {
      const MonoTime now = mono_now();
      to.until = now + std::max(Duration{}, context.deadline - now) / left;
    }
    const bool is_over = co_await async_try(dialed, to, context);
    if (dialed.ok()) co_return dialed;
    ++tried;
    if (worst_message.empty() || weight(dialed.reason) > weight(worst)) {
      worst = dialed.reason;
      worst_message = dialed.message;
    }
    if (is_over) break;
  }
  if (tried > 1) {
    fail(dialed, worst, fmt::format("{} ({} addresses tried)", worst_message, tried));
  }
  co_return dialed;
}

asio::awaitable<Handshaken> async_handshake(TlsStream& stream, const TlsSpec& spec,
                                            const std::string& host, const RunContext& context) {
  Handshaken shaken;
  SSL* ssl = stream.native_handle();
  if (const auto prepared = prepare_tls(ssl, spec, host); !prepared) {
    shaken.reason = Reason::prober_error;
    shaken.message = prepared.error().message;
    co_return shaken;
  }
  const std::string& name = spec.server_name.empty() ? host : spec.server_name;
  const auto state = co_await asio::this_coro::cancellation_state;
  const MonoTime started = mono_now();
  error_code ec = asio::error::operation_aborted;
  if (!is_cancelled(state)) {
    std::tie(ec) = co_await stream.async_handshake(TlsStream::client, as_result);
  }
  shaken.took = mono_now() - started;
  shaken.peer = inspect_tls(ssl);
  if (!ec) {
    if (context.trace) {
      context.tell(fmt::format("{} with {} agreed in {}{}", ::SSL_get_version(ssl), name,
                               duration_text(shaken.took), spec.verify ? "" : ", not verified"));
    }
    co_return shaken;
  }
  const bool unverified = spec.verify && !shaken.peer.verify_error.empty();
  if (is_cancelled(state)) {
    shaken.reason = Reason::timeout;
    shaken.message = fmt::format("connected, but the TLS handshake with {} was not over within {}",
                                 name, duration_text(shaken.took));
  } else if (unverified) {
    shaken.reason = shaken.peer.expired ? Reason::tls_expired : Reason::tls_failed;
    shaken.message =
        fmt::format("the certificate of {} was refused: {}", name, shaken.peer.verify_error);
  } else if (ec.category() == asio::error::get_ssl_category() &&
             ERR_GET_REASON(static_cast<unsigned long>(ec.value())) == SSL_R_WRONG_VERSION_NUMBER) {
    shaken.reason = Reason::tls_failed;
    shaken.message = fmt::format("{} answers, but does not speak TLS", name);
  } else if (fault_of_io(ec).reason == Reason::prober_error) {
    shaken.reason = Reason::prober_error;
    shaken.message = fmt::format("TLS with {} failed: {}", name, ec.message());
  } else {
    const bool closed = ec == asio::error::eof || ec == asio::ssl::error::stream_truncated ||
                        ec == asio::error::connection_reset || ec == asio::error::broken_pipe;
    shaken.reason = Reason::tls_failed;
    shaken.message = fmt::format("TLS with {} failed: {}", name,
                                 closed ? "closed in the handshake" : ec.message());
  }
  ::ERR_clear_error();
  context.tell(shaken.message);
  co_return shaken;
}

Finding finding_of_failure(Reason reason, std::string message, Facts facts) {
  const Outcome outcome = reason == Reason::prober_error ? Outcome::inconclusive : Outcome::fail;
  return Finding{outcome, reason, std::move(message), std::move(facts)};
}

void close_with_reset(StreamSocket& socket) {
  if (!socket.is_open()) return;
  const linger at_once{1, 0};
  ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  error_code ignored;
  socket.close(ignored);
}

Fault fault_of_connect(int error, bool is_v4) {
  switch (error) {
    case ECONNREFUSED:
      return {Reason::connect_refused, "refused"};
    case ECONNRESET:
      return {Reason::connect_refused, "reset while connecting"};
    case ETIMEDOUT:
      return {Reason::connect_timeout, "no answer"};
    case ENETUNREACH:
      return {Reason::unreachable, "no route to its network"};
    case EHOSTUNREACH:
      return {Reason::unreachable, "no route to the host"};
    case ENETDOWN:
      return {Reason::unreachable, "the network is down"};
    case EHOSTDOWN:
      return {Reason::unreachable, "the host is down"};
    case EAFNOSUPPORT:
      return {Reason::unreachable, "this host does not speak that IP version"};
    case EMFILE:
      return {Reason::prober_error, "we have no file descriptor left"};
    case ENFILE:
      return {Reason::prober_error, "this host has no file descriptor left"};
    case ENOMEM:
    case ENOBUFS:
      return {Reason::prober_error, "this host has no memory for it"};
    case EADDRNOTAVAIL:
      // Of IPv6 also where there is no address of ours to come from.
      if (!is_v4) return {Reason::unreachable, "no local address to come from"};
      return {Reason::prober_error, "this host has no local port left"};
    case EAGAIN:
      return {Reason::prober_error, "this host has no local port left"};
    case EACCES:
    case EPERM:
      return {Reason::prober_error, "not permitted on this host"};
    default:
      return {Reason::prober_error, "an unexpected error of this host"};
  }
}

Fault fault_of_io(const error_code& error) {
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    return {Reason::protocol_error, "closed"};
  }
  if (error.category() == asio::error::get_ssl_category())
    return {Reason::tls_failed, "TLS failed"};
  switch (error.value()) {
    case ECONNRESET:
    case EPIPE:
      return {Reason::protocol_error, "reset"};
    case ETIMEDOUT:
      return {Reason::timeout, "lost: no acknowledgement"};
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
      return {Reason::unreachable, "lost: no route any more"};
    default:
      return {Reason::prober_error, "an unexpected error of this host"};
  }
}

std::string duration_text(Duration duration) {
  const double ms = std::chrono::duration<double, std::milli>(duration).count();
  if (ms < 10) return fmt::format("{:.1f} ms", ms);
  if (ms < 1000) return fmt::format("{:.0f} ms", ms);
  return fmt::format("{:.1f} s", ms / 1000);
}

std::string endpoint_text(const std::string& host, std::uint16_t port) {
  return host.find(':') != std::string::npos ? fmt::format("[{}]:{}", host, port)
                                             : fmt::format("{}:{}", host, port);
}

}  // namespace pointsman
