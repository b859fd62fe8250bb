// One HTTP request as bytes, where it goes and how it is called in messages: built once for the
// probe's own URL, and anew for a redirect. Pure.
//
// A redirect to another host, port or scheme takes no configured header, no body, no client
// certificate and no server name along: they were meant for the first one.
#pragma once

#include <string>

#include "policies/model/result.hpp"
#include "probes/dial.hpp"
#include "probes/spec.hpp"

namespace pointsman {

struct HttpRequest {
  std::string method;
  std::string url;  ///< without userinfo: what a relative redirect is relative to
  std::string
      shown;  ///< "GET http://10.0.0.1/health": without userinfo and query; a secret path is "/..."
  DialTarget target;
  std::optional<TlsSpec> tls;
  std::string bytes;            ///< the whole request; may hold secrets
  bool carries_secrets = true;  ///< goes where the configured headers and body were meant to go
};

HttpRequest make_http_request(const HttpSpec& spec);

/// Where a `status` answer with this Location leads. An error says why it is not followed: https to
/// http, another scheme, a URL that cannot be read, a body that would go to another host.
Result<HttpRequest> follow_redirect(const HttpSpec& spec, const HttpRequest& from, int status,
                                    const std::string& location);

/// 301, 302, 303, 307 or 308.
bool is_redirect(int status);

}  // namespace pointsman
