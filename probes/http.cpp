// The http probe: a new connection each run, one request (and those of redirects), one finding.
// Kept cheap (tests/bench/http_probe_cost): the request's bytes are built once, the answer is read
// into the stack (http_exchange.cpp), and a reset ends it.
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/dial.hpp"
#include "probes/http_exchange.hpp"
#include "probes/http_judge.hpp"
#include "probes/http_request.hpp"
#include "probes/http_response.hpp"
#include "probes/kinds.hpp"

namespace pointsman {
namespace {

using Progress = HttpResponseReader::Progress;
using Exchange = HttpExchange;
using Hop = HttpOutcome;  ///< an answer to judge, or a failure

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
  Hop hop = outcome_of(exchange);
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
  // Who verifies nothing asked for nothing, unless `cert_expiry` says otherwise.
  if (facts.cert_expires && (!spec_.tls || spec_.tls->verify || spec_.cert_given)) {
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
