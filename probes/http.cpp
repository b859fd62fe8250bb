// The http probe: a new connection each run, one request (and those of redirects), one finding.
// Kept cheap (tests/bench/http_probe_cost): the request's bytes are built once, it is sent without
// asking whether the socket is writable, the answer is read into the stack, and a reset ends it.
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "probes/clock.hpp"
#include "probes/dial.hpp"
#include "probes/http_judge.hpp"
#include "probes/http_request.hpp"
#include "probes/http_response.hpp"
#include "probes/kinds.hpp"

namespace pointsman {
namespace {

using Progress = HttpResponseReader::Progress;

constexpr std::size_t read_size = 16 * 1024;

/// How one request and its answer went on a connected stream.
struct Exchange {
  Exchange(const HttpRequest& asked, HttpResponseReader& answer) : request(asked), reader(answer) {}

  const HttpRequest& request;
  HttpResponseReader& reader;
  MonoTime sent{};
  std::optional<Duration> first_byte;
  Progress progress = Progress::need_more;
  error_code error;  ///< of the read that failed
  bool cancelled = false;

  void read(std::string_view bytes) {
    if (!first_byte) first_byte = mono_now() - sent;
    progress = reader.feed(bytes);
  }
  /// A reset after part of an answer is no better than a close.
  void fail(const error_code& ec) {
    const Fault fault = fault_of_io(ec);
    if (fault.reason == Reason::protocol_error)
      progress = reader.feed_eof();
    else
      error = ec;
  }
};

/// One recv into the stack; false when there is nothing yet.
bool receive_some(int fd, Exchange& exchange) {
  char buffer[read_size];
  const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
  if (got > 0) {
    exchange.read({buffer, static_cast<std::size_t>(got)});
  } else if (got == 0) {
    exchange.progress = exchange.reader.feed_eof();
  } else if (errno == EAGAIN || errno == EINTR) {
    return false;
  } else {
    exchange.fail(error_code(errno, boost::system::system_category()));
  }
  return true;
}

bool goes_on(const Exchange& exchange) {
  return exchange.progress == Progress::need_more && !exchange.error && !exchange.cancelled;
}

asio::awaitable<void> async_exchange(StreamSocket& socket, Exchange& exchange) {
  const auto state = co_await asio::this_coro::cancellation_state;
  const std::string& bytes = exchange.request.bytes;
  exchange.sent = mono_now();
  const ssize_t sent = ::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  // What stands in the way of sending shows in the answer, or in its absence.
  const auto done = sent > 0 ? static_cast<std::size_t>(sent) : 0;
  if (done < bytes.size() && (sent >= 0 || errno == EAGAIN)) {
    exchange.cancelled = is_cancelled(state);
    if (exchange.cancelled) co_return;
    co_await asio::async_write(socket, asio::buffer(bytes) + done, as_result);
  }
  while (goes_on(exchange)) {
    exchange.cancelled = is_cancelled(state);
    if (exchange.cancelled) co_return;
    const auto [ec] = co_await socket.async_wait(StreamSocket::wait_read, as_result);
    exchange.cancelled = is_cancelled(state) && ec;
    if (exchange.cancelled) co_return;
    if (ec)
      exchange.fail(ec);
    else
      receive_some(socket.native_handle(), exchange);
  }
}

asio::awaitable<void> async_exchange(TlsStream& stream, Exchange& exchange) {
  const auto state = co_await asio::this_coro::cancellation_state;
  exchange.sent = mono_now();
  exchange.cancelled = is_cancelled(state);
  if (exchange.cancelled) co_return;
  co_await asio::async_write(stream, asio::buffer(exchange.request.bytes), as_result);
  std::vector<char> buffer(read_size);
  while (goes_on(exchange)) {
    exchange.cancelled = is_cancelled(state);
    if (exchange.cancelled) co_return;
    const auto [ec, got] = co_await stream.async_read_some(asio::buffer(buffer), as_result);
    if (got > 0) exchange.read({buffer.data(), got});
    if (!ec || !goes_on(exchange)) continue;
    exchange.cancelled = is_cancelled(state);
    if (!exchange.cancelled) exchange.fail(ec);
  }
}

/// What one hop came to: an answer to judge, or a failure.
struct Hop {
  Reason reason = Reason::ok;
  std::string message;
};

class HttpProber final : public Prober {
 public:
  HttpProber(const HttpSpec& spec, ProberServices services)
      : spec_(spec),
        services_(services),
        request_(make_http_request(spec)),
        judge_(spec, request_.shown) {}

  asio::awaitable<Finding> async_run(RunContext& context) override;

 private:
  asio::awaitable<Hop> async_hop(const HttpRequest& request, HttpResponseReader& reader,
                                 const RunContext& context, HttpFacts& facts);
  asio::awaitable<Hop> async_tls_hop(Dialed& dialed, Exchange& exchange, const RunContext& context,
                                     HttpFacts& facts);
  Hop conclude(const Exchange& exchange, const RunContext& context, HttpFacts& facts) const;
  Finding judge(const HttpResponseReader& reader, HttpFacts facts) const;
  HttpResponseReader::Wanted wanted(const HttpRequest& request) const {
    return {judge_.wants_body(), request.method == "HEAD"};
  }

