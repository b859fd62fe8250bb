#include "probes/http_request.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <openssl/evp.h>

#include <boost/beast/core/string.hpp>
#include <boost/url.hpp>

namespace pointsman {
namespace {

namespace urls = boost::urls;
using boost::beast::iequals;

bool needs_length(const std::string& method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

/// A header's value must not become another header.
std::string one_line(const std::string& text) {
  std::string line;
  std::copy_if(text.begin(), text.end(), std::back_inserter(line),
               [](char c) { return c != '\r' && c != '\n' && c != '\0'; });
  return line;
}

std::string base64(const std::string& text) {
  std::vector<unsigned char> out(4 * ((text.size() + 2) / 3) + 1);
  const int length =
      ::EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(text.data()),
                        static_cast<int>(text.size()));
  return {out.begin(), out.begin() + length};
}

/// user:password of the URL, as curl would send them; empty without.
std::string basic_authorization(const std::string& url) {
  const auto parsed = urls::parse_uri(url);
  if (!parsed || !parsed->has_userinfo()) return {};
  return "Basic " + base64(parsed->user() + ':' + parsed->password());
}

std::string without_userinfo(const std::string& url) {
  const auto parsed = urls::parse_uri(url);
  if (!parsed) return {};
  urls::url copy(*parsed);
  copy.remove_userinfo();
  copy.remove_fragment();
  return std::string(copy.buffer());
}

std::string shown_url(const HttpRequest& request, const std::string& target, bool is_secret) {
  const std::uint16_t usual = request.tls ? 443 : 80;
  std::string text = request.tls ? "https://" : "http://";
  const std::string endpoint = endpoint_text(request.target.host, request.target.port);
  text += request.target.port == usual ? endpoint.substr(0, endpoint.rfind(':')) : endpoint;
  if (is_secret) return text + "/...";
  // A query may hold a key.
  const auto query = target.find('?');
  text += target.substr(0, query);
  if (query != std::string::npos) text += "?...";
  return text;
}

struct Parts {
  std::string target;
  const std::vector<std::pair<std::string, Secret>>* headers = nullptr;
  const Secret* body = nullptr;
  std::string authorization;
};

bool is_ours(std::string_view name) {
  return iequals(name, "Content-Length") || iequals(name, "Connection") ||
         iequals(name, "Transfer-Encoding");
}

void write_bytes(HttpRequest& request, const Parts& parts) {
  const auto given = [&](std::string_view name) {
    return parts.headers != nullptr &&
           std::any_of(parts.headers->begin(), parts.headers->end(),
                       [name](const auto& header) { return iequals(header.first, name); });
  };
  const std::uint16_t usual = request.tls ? 443 : 80;
  std::string host = endpoint_text(request.target.host, request.target.port);
  if (request.target.port == usual) host.resize(host.rfind(':'));

  std::string& out = request.bytes;
  out = fmt::format("{} {} HTTP/1.1\r\n", request.method, parts.target);
  if (!given("Host")) out += fmt::format("Host: {}\r\n", host);
  if (!given("User-Agent")) out += "User-Agent: pointsman\r\n";
  if (!given("Accept")) out += "Accept: */*\r\n";
  if (!parts.authorization.empty() && !given("Authorization")) {
    out += fmt::format("Authorization: {}\r\n", parts.authorization);
  }
  out += "Connection: close\r\n";
  if (parts.headers != nullptr) {
    for (const auto& [name, value] : *parts.headers) {
      if (is_ours(name)) continue;
      out += fmt::format("{}: {}\r\n", one_line(name), one_line(value.reveal()));
    }
  }
  const bool has_body = parts.body != nullptr && !parts.body->empty();
  if (has_body || needs_length(request.method)) {
    out += fmt::format("Content-Length: {}\r\n", has_body ? parts.body->reveal().size() : 0);
  }
  out += "\r\n";
  if (has_body) out += parts.body->reveal();
}

}  // namespace

HttpRequest make_http_request(const HttpSpec& spec) {
  HttpRequest request;
  request.method = spec.method;
  request.tls = spec.tls;
  request.target.host = spec.host;
  request.target.port = spec.port;
  request.target.ip = spec.ip;
  // A secret path stands in `target` alone: `url` is what may be shown.
  if (!spec.target_secret) request.url = without_userinfo(spec.url);
  if (request.url.empty()) {
    request.url = fmt::format("{}://{}{}", spec.tls ? "https" : "http",
                              endpoint_text(spec.host, spec.port), spec.target);
  }
  request.shown =
      fmt::format("{} {}", request.method, shown_url(request, spec.target, spec.target_secret));
  write_bytes(request, Parts{spec.target.empty() ? "/" : spec.target, &spec.headers, &spec.body,
                             basic_authorization(spec.url)});
  return request;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Result<HttpRequest> follow_redirect(const HttpSpec& spec, const HttpRequest& from, int status,
                                    const std::string& location) {
  const auto base = urls::parse_uri(from.url);
  const auto reference = urls::parse_uri_reference(location);
  urls::url to;
  if (!base || !reference || !urls::resolve(*base, *reference, to)) {
    return Error{fmt::format("{} redirects to what is not a URL", from.shown)};
  }
  to.remove_userinfo();
  to.remove_fragment();
  const bool https = iequals(std::string(to.scheme()), "https");
  if (!https && !iequals(std::string(to.scheme()), "http")) {
    return Error{fmt::format("{} redirects to something else than http or https", from.shown)};
  }
  if (from.tls && !https) return Error{fmt::format("{} redirects from https to http", from.shown)};

  HttpRequest request;
  request.url = std::string(to.buffer());
  request.target.host = std::string(to.host_address());
  request.target.ip = spec.ip;
  request.target.port = to.has_port() && to.port_number() != 0
                            ? to.port_number()
                            : static_cast<std::uint16_t>(https ? 443 : 80);
  if (request.target.host.empty()) return Error{fmt::format("{} redirects to no host", from.shown)};
  const bool same_origin = https == from.tls.has_value() &&
                           iequals(request.target.host, from.target.host) &&
                           request.target.port == from.target.port;
  request.carries_secrets = from.carries_secrets && same_origin;
  if (https) {
    request.tls = from.tls ? from.tls : spec.tls ? spec.tls : TlsSpec{};
    if (!request.carries_secrets) {
      request.tls->server_name.clear();
      request.tls->cert.clear();
      request.tls->key.clear();
    }
  }
  const bool keeps_method = status == 307 || status == 308;
  const bool becomes_get = !keeps_method && from.method != "HEAD" && from.method != "GET";
  request.method = becomes_get ? "GET" : from.method;
  const bool with_body = !becomes_get && !spec.body.empty();
  if (with_body && !request.carries_secrets) {
    return Error{fmt::format("{} redirects the request's body to another host", from.shown)};
  }
  Parts parts;
  parts.target = std::string(to.encoded_target());
  if (parts.target.empty() || parts.target.front() != '/') parts.target.insert(0, 1, '/');
  if (request.carries_secrets) {
    parts.headers = &spec.headers;
    parts.authorization = basic_authorization(spec.url);
  }
  if (with_body) parts.body = &spec.body;
  // Where the configured path is secret, one that the server made of it is taken for secret too.
  request.shown =
      fmt::format("{} {}", request.method, shown_url(request, parts.target, spec.target_secret));
  write_bytes(request, parts);
  return request;
}

}  // namespace pointsman
