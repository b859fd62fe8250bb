// Reaching a server: its name resolved, one of its addresses connected, TLS agreed. http, tcp and
// redis probes share it, so that the same fault has the same reason and words everywhere.
//
// Several addresses are tried in turn within the run's one deadline; all but the last get an equal
// share of what is left, so that a dead one does not eat it all. The caller (a prober's async_run)
// has called throw_if_cancelled(false); a cancelled call returns soon with dns_timeout,
// connect_timeout or timeout. A fault of ours (no descriptors, no local ports, resolver overloaded)
// is prober_error. Nothing is ever sent here but the handshakes. Loop's thread only; at most
// `max_addresses` are tried.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "probes/prober.hpp"
#include "probes/spec.hpp"
#include "probes/tls.hpp"

namespace pointsman {

/// A TCP or a unix socket. It is in non-blocking mode; TCP_NODELAY is set.
using StreamSocket = asio::generic::stream_protocol::socket;
using TlsStream = asio::ssl::stream<StreamSocket>;

struct DialTarget {
  std::string host;  ///< a name or a numeric address, without brackets
  std::uint16_t port = 0;
  std::string unix_socket;  ///< instead of host and port
  IpVersion ip = IpVersion::any;

  static constexpr int max_addresses = 8;
};

struct Dialed {
  StreamSocket socket;
  Reason reason = Reason::ok;       ///< anything else: not connected, and why
  std::string message;              ///< one line for a person
  std::string address;              ///< the numeric address, or the socket's path
  std::optional<Duration> dns;      ///< absent where no name had to be resolved
  std::optional<Duration> connect;  ///< of the address that answered

  explicit Dialed(const asio::any_io_executor& executor) : socket(executor) {}
  bool ok() const { return reason == Reason::ok; }
};

/// `target` and `context` must outlive the call.
asio::awaitable<Dialed> async_dial(ProberServices services, const DialTarget& target,
                                   const RunContext& context);

struct Handshaken {
  Reason reason = Reason::ok;  ///< tls_failed, tls_expired, timeout or prober_error
  std::string message;
  TlsPeer peer;
  Duration took{};  ///< also of a failed one

  bool ok() const { return reason == Reason::ok; }
};

/// The client's side of TLS over a dialed socket, after prepare_tls. `host` is what is verified
/// where the spec names no other. `stream`, `spec`, `host` and `context` must outlive the call.
///
///   auto tls = services.tls_contexts.get(spec);            // an error: prober_error
///   TlsStream stream(std::move(dialed.socket), *tls.value());
///   const Handshaken shaken = co_await async_handshake(stream, spec, host, context);
asio::awaitable<Handshaken> async_handshake(TlsStream& stream, const TlsSpec& spec,
                                            const std::string& host, const RunContext& context);

/// A Finding for what failed: inconclusive for prober_error, else fail.
Finding finding_of_failure(Reason reason, std::string message, Facts facts);

/// Whether the run's deadline has passed: to be asked before each await, since a cancellation that
/// comes while nothing is awaited stops nothing by itself.
inline bool is_cancelled(const asio::cancellation_state& state) {
  return state.cancelled() != asio::cancellation_type::none;
}

/// Closes with a reset: one packet, no TIME_WAIT on either side (a thousand probes a second would
/// use up the local ports in half a minute). Only once all that was wanted has been read.
void close_with_reset(StreamSocket& socket);

/// What an errno means for a Finding. `connect`: while connecting. `io`: on a connected socket,
/// where a reset or a close in mid-answer is a protocol_error.
struct Fault {
  Reason reason;
  std::string_view words;  ///< "refused the connection"
};
Fault fault_of_connect(int error, bool is_v4);
Fault fault_of_io(const error_code& error);

/// "350 ms", "2.0 s": for messages.
std::string duration_text(Duration duration);

/// "10.0.1.20:6379", "[::1]:6379".
std::string endpoint_text(const std::string& host, std::uint16_t port);

}  // namespace pointsman
