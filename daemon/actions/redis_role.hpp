// What a Redis answers about its place in replication, read from its replies. Pure.
//
// ROLE is asked rather than INFO: it answers during CLIENT PAUSE, while loading, and in one form
// from Redis 2.8.12 on (FACTS section 7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "policies/model/names.hpp"
#include "probes/redis_codec.hpp"

namespace pointsman {

struct RedisStanding {
  bool master = false;
  std::int64_t offset = -1;  ///< of a replica: -1 while its link is down, whatever it has
  Endpoint follows;          ///< of a replica: its master, as it was told
  std::string link;          ///< of a replica: connect, connecting, sync, connected
  std::size_t replicas = 0;  ///< of a master: connected
};

/// Of the reply to ROLE. nullopt: it is no such reply (a Sentinel's, an error).
std::optional<RedisStanding> read_role(const RedisReply& reply);

/// Of the reply to PUBSUB NUMSUB __sentinel__:hello: how many Sentinels watch this server.
std::int64_t read_sentinels(const RedisReply& reply);
std::vector<std::string> sentinel_question();

/// What ROLE does not say of a replica whose link is down. Absent: we may not ask.
struct RedisHoldings {
  bool was_linked = true;            ///< INFO replication: it had a link since it was started
  std::optional<std::int64_t> keys;  ///< of DBSIZE
};
bool read_was_linked(const RedisReply& info);

/// Why this server must not be made a master; empty where it may.
std::string judge_redis_candidate(const RedisStanding& standing, const RedisHoldings& holdings,
                                  const std::string& name);

}  // namespace pointsman
