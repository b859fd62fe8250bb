// One HTTP/1.1 request made for its effect: a ladder's or a hook's `http`, a notifier's delivery.
//
// The same client as the http probe (name, addresses, TLS, verified certificate, one deadline over
// all of it), but the answer is handed back instead of judged. A new connection each time; no
// redirect is followed; nothing is ever tried again here. Whoever asks must tell two failures
// apart: where `was_sent` is false nothing was asked (failed, may be tried again), else without a
// status what came of it is unknown (to be looked at, not repeated blindly). Loop's thread only.
// Limits: HttpResponseReader's (16 KiB of headers, 64 KiB of body; the rest of the body is cut).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policies/model/result.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"
#include "probes/http_request.hpp"
#include "probes/prober.hpp"
#include "probes/secret.hpp"

namespace pointsman {

struct HttpCallResult {
  /// A byte of the request may have reached the server.
  bool was_sent = false;
  /// 0: no answer. Set as soon as its header has come, even where the body was never over.
  int status = 0;
  Reason reason = Reason::ok;  ///< ok: the whole answer came; else why it did not
  std::string message;  ///< of a failure: one line, without a secret; begins with the request
  std::vector<std::pair<std::string, std::string>> headers;  ///< as they came
  std::string body;                                          ///< at most 64 KiB
  bool is_cut = false;                                       ///< the body was longer
  Duration took{};

  bool answered() const { return status != 0; }
  /// By its name, in any case; the first of several. nullopt: none.
  std::optional<std::string_view> header(std::string_view name) const;
};

/// `deadline` covers all from the name's resolution on; the caller may be cancelled earlier, and
/// must have called throw_if_cancelled(false).
///
///   HttpRequest request = make_http_request(spec);   // method, headers, body, tls
///   const HttpCallResult result = co_await async_http_call(services, std::move(request),
///   deadline);
asio::awaitable<HttpCallResult> async_http_call(ProberServices services, HttpRequest request,
                                                MonoTime deadline);

/// A URL of http: or https: as a spec to be filled with method, headers and body. Userinfo becomes
/// basic authorization. Errors do not quote the URL.
Result<HttpSpec> http_spec_of(const std::string& url);

/// Seconds of Retry-After (RFC 9110, the number's form); nullopt without one that can be read.
std::optional<Duration> retry_after_of(const HttpCallResult& result);

/// HMAC-SHA256 in lower-case hex.
std::string hmac_sha256(const Secret& key, std::string_view text);

/// Adds X-Pointsman-Timestamp (Unix seconds) and X-Pointsman-Signature: `sha256=` and the HMAC of
/// TIMESTAMP + "." + body, so that a receiver can tell ours, and an old one that is sent again.
void sign_http(HttpSpec& spec, const Secret& key, WallTime now);

}  // namespace pointsman
