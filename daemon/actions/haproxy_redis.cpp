#include "daemon/actions/haproxy_redis.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "probes/redis_facts.hpp"

namespace pointsman {
namespace {

constexpr const char* key_seconds = "10";
constexpr std::array<const char*, 2> sections{"server", "replication"};

/// Lives in the coroutine's frame.
class Talk {
 public:
  Talk(ProberServices services, RedisSpec spec, MonoTime deadline)
      : session_(services, std::move(spec)), deadline_(deadline) {}

  asio::awaitable<RedisSaid> async_run(std::string key) {
    const bool is_there = co_await async_introduce();
    if (is_there && !key.empty()) co_await async_write(std::move(key));
    session_.close();
    co_return std::move(said_);
  }

 private:
  /// INFO may be forbidden to this user: then it stays unsaid who it is.
  asio::awaitable<bool> async_introduce() {
    for (const char* section : sections) {
      std::vector<std::string> words{"INFO", section};
      const auto answer = co_await session_.async_command(std::move(words), deadline_);
      if (answer.reply.is_error() && answer.reply.text.starts_with("NOPERM")) break;
      if (!take(answer)) co_return false;
      if (said_.run_id.empty()) said_.run_id = info_value(answer.reply.text, "run_id");
      if (said_.role.empty()) said_.role = info_value(answer.reply.text, "role");
    }
    std::vector<std::string> ping{"PING"};
    const auto answer = co_await session_.async_command(std::move(ping), deadline_);
    co_return take(answer);
  }

  asio::awaitable<void> async_write(std::string key) {
    std::vector<std::string> set{"SET", key, key, "EX", key_seconds};
    auto answer = co_await session_.async_command(std::move(set), deadline_);
    if (!take(answer)) co_return;
    std::vector<std::string> get{"GET", key};
    answer = co_await session_.async_command(std::move(get), deadline_);
    if (!take(answer)) co_return;
    said_.wrote = answer.reply.text == key;
    if (!said_.wrote) said_.error = "a key that was just set was read back otherwise";
    // It expires anyway: what comes of this is of no interest.
    std::vector<std::string> del{"DEL", key};
    co_await session_.async_command(std::move(del), deadline_);
  }

  bool take(const RedisAnswer& answer) {
    if (answer.ok()) return true;
    said_.error = answer.message;
    if (!answer.reply.is_error()) return false;
    said_.is_refused = reason_of_redis_error(answer.reply.text) == Reason::auth_failed ||
                       answer.reply.text.starts_with("NOPERM");
    said_.is_read_only = answer.reply.text.starts_with("READONLY");
    return false;
  }

  RedisSession session_;
  MonoTime deadline_;
  RedisSaid said_;
};

}  // namespace

asio::awaitable<RedisSaid> async_ask_redis(ProberServices services, RedisSpec spec, std::string key,
                                           MonoTime deadline) {
  Talk talk(services, std::move(spec), deadline);
  co_return co_await talk.async_run(std::move(key));
}

std::string info_value(std::string_view info, std::string_view name) {
  while (!info.empty()) {
    const auto end = std::min(info.find("\r\n"), info.size());
    const auto line = info.substr(0, end);
    info.remove_prefix(std::min(end + 2, info.size()));
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
      return std::string(line.substr(name.size() + 1));
    }
  }
  return {};
}

}  // namespace pointsman
