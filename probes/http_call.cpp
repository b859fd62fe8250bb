#include "probes/http_call.hpp"

#include <charconv>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <boost/beast/core/string.hpp>
#include <boost/url.hpp>

#include "probes/clock.hpp"
#include "probes/deadline.hpp"
#include "probes/http_exchange.hpp"

namespace pointsman {
namespace {

using boost::beast::iequals;

void take(const HttpExchange& exchange, HttpCallResult& result) {
  const HttpResponseReader& reader = exchange.reader;
  HttpOutcome outcome = outcome_of(exchange);
  result.was_sent = exchange.was_sent;
  result.reason = outcome.reason;
  result.message = std::move(outcome.message);
  if (reader.status() < 200) return;
  result.status = reader.status();
  result.headers = reader.headers();
  result.body = reader.body();
  result.is_cut = reader.is_cut();
}

void fail(HttpCallResult& result, Reason reason, std::string message) {
  result.reason = reason;
  result.message = std::move(message);
}

asio::awaitable<void> async_tls_call(ProberServices services, Dialed& dialed,
                                     HttpExchange& exchange, HttpCallResult& result) {
  const HttpRequest& request = exchange.request;
  const auto tls = services.tls_contexts.get(*request.tls);
  if (!tls) {
    fail(result, Reason::prober_error, tls.error().message);
    co_return;
  }
  TlsStream stream(std::move(dialed.socket), *tls.value());
  const RunContext context{};
  Handshaken shaken = co_await async_handshake(stream, *request.tls, request.target.host, context);
  if (shaken.ok()) {
    co_await async_exchange(stream, exchange);
    take(exchange, result);
  } else {
    fail(result, shaken.reason, fmt::format("{}: {}", request.shown, shaken.message));
  }
  close_with_reset(stream.next_layer());
}

asio::awaitable<HttpCallResult> async_call(ProberServices services, HttpRequest request,
                                           MonoTime deadline) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const MonoTime started = mono_now();
  HttpCallResult result;
  RunContext context;
  context.deadline = deadline;
  Dialed dialed = co_await async_dial(services, request.target, context);
  if (!dialed.ok()) {
    fail(result, dialed.reason, fmt::format("{}: {}", request.shown, dialed.message));
  } else {
    HttpResponseReader::Wanted wanted;
    wanted.body = true;
    wanted.headers = true;
    wanted.is_head = request.method == "HEAD";
    HttpResponseReader reader(wanted);
    HttpExchange exchange(request, reader);
    if (request.tls) {
      co_await async_tls_call(services, dialed, exchange, result);
    } else {
      co_await async_exchange(dialed.socket, exchange);
      close_with_reset(dialed.socket);
      take(exchange, result);
    }
  }
  result.took = mono_now() - started;
  co_return result;
}

}  // namespace

std::optional<std::string_view> HttpCallResult::header(std::string_view name) const {
  for (const auto& [given, value] : headers) {
    if (iequals(given, name)) return value;
  }
  return std::nullopt;
}

asio::awaitable<HttpCallResult> async_http_call(ProberServices services, HttpRequest request,
                                                MonoTime deadline) {
  co_return co_await async_until(deadline, async_call(services, std::move(request), deadline));
}

Result<HttpSpec> http_spec_of(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed) return Error{"is not a URL of http: or https:, such as https://example.com/hook"};
  const bool https = parsed->scheme_id() == boost::urls::scheme::https;
  if (!https && parsed->scheme_id() != boost::urls::scheme::http) {
    return Error{"is not a URL of http: or https:, such as https://example.com/hook"};
  }
  HttpSpec spec;
  spec.url = url;
  spec.host = std::string(parsed->host_address());
  if (spec.host.empty()) return Error{"names no host"};
  spec.port = https ? 443 : 80;
  if (parsed->has_port() && !parsed->port().empty()) {
    const std::string text(parsed->port());
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, spec.port);
    if (read.ec != std::errc{} || read.ptr != end || spec.port == 0) {
      return Error{"has a port that is none (1 to 65535)"};
    }
  }
  spec.target = std::string(parsed->encoded_target());
  if (spec.target.empty() || spec.target.front() != '/') spec.target.insert(0, 1, '/');
  if (https) spec.tls = TlsSpec{};
  return spec;
}

std::optional<Duration> retry_after_of(const HttpCallResult& result) {
  const auto text = result.header("Retry-After");
  if (!text) return std::nullopt;
  std::uint32_t seconds = 0;
  const char* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, seconds);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return std::chrono::seconds{seconds};
}

std::string hmac_sha256(const Secret& key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  ::HMAC(::EVP_sha256(), key.reveal().data(), static_cast<int>(key.reveal().size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

void sign_http(HttpSpec& spec, const Secret& key, WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  const std::string stamp = std::to_string(seconds);
  spec.headers.emplace_back("X-Pointsman-Timestamp", Secret(stamp));
  spec.headers.emplace_back("X-Pointsman-Signature",
                            Secret("sha256=" + hmac_sha256(key, stamp + "." + spec.body.reveal())));
}

}  // namespace pointsman
