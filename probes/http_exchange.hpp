// One HTTP request sent and its answer read, on a stream that is connected (and has agreed on TLS).
//
// What the http probe and http_call share. Loop's thread only. The caller has called
// throw_if_cancelled(false) and cancels at the deadline: the exchange then ends soon, `cancelled`.
// `was_sent` tells those who change the world whether what they asked may have been heard.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"
#include "probes/asio.hpp"
#include "probes/dial.hpp"
#include "probes/http_request.hpp"
#include "probes/http_response.hpp"

namespace pointsman {

/// How one request and its answer went.
struct HttpExchange {
  HttpExchange(const HttpRequest& asked, HttpResponseReader& answer)
      : request(asked), reader(answer) {}

  const HttpRequest& request;
  HttpResponseReader& reader;
  MonoTime sent{};
  bool was_sent = false;  ///< a byte of it may have left us
  std::optional<Duration> first_byte;
  HttpResponseReader::Progress progress = HttpResponseReader::Progress::need_more;
  error_code error;  ///< of the read that failed
  bool cancelled = false;

  void read(std::string_view bytes);
  /// A reset after part of an answer is no better than a close.
  void fail(const error_code& ec);
  bool goes_on() const {
    return progress == HttpResponseReader::Progress::need_more && !error && !cancelled;
  }
};

/// `exchange` and what it refers to must outlive the call.
asio::awaitable<void> async_exchange(StreamSocket& socket, HttpExchange& exchange);
asio::awaitable<void> async_exchange(TlsStream& stream, HttpExchange& exchange);

struct HttpOutcome {
  Reason reason = Reason::ok;
  std::string message;  ///< empty where there is a whole answer
};
/// After the exchange: why there is no whole answer, in one line that begins with the request.
HttpOutcome outcome_of(const HttpExchange& exchange);

}  // namespace pointsman
