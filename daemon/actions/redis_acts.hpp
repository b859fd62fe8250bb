// Promoting a Redis replica, and making an old master follow.
//
// The promotion: the candidate's role, no live Sentinel (it would promote another, FACTS section
// 7), the intent, REPLICAOF NO ONE once, ROLE until it says master; then the other replicas are
// pointed at it all at once, since min-replicas-to-write refuses writes until one follows. Whoever
// does not answer is named in the report and left: it is pointed when it comes back. CONFIG REWRITE
// follows each change, or a restart would undo it; where that is not possible the report says so.
// Loop's thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/actions/redis_role.hpp"
#include "daemon/actions/server_acts.hpp"
#include "probes/redis_session.hpp"

namespace pointsman {

/// ROLE, or why it was not had (`error`, one line).
struct RedisSeen {
  std::string error;
  bool was_refused = false;  ///< an answer, and it is an error
  RedisStanding standing;
};
asio::awaitable<RedisSeen> async_role(RedisSession& session, MonoTime deadline);

/// Empty, or why nothing may be promoted or demoted beside a live Sentinel.
asio::awaitable<std::string> async_find_sentinel(RedisSession& session, MonoTime deadline);

/// What becomes of the connections to a server that is to follow another. Those that wrote to it
/// would be told READONLY for ever: cut. Those that read from a replica may stay.
enum class Clients { stay, cut };

/// REPLICAOF `master` where it does not follow it yet, ROLE verified, CONFIG REWRITE. Makes no
/// intent: that is the caller's.
asio::awaitable<ActReport> async_follow(RedisSession& session, Endpoint master, Clients clients,
                                        MonoTime deadline);

class RedisPromotion {
 public:
  static constexpr Duration look_limit = std::chrono::seconds{2};
  static constexpr Duration others_limit = std::chrono::seconds{1};
  static constexpr Duration poll = std::chrono::milliseconds{2};

  RedisPromotion(ProberServices services, RedisSpec candidate,
                 std::map<ProbeName, RedisSpec> others, PromoteServer order, Intend intend);
  RedisPromotion(const RedisPromotion&) = delete;
  RedisPromotion& operator=(const RedisPromotion&) = delete;

  /// Once. The caller must have called throw_if_cancelled(false).
  asio::awaitable<PromoteReport> async_run();

 private:
  asio::awaitable<PromoteReport> async_wait_master(std::string last_trouble);
  asio::awaitable<void> async_point_others();
  asio::awaitable<ActReport> async_point(SwitchTarget other);
  PromoteReport report(ActionOutcome outcome, std::string text) const;

  const ProberServices services_;
  RedisSession candidate_;
  const std::map<ProbeName, RedisSpec> others_;
  PromoteServer order_;
  Intend intend_;
  MonoTime started_{}, deadline_{};
  std::vector<std::string> notes_;
};

/// An old master that came back: the new master is asked first whether it is one. Its intent is
/// durable before REPLICAOF.
asio::awaitable<ActReport> async_demote_redis(ProberServices services, RedisSpec server,
                                              RedisSpec new_master, DemoteServer order,
                                              Intend intend);

}  // namespace pointsman
