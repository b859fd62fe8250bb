#include "daemon/actions/console.hpp"

#include <utility>

#include <fmt/format.h>

namespace pointsman {
namespace {

bool may_be_repeated(std::string_view sql) {
  return sql.starts_with("SHOW ") || sql.starts_with("SET ") || sql == "RELOAD";
}

std::string doubled(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char c : text) {
    if (c == quote) result += quote;
    result += c;
  }
  return result + quote;
}

std::string where_of(const Secret& admin) {
  const auto parts = parse_conninfo(admin.reveal());
  if (!parts) return "(not a connection string)";
  const auto& host = parts.value().host;
  const auto& port = parts.value().port;
  return fmt::format("{}:{}", host.empty() ? "localhost" : host, port.empty() ? "5432" : port);
}

}  // namespace

Console::Console(asio::any_io_executor executor, Resolver& resolver, Secret admin)
    : connection_(std::move(executor), resolver),
      admin_(std::move(admin)),
      where_(where_of(admin_)) {}

asio::awaitable<PgAnswer> Console::async_command(std::string sql, MonoTime deadline) {
  const auto held = co_await lock_.async_lock(deadline);
  if (!held) {
    PgAnswer late;
    late.error.kind = PgError::Kind::cancelled;
    late.error.message = "an earlier command has not been answered";
    co_return late;
  }
  auto work = async_run(std::move(sql), deadline);
  PgAnswer answer = co_await async_until(deadline, std::move(work));
  // Whatever arrives later must not be taken for the next command's answer.
  if (answer.error && answer.error.kind != PgError::Kind::server) connection_.close();
  co_return answer;
}

asio::awaitable<PgAnswer> Console::async_run(std::string sql, MonoTime deadline) {
  PgAnswer answer;
  bool is_fresh = false;
  // At most one more try: on a session that is fresh, and only where twice is as good as once.
  for (int tries = 0; tries < 2; ++tries) {
    if (!connection_.check()) {
      PgTarget target{.conninfo = admin_, .password = std::nullopt, .deadline = deadline};
      answer.error = co_await connection_.async_connect(std::move(target));
      if (answer.error) co_return answer;
      is_fresh = true;
    }
    answer = co_await connection_.async_query(sql);
    if (answer.error.kind != PgError::Kind::closed || is_fresh || !may_be_repeated(sql)) break;
    connection_.close();
  }
  co_return answer;
}

std::string Console::describe(const PgError& error, std::string_view sql) const {
  if (error.kind == PgError::Kind::server && error.phase == PgPhase::query) {
    return fmt::format("console {} refused {}: {}", where_, sql, error.message);
  }
  if (error.kind == PgError::Kind::server || error.kind == PgError::Kind::auth) {
    return fmt::format("console {} does not let us in: {}", where_, error.message);
  }
  return fmt::format("console {} does not answer: {}", where_, error.message);
}

std::string quote_name(std::string_view name) {
  return doubled(name, '"');
}

std::string set_command(std::string_view key, std::string_view value) {
  return fmt::format("SET {}={}", key, doubled(value, '\''));
}

}  // namespace pointsman