  const HttpSpec spec_;
  const ProberServices services_;
  const HttpRequest request_;
  const HttpJudge judge_;
};

Hop HttpProber::conclude(const Exchange& exchange, const RunContext& context,
                         HttpFacts& facts) const {
  const HttpResponseReader& reader = exchange.reader;
  facts.first_byte = exchange.first_byte;
  if (reader.status() != 0) facts.status_code = reader.status();
  const std::string& what = exchange.request.shown;
  if (exchange.progress == Progress::complete) {
    if (context.trace) {
      context.tell(fmt::format("{} answered {}, first byte after {}", what, reader.status(),
                               duration_text(exchange.first_byte.value_or(Duration{}))));
    }
    return {};
  }
  Hop hop;
  const std::string waited = duration_text(mono_now() - exchange.sent);
  if (exchange.cancelled) {
    hop.reason = Reason::timeout;
    if (reader.status() >= 200) {
      hop.message = fmt::format("{} answered {}, but its body was not over within {}", what,
                                reader.status(), waited);
    } else if (reader.got_any()) {
      hop.message =
          fmt::format("{}: connected, but the answer was not over within {}", what, waited);
    } else {
      hop.message = fmt::format("{}: connected, but no answer within {}", what, waited);
    }
  } else if (exchange.error) {
    hop.reason = fault_of_io(exchange.error).reason;
    hop.message = fmt::format("{}: {}", what, exchange.error.message());
  } else {
    hop.reason = Reason::protocol_error;
    hop.message = fmt::format("{}: not an HTTP answer: {}", what, reader.error());
  }
  context.tell(hop.message);
  return hop;
}

asio::awaitable<Hop> HttpProber::async_tls_hop(Dialed& dialed, Exchange& exchange,
                                               const RunContext& context, HttpFacts& facts) {
  const HttpRequest& request = exchange.request;
  const auto tls = services_.tls_contexts.get(*request.tls);
  if (!tls) co_return Hop{Reason::prober_error, tls.error().message};
  TlsStream stream(std::move(dialed.socket), *tls.value());
  const Handshaken shaken =
      co_await async_handshake(stream, *request.tls, request.target.host, context);
  facts.tls = shaken.took;
  // Of several the one that ends first.
  if (const auto expires = shaken.peer.cert_expires;
      expires && (!facts.cert_expires || *expires < *facts.cert_expires)) {
    facts.cert_expires = expires;
  }
  Hop hop{shaken.reason, shaken.message};
  if (shaken.ok()) {
    co_await async_exchange(stream, exchange);
    hop = conclude(exchange, context, facts);
  }
  close_with_reset(stream.next_layer());
  co_return hop;
}

asio::awaitable<Hop> HttpProber::async_hop(const HttpRequest& request, HttpResponseReader& reader,
                                           const RunContext& context, HttpFacts& facts) {
  Dialed dialed = co_await async_dial(services_, request.target, context);
  facts.address = dialed.address;
  facts.dns = dialed.dns;
  facts.connect = dialed.connect;
  if (!dialed.ok()) co_return Hop{dialed.reason, std::move(dialed.message)};
  Exchange exchange(request, reader);
  if (request.tls) co_return co_await async_tls_hop(dialed, exchange, context, facts);
  co_await async_exchange(dialed.socket, exchange);
  close_with_reset(dialed.socket);
  co_return conclude(exchange, context, facts);
}

Finding HttpProber::judge(const HttpResponseReader& reader, HttpFacts facts) const {
  const HttpAnswer answer{reader.status(), reader.body(), reader.is_cut()};
  Verdict verdict = judge_.judge(answer);
  if (facts.cert_expires && (!spec_.tls || spec_.tls->verify)) {
    const CertLimits limits{spec_.cert_warn, spec_.cert_fail};
    Verdict certificate = judge_certificate(facts.cert_expires, wall_now(), limits);
    if (!certificate.message.empty()) {
      certificate.message = fmt::format("{}: {}", request_.shown, certificate.message);
    }
    verdict = worse(std::move(verdict), std::move(certificate));
  }
  return Finding{verdict.outcome, verdict.reason, std::move(verdict.message), std::move(facts)};
}

asio::awaitable<Finding> HttpProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (!judge_.status()) {
    co_return finding_of_failure(Reason::prober_error, judge_.status().error().message, {});
  }
  const MonoTime started = mono_now();
  HttpFacts facts;
  HttpRequest redirected;
  const HttpRequest* request = &request_;
  for (int hops = 0;; ++hops) {
    HttpResponseReader reader(wanted(*request));
    Hop hop = co_await async_hop(*request, reader, context, facts);
    facts.total = mono_now() - started;
    if (hop.reason != Reason::ok) {
      co_return finding_of_failure(hop.reason, std::move(hop.message), std::move(facts));
    }
    const bool leads_on =
        spec_.redirects > 0 && is_redirect(reader.status()) && !reader.location().empty();
    if (!leads_on) co_return judge(reader, std::move(facts));
    if (hops >= spec_.redirects) {
      co_return finding_of_failure(
          Reason::status_mismatch,
          fmt::format("{} is still redirected after {} redirects", request_.shown, hops),
          std::move(facts));
    }
    auto next = follow_redirect(spec_, *request, reader.status(), reader.location());
    if (!next) {
      co_return finding_of_failure(Reason::protocol_error, next.error().message, std::move(facts));
    }
    redirected = std::move(next.value());
    request = &redirected;
    context.tell(fmt::format("redirected: {}", redirected.shown));
  }
}

}  // namespace

std::unique_ptr<Prober> make_http_prober(const HttpSpec& spec, ProberServices services) {
  return std::make_unique<HttpProber>(spec, services);
}

}  // namespace pointsman
