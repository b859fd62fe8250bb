// A short talk with a Redis: who it is, what role it has, and whether it takes a write.
//
// The proof of a switch through HAProxy, and asked beside it directly, so that it can be seen that
// both are one process (its run_id). Writes one key of its own, "pointsman:verify:…", that expires
// by itself. Every talk is a connection of its own, since old sessions prove nothing. Loop's
// thread.
#pragma once

#include <string>
#include <string_view>

#include "probes/redis_session.hpp"

namespace pointsman {

struct RedisSaid {
  std::string error;        ///< empty when all that was asked was answered
  bool is_refused = false;  ///< the password or the rights are wrong: asking again does not help
  bool is_read_only = false;
  std::string run_id;  ///< empty where INFO is not permitted
  std::string role;    ///< "master", "slave"; empty likewise
  bool wrote = false;  ///< the key was set, and read back
};

/// `key` empty: nothing is written. The caller must have called throw_if_cancelled(false).
asio::awaitable<RedisSaid> async_ask_redis(ProberServices services, RedisSpec spec, std::string key,
                                           MonoTime deadline);

/// The value of "name:value" in what INFO answered; empty where it has none.
std::string info_value(std::string_view info, std::string_view name);

}  // namespace pointsman
