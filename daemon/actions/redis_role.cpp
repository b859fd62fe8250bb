#include "daemon/actions/redis_role.hpp"

#include <fmt/format.h>

namespace pointsman {
namespace {

using Kind = RedisReply::Kind;

bool is_text(const RedisReply& reply) {
  return reply.kind == Kind::text;
}

}  // namespace

std::optional<RedisStanding> read_role(const RedisReply& reply) {
  if (reply.kind != Kind::array || reply.elements.size() < 3) return std::nullopt;
  const auto& parts = reply.elements;
  if (!is_text(parts[0])) return std::nullopt;
  RedisStanding standing;
  if (parts[0].text == "master") {
    if (parts[1].kind != Kind::integer || parts[2].kind != Kind::array) return std::nullopt;
    standing.master = true;
    standing.offset = parts[1].integer;
    standing.replicas = parts[2].elements.size();
    return standing;
  }
  if (parts[0].text != "slave" || parts.size() < 5) return std::nullopt;
  if (!is_text(parts[1]) || parts[2].kind != Kind::integer || !is_text(parts[3]) ||
      parts[4].kind != Kind::integer) {
    return std::nullopt;
  }
  standing.follows = {parts[1].text, static_cast<std::uint16_t>(parts[2].integer)};
  standing.link = parts[3].text;
  standing.offset = parts[4].integer;
  return standing;
}

std::vector<std::string> sentinel_question() {
  return {"PUBSUB", "NUMSUB", "__sentinel__:hello"};
}

std::int64_t read_sentinels(const RedisReply& reply) {
  if (reply.kind != Kind::array || reply.elements.size() < 2) return 0;
  const RedisReply& count = reply.elements[1];
  return count.kind == Kind::integer ? count.integer : 0;
}

bool read_was_linked(const RedisReply& info) {
  return info.text.find("\nmaster_link_down_since_seconds:-1") == std::string::npos;
}

std::string judge_redis_candidate(const RedisStanding& standing, const RedisHoldings& holdings,
                                  const std::string& name) {
  if (standing.link == "sync") {
    return fmt::format(
        "{} is in the middle of a full copy from its master: promoted now, it would have only a "
        "part of the data. Wait until it is done, or choose another replica",
        name);
  }
  // One that was started anew may have what it had kept on its disk.
  if (standing.offset < 0 && !holdings.was_linked && holdings.keys.value_or(1) == 0) {
    return fmt::format(
        "{} never had a copy of its master's data: promoted now, it would be empty. Choose another "
        "replica",
        name);
  }
  return {};
}

}  // namespace pointsman
