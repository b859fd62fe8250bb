#include "probes/redis.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "probes/clock.hpp"
#include "probes/kinds.hpp"

namespace pointsman {
namespace {

DialTarget target_of(const RedisSpec& spec) {
  DialTarget target;
  target.host = spec.host;
  target.port = spec.port;
  target.unix_socket = spec.unix_socket;
  return target;
}

/// Unguessable where the machine has randomness, as it has; nothing rests on it but that two runs
/// differ.
std::string random_hex() {
  std::array<unsigned char, 12> bytes{};
  if (::RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return std::to_string(mono_now().time_since_epoch().count());
  }
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

/// True when the peer has closed. Reads what is there (TLS's farewell), and throws it away.
bool has_ended(int fd) {
  std::array<char, 1024> ignored{};
  for (int n = 0; n < 64; ++n) {
    const auto got = ::recv(fd, ignored.data(), ignored.size(), MSG_DONTWAIT);
    if (got > 0) continue;
    if (got < 0 && errno == EINTR) continue;
    return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }
  return true;  // it talks without being asked
}

}  // namespace

/// The kept connection. Apart from the prober, since its wait may end after the prober is gone.
struct RedisProber::Watch : std::enable_shared_from_this<RedisProber::Watch> {
  StreamSocket socket;
  std::function<void()> ended;

  explicit Watch(StreamSocket kept) : socket(std::move(kept)) {}

