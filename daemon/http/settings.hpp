// What the HTTP server is told when it starts and on a reload: who may read what, and every limit.
//
// Plain values. The limits have one place and one name each; tests make the times short.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "policies/model/time.hpp"
#include "probes/secret.hpp"

namespace pointsman {

/// A request's line and header fields together; also the buffer that each connection reads into.
inline constexpr std::size_t http_header_bytes = 8 * 1024;
/// A request's body. Only the control socket has a use for one; elsewhere it is read and dropped.
inline constexpr std::size_t http_body_bytes = 16 * 1024;
/// Answers that wait to be sent to one client; further pipelined requests wait until they are gone.
inline constexpr std::size_t http_out_bytes = 64 * 1024;

struct HttpLimits {
  int connections = 1024;        ///< over TCP, all ports together
  int control_connections = 64;  ///< over the control socket: TCP clients can not use these up
  Duration header_deadline{std::chrono::seconds{5}};  ///< from accept or the first byte to the last
  Duration body_deadline{std::chrono::seconds{10}};   ///< from the header's end to the body's
  Duration write_deadline{std::chrono::seconds{10}};  ///< without one byte taken by the client
  Duration idle{std::chrono::seconds{60}};            ///< between two requests of a connection
  Duration linger{std::chrono::seconds{1}};           ///< reading on, so that our answer arrives
  Duration drain{std::chrono::seconds{2}};            ///< close() waits so long for open answers
  Duration sweep{std::chrono::seconds{1}};            ///< how often deadlines are looked at
  Duration quiet{std::chrono::milliseconds{250}};     ///< when full, one so long silent makes room
  Duration accept_backoff{std::chrono::milliseconds{100}};  ///< after "too many open files"
  Duration answer_max_age{std::chrono::seconds{2}};         ///< older: /health says 503 (SPEC 5)
  Duration later_deadline{
      std::chrono::seconds{30}};  ///< for an answer that takes a while; then 504
  int event_streams = 32;         ///< listeners to /v1/events at a time
  Duration event_poll{
      std::chrono::milliseconds{200}};  ///< looking for new events, while any listens
  Duration event_heartbeat{std::chrono::seconds{15}};  ///< a comment after so long without an event
};

struct HttpSettings {
  /// CIDR ranges or addresses; IPv4-mapped IPv6 clients are judged as IPv4. One that can not be
  /// read matches nobody (daemon/config has reported it).
  std::vector<std::string> details_from{"127.0.0.0/8", "::1/128"};
  Secret token;  ///< as a bearer token it opens what details_from opens; empty: none
  HttpLimits limits;
};

}  // namespace pointsman
