#include "daemon/actions/haproxy_proof.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>

#include "daemon/actions/deadline.hpp"
#include "daemon/actions/haproxy_redis.hpp"
#include "daemon/actions/pooler_query.hpp"
#include "probes/dial.hpp"

namespace pointsman {
namespace {

/// HAProxy hangs up at once where it has no server; a server that waits for us says nothing.
constexpr Duration silence_enough = std::chrono::milliseconds{200};

bool wants_a_write(Require require) {
  return require == Require::master || require == Require::writable;
}

bool fits_redis(Require require, const RedisSaid& said) {
  if (wants_a_write(require)) return said.wrote && (said.role.empty() || said.role == "master");
  if (require == Require::any || said.role.empty()) return true;
  return said.role == "slave";
}

/// Ends with the first byte, the peer's hanging up, or operation_aborted when it is cancelled.
asio::awaitable<error_code> async_read_one(StreamSocket& socket) {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::array<char, 1> byte{};
  const auto [ec, size] = co_await socket.async_read_some(asio::buffer(byte), as_result);
  static_cast<void>(size);
  co_return ec;
}

}  // namespace

HaproxyVerify::Talk talk_for(Require require, const std::string& user) {
  switch (require) {
    case Require::master:
    case Require::replica:
      return HaproxyVerify::Talk::redis;
    case Require::writable:
    case Require::standby:
      return user.empty() ? HaproxyVerify::Talk::tcp : HaproxyVerify::Talk::postgres;
    case Require::any:
      break;
  }
  return HaproxyVerify::Talk::tcp;
}

HaproxyProof::HaproxyProof(ProberServices services, HaproxyVerify verify, Require require,
                           std::vector<HaproxyTarget> targets)
    : services_(services),
      verify_(std::move(verify)),
      require_(require),
      targets_(std::move(targets)) {}

asio::awaitable<HaproxyProofAnswer> HaproxyProof::async_try(MonoTime deadline) {
  using Kind = HaproxyProofAnswer::Kind;
  if (verify_.talk == HaproxyVerify::Talk::tcp) co_return co_await async_try_tcp(deadline);
  ++tries_;
  const auto reached = co_await async_ask(verify_.frontend, true, deadline);
  const auto where = to_text(verify_.frontend);
  HaproxyProofAnswer answer;
  if (!reached.error.empty()) {
    answer.kind = reached.is_refused ? Kind::refused : Kind::nothing;
    answer.message = fmt::format("through {}: {}", where, reached.error);
    if (!reached.is_refused) co_return answer;
  }
  const auto is_wanted = co_await async_is_wanted(reached.name, deadline);
  if (is_wanted && !*is_wanted) {
    answer.kind = Kind::other_server;
    answer.message = fmt::format("a query through {} reached another server", where);
  } else if (reached.error.empty()) {
    answer.kind = reached.has_role ? Kind::good : Kind::wrong_role;
    if (!reached.has_role) {
      answer.message = fmt::format("a query through {} reached a server that is not {}", where,
                                   to_text(require_));
    }
  }
  co_return answer;
}

asio::awaitable<std::optional<bool>> HaproxyProof::async_is_wanted(std::string name,
                                                                   MonoTime deadline) {
  bool any_known = false;
  if (name.empty()) co_return std::nullopt;
  for (const auto& target : targets_) {
    const Endpoint endpoint{target.addresses.front(), target.endpoint.port};
    const auto direct = co_await async_ask(endpoint, false, deadline);
    any_known = any_known || !direct.name.empty();
    if (direct.name == name) co_return true;
  }
  if (!any_known) co_return std::nullopt;
  co_return false;
}

asio::awaitable<HaproxyProof::Identity> HaproxyProof::async_ask(Endpoint endpoint, bool is_through,
                                                                MonoTime deadline) {
  if (verify_.talk == HaproxyVerify::Talk::postgres) {
    auto work = async_ask_postgres(std::move(endpoint), deadline);
    co_return co_await async_until(deadline, std::move(work));
  }
  co_return co_await async_ask_one_redis(std::move(endpoint), is_through, deadline);
}

asio::awaitable<HaproxyProof::Identity> HaproxyProof::async_ask_one_redis(Endpoint endpoint,
                                                                          bool is_through,
                                                                          MonoTime deadline) {
  RedisSpec spec;
  spec.host = std::move(endpoint.host);
  spec.port = endpoint.port;
  spec.username = verify_.user;
  spec.password = verify_.password;
  spec.tls = verify_.tls;
  std::string key;
  if (is_through && wants_a_write(require_)) {
    key = fmt::format("pointsman:verify:{}:{}", mono_now().time_since_epoch().count(), tries_);
  }
  const auto said = co_await async_ask_redis(services_, std::move(spec), std::move(key), deadline);
  Identity identity{said.error, said.is_refused, fits_redis(require_, said), said.run_id};
  // It answered, and that it takes no write is what was asked.
  if (said.is_read_only) identity.error.clear();
  co_return identity;
}

asio::awaitable<HaproxyProof::Identity> HaproxyProof::async_ask_postgres(Endpoint endpoint,
                                                                         MonoTime deadline) {
  co_await asio::this_coro::throw_if_cancelled(false);
  PgConnection connection(services_.executor, services_.resolver);
  PgTarget target;
  target.conninfo = Secret(
      fmt::format("host={} port={} dbname={} user={}", quote_conninfo(endpoint.host), endpoint.port,
                  quote_conninfo(verify_.database), quote_conninfo(verify_.user)));
  if (!verify_.password.empty()) target.password = verify_.password;
  target.application_name = "pointsman-verify";
  target.deadline = deadline;
  Identity identity;
  const auto error = co_await connection.async_connect(std::move(target));
  if (error) {
    identity.error = error.message;
    identity.is_refused = is_refusal(error);
    co_return identity;
  }
  std::string sql =
      "select pg_postmaster_start_time()::text || ' ' || coalesce(inet_server_port(), 0) as name, "
      "pg_is_in_recovery()::int as in_recovery, "
      "(current_setting('transaction_read_only') = 'on')::int as read_only";
  const auto answer = co_await connection.async_query(std::move(sql));
  connection.close();
  if (answer.error) {
    identity.error = answer.error.message;
    co_return identity;
  }
  const auto says = [&](std::string_view column) {
    const auto* text = answer.rows.get(0, column);
    return text != nullptr && *text == "1";
  };
  Reached reached;
  reached.in_recovery = says("in_recovery");
  reached.read_only = says("read_only");
  identity.has_role = has_role(reached, require_);
  if (const auto* name = answer.rows.get(0, "name")) identity.name = *name;
  co_return identity;
}

asio::awaitable<HaproxyProofAnswer> HaproxyProof::async_try_tcp(MonoTime deadline) {
  auto work = async_try_tcp_until_cancelled(deadline);
  co_return co_await async_until(deadline, std::move(work));
}

asio::awaitable<HaproxyProofAnswer> HaproxyProof::async_try_tcp_until_cancelled(MonoTime deadline) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  DialTarget target;
  target.host = verify_.frontend.host;
  target.port = verify_.frontend.port;
  RunContext context{deadline, {}};
  auto dialed = co_await async_dial(services_, target, context);
  HaproxyProofAnswer answer;
  if (!dialed.ok()) {
    answer.message = dialed.message;
    co_return answer;
  }
  const auto until = std::min(deadline, mono_now() + silence_enough);
  auto work = async_read_one(dialed.socket);
  const auto ec = co_await async_until(until, std::move(work));
  const bool is_open =
      !ec || (ec == asio::error::operation_aborted && !was_cancelled(cancellation));
  answer.kind = is_open ? HaproxyProofAnswer::Kind::only_open : HaproxyProofAnswer::Kind::nothing;
  if (!is_open) {
    answer.message = fmt::format("{} hangs up at once", to_text(verify_.frontend));
  }
  co_return answer;
}

}  // namespace pointsman