  void wait() {
    socket.async_wait(StreamSocket::wait_read, [self = shared_from_this()](const error_code& ec) {
      if (ec || !self->ended) return;
      if (!has_ended(self->socket.native_handle())) return self->wait();
      const auto tell = std::exchange(self->ended, {});
      tell();
    });
  }
  void stop() {
    ended = {};
    if (socket.is_open()) close_with_reset(socket);
  }
};

RedisProber::RedisProber(const ProbeName& name, RedisSpec spec, ProberServices services)
    : key_prefix_("pointsman:probe:" + name.text + ":"),
      spec_(std::move(spec)),
      services_(services),
      target_(target_of(spec_)),
      endpoint_(spec_.unix_socket.empty() ? endpoint_text(spec_.host, spec_.port)
                                          : spec_.unix_socket) {}

RedisProber::~RedisProber() {
  drop_watch();
}

void RedisProber::on_session_end(std::function<void(SessionEnd)> ended) {
  ended_ = std::move(ended);
}

void RedisProber::close() {
  drop_watch();
}

void RedisProber::drop_watch() {
  if (watch_) watch_->stop();
  watch_.reset();
}

RedisToken RedisProber::make_token() const {
  if (spec_.check != RedisCheck::roundtrip) return {};
  return {key_prefix_ + random_hex(), random_hex()};
}

/// `cancelled`: out of time, with not a byte of an answer. That alone is `timeout`: a frozen
/// server.
Finding RedisProber::unanswered(const error_code& ec, bool cancelled, bool heard) const {
  if (cancelled) {
    return finding_of_failure(Reason::timeout,
                              fmt::format("{}: connected, but no answer in time", endpoint_),
                              RedisFacts{});
  }
  const Fault fault = fault_of_io(ec);
  return finding_of_failure(
      fault.reason,
      fmt::format("{}: {} {} answer", endpoint_, fault.words, heard ? "in mid" : "without an"),
      RedisFacts{});
}

template <class Stream>
asio::awaitable<Finding> RedisProber::async_talk(Stream& stream, const RunContext& context) {
  const auto state = co_await asio::this_coro::cancellation_state;
  const RedisToken token = make_token();
  const auto questions = redis_questions(spec_, token);
  std::string request;
  for (const auto& question : questions) request += encode_redis_command(question.words);

  const MonoTime asked = mono_now();
  if (is_cancelled(state)) co_return unanswered({}, true, false);
  const auto [unsent, sent] = co_await asio::async_write(stream, asio::buffer(request), as_result);
  // A server that refuses closes before it has read: what it said is there all the same.
  if (unsent && is_cancelled(state)) co_return unanswered(unsent, true, false);

  RedisDecoder decoder;
  RedisAnswers answers;
  std::string buffer(16 * 1024, '\0');
  bool heard = false;
  while (answers.size() < questions.size()) {
    if (is_cancelled(state)) {
      if (heard) co_return finding_of_half_answer(spec_, answers, questions);
      co_return unanswered({}, true, false);
    }
    const auto [ec, size] = co_await stream.async_read_some(asio::buffer(buffer), as_result);
    heard = heard || size > 0;
    decoder.feed({buffer.data(), size});
    while (answers.size() < questions.size()) {
      auto reply = decoder.next();
      if (!reply) break;
      answers.emplace(questions[answers.size()].ask, std::move(*reply));
    }
    if (!decoder.broken().empty()) {
      co_return finding_of_failure(
          Reason::protocol_error,
          fmt::format("{}: does not answer as Redis does: {}", endpoint_, decoder.broken()),
          RedisFacts{});
    }
    if (!ec || answers.size() == questions.size()) continue;
    if (is_cancelled(state)) continue;
    if (answers.size() == 1 && answers.begin()->second.is_error()) {
      const auto& [ask, reply] = *answers.begin();
      co_return finding_of_redis_refusal(spec_, ask, reply.text);
    }
    co_return unanswered(ec, false, heard);
  }
  Finding finding = judge_redis(spec_, answers, token);
  if (context.trace) {
    context.tell(fmt::format("asked {} questions in {}: {}", questions.size(),
                             duration_text(mono_now() - asked), finding.message));
  }
  co_return finding;
}

/// What the run means for the kept connection: this run's takes its place, or none does.
void RedisProber::conclude(const Finding& finding, StreamSocket& socket) {
  const bool well = finding.outcome == Outcome::pass || finding.outcome == Outcome::warn;
  if (!well) {
    false_alarms_ = 0;
  } else if (was_alarmed_) {
    ++false_alarms_;
  } else if (watch_) {
    false_alarms_ = 0;  // it lived from one run to the next
  }
  was_alarmed_ = false;
  drop_watch();
  const auto& facts = std::get<RedisFacts>(finding.facts);
  const bool answered = well || facts.role != RedisRole::unknown;
  if (!answered || !ended_ || false_alarms_ >= max_false_alarms) {
    close_with_reset(socket);
    return;
  }
  watch_ = std::make_shared<Watch>(std::move(socket));
  watch_->ended = [this] {
    was_alarmed_ = true;
    drop_watch();
    const auto tell = ended_;
    tell(SessionEnd::lost);
  };
  watch_->wait();
}

asio::awaitable<Finding> RedisProber::async_over_tls(Dialed dialed, RunContext& context) {
  const auto tls = services_.tls_contexts.get(*spec_.tls);
  if (!tls) {
    co_return finding_of_failure(Reason::prober_error, tls.error().message, RedisFacts{});
  }
  TlsStream stream(std::move(dialed.socket), *tls.value());
  const Handshaken shaken = co_await async_handshake(stream, *spec_.tls, spec_.host, context);
  Finding finding = finding_of_failure(shaken.reason, shaken.message, RedisFacts{});
  if (shaken.ok()) finding = co_await async_talk(stream, context);
  conclude(finding, stream.next_layer());
  co_return finding;
}

asio::awaitable<Finding> RedisProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  // Its end is of no interest now; the connection itself lives until another is there.
  if (watch_) {
    if (has_ended(watch_->socket.native_handle())) was_alarmed_ = true;
    watch_->ended = {};
  }
  Dialed dialed = co_await async_dial(services_, target_, context);
  if (!dialed.ok()) {
    const Finding failed =
        finding_of_failure(dialed.reason, std::move(dialed.message), RedisFacts{});
    was_alarmed_ = false;
    false_alarms_ = 0;
    drop_watch();
    co_return failed;
  }
  if (spec_.tls) co_return co_await async_over_tls(std::move(dialed), context);
  Finding finding = co_await async_talk(dialed.socket, context);
  conclude(finding, dialed.socket);
  co_return finding;
}

std::unique_ptr<Prober> make_redis_prober(const ProbeName& name, const RedisSpec& spec,
                                          ProberServices services) {
  return std::make_unique<RedisProber>(name, spec, services);
}

}  // namespace pointsman
