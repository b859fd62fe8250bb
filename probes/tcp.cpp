// The tcp probe: connect, with TLS where asked, then send and wait for the expected bytes.
#include <memory>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "probes/clock.hpp"
#include "probes/dial.hpp"
#include "probes/http_judge.hpp"
#include "probes/kinds.hpp"

namespace pointsman {
namespace {

constexpr std::size_t expect_within = 4 * 1024;

struct Talk {
  Reason reason = Reason::ok;
  std::string message;
};

DialTarget target_of(const TcpSpec& spec) {
  DialTarget target;
  target.host = spec.host;
  target.port = spec.port;
  target.unix_socket = spec.unix_socket;
  return target;
}

class TcpProber final : public Prober {
 public:
  TcpProber(const TcpSpec& spec, ProberServices services)
      : spec_(spec), services_(services), target_(target_of(spec)) {
    name_ = spec.unix_socket.empty() ? endpoint_text(spec.host, spec.port) : spec.unix_socket;
  }

  asio::awaitable<Finding> async_run(RunContext& context) override;

 private:
  asio::awaitable<Finding> async_over_tls(Dialed dialed, RunContext& context, TcpFacts facts);
  template <class Stream>
  asio::awaitable<Talk> async_talk(Stream& stream, const RunContext& context);
  Talk lost(const error_code& ec, bool cancelled, std::string_view got) const;
  Finding conclude(Talk talk, TcpFacts facts) const;

  const TcpSpec spec_;
  const ProberServices services_;
  const DialTarget target_;
  std::string name_;
};

Talk TcpProber::lost(const error_code& ec, bool cancelled, std::string_view got) const {
  if (cancelled) {
    return {Reason::timeout,
            got.empty() ? fmt::format("{}: connected, but no answer in time", name_)
                        : fmt::format("{}: sent {} bytes, the expected ones not among them, and "
                                      "nothing more in time",
                                      name_, got.size())};
  }
  const Fault fault = fault_of_io(ec);
  if (fault.reason == Reason::protocol_error && !got.empty()) {
    return {Reason::body_mismatch,
            fmt::format("{}: {} after {} bytes, the expected ones not among them", name_,
                        fault.words, got.size())};
  }
  return {fault.reason, fmt::format("{}: {} without the expected answer", name_, fault.words)};
}

template <class Stream>
asio::awaitable<Talk> TcpProber::async_talk(Stream& stream, const RunContext& context) {
  const auto state = co_await asio::this_coro::cancellation_state;
  const error_code none;
  if (!spec_.send.empty()) {
    if (is_cancelled(state)) co_return lost(none, true, {});
    const auto [ec, sent] = co_await asio::async_write(stream, asio::buffer(spec_.send), as_result);
    // With an answer to wait for, a reset shows there, after what had already come.
    const bool matters = ec && (spec_.expect.empty() || is_cancelled(state));
    if (matters) co_return lost(ec, is_cancelled(state), {});
    if (context.trace) context.tell(fmt::format("sent {} bytes", sent));
  }
  if (spec_.expect.empty()) co_return Talk{};

  std::string got(expect_within, '\0');
  std::size_t size = 0;
  while (size < got.size()) {
    const std::string_view so_far(got.data(), size);
    if (is_cancelled(state)) co_return lost(none, true, so_far);
    const auto room = asio::buffer(got) + size;
    const auto [ec, read] = co_await stream.async_read_some(room, as_result);
    size += read;
    if (std::string_view(got.data(), size).find(spec_.expect) != std::string_view::npos) {
      if (context.trace) context.tell(fmt::format("got the expected bytes among {}", size));
      co_return Talk{};
    }
    if (ec) co_return lost(ec, is_cancelled(state), std::string_view(got.data(), size));
  }
  co_return Talk{Reason::body_mismatch,
                 fmt::format("{}: the expected bytes are not among the first {}", name_, size)};
}

Finding TcpProber::conclude(Talk talk, TcpFacts facts) const {
  if (talk.reason != Reason::ok) {
    return finding_of_failure(talk.reason, std::move(talk.message), facts);
  }
  Verdict verdict;
  verdict.message = spec_.expect.empty() ? "connected" : "answered as expected";
  if (spec_.tls && (spec_.tls->verify || spec_.cert_given)) {
    const CertLimits limits{spec_.cert_warn, spec_.cert_fail};
    Verdict certificate = judge_certificate(facts.cert_expires, wall_now(), limits);
    if (!certificate.message.empty()) {
      certificate.message = fmt::format("{}: {}", name_, certificate.message);
    }
    verdict = worse(std::move(verdict), std::move(certificate));
  }
  return Finding{verdict.outcome, verdict.reason, std::move(verdict.message), facts};
}

asio::awaitable<Finding> TcpProber::async_over_tls(Dialed dialed, RunContext& context,
                                                   TcpFacts facts) {
  const auto tls = services_.tls_contexts.get(*spec_.tls);
  if (!tls) co_return finding_of_failure(Reason::prober_error, tls.error().message, facts);
  TlsStream stream(std::move(dialed.socket), *tls.value());
  const Handshaken shaken = co_await async_handshake(stream, *spec_.tls, spec_.host, context);
  facts.cert_expires = shaken.peer.cert_expires;
  Talk talk{shaken.reason, shaken.message};
  if (shaken.ok()) talk = co_await async_talk(stream, context);
  close_with_reset(stream.next_layer());
  co_return conclude(std::move(talk), facts);
}

asio::awaitable<Finding> TcpProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Dialed dialed = co_await async_dial(services_, target_, context);
  TcpFacts facts;
  facts.connect = dialed.connect;
  if (!dialed.ok()) {
    co_return finding_of_failure(dialed.reason, std::move(dialed.message), facts);
  }
  if (spec_.tls) co_return co_await async_over_tls(std::move(dialed), context, facts);
  Talk talk = co_await async_talk(dialed.socket, context);
  close_with_reset(dialed.socket);
  co_return conclude(std::move(talk), facts);
}

}  // namespace

std::unique_ptr<Prober> make_tcp_prober(const TcpSpec& spec, ProberServices services) {
  return std::make_unique<TcpProber>(spec, services);
}

}  // namespace pointsman
