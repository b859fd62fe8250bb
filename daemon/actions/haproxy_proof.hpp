// The proof of a switch of HAProxy: a connection through its frontend, on the way of the
// application.
//
// Each try is a new connection. It is compared with the wanted servers asked directly (Redis: the
// run_id, PostgreSQL: when it was started), so that "some server answered" is not taken for "the
// right one did". What has no such talk (`tcp`) only shows that HAProxy does not hang up. One for
// each switch; loop's thread; every try ends at its deadline.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/actions/haproxy_rows.hpp"
#include "policies/model/policy.hpp"
#include "probes/pg_connection.hpp"
#include "probes/prober.hpp"

namespace pointsman {

/// How to ask through HAProxy; `frontend` is where the application connects.
struct HaproxyVerify {
  enum class Talk { tcp, redis, postgres };
  Talk talk = Talk::tcp;
  Endpoint frontend;
  std::string user;  ///< postgres: needed; redis: empty for the default user
  Secret password;
  std::string database = "postgres";  ///< postgres alone
  std::optional<TlsSpec> tls;         ///< redis alone
};

/// What a route's servers speak, as its `require` tells: Redis, PostgreSQL (where there is a user
/// to ask as), else only that a connection is not hung up on.
HaproxyVerify::Talk talk_for(Require require, const std::string& user);

struct HaproxyProofAnswer {
  enum class Kind {
    good,          ///< the wanted server, in the wanted role
    only_open,     ///< tcp: HAProxy let us in, and did not hang up
    wrong_role,    ///< the wanted server, but not yet (or no longer) in that role
    other_server,  ///< a server that the route is not to lead to
    refused,       ///< the user or the password is not taken: trying again does not help
    nothing,       ///< no answer
  };
  Kind kind = Kind::nothing;
  std::string message;
};

class HaproxyProof {
 public:
  HaproxyProof(ProberServices services, HaproxyVerify verify, Require require,
               std::vector<HaproxyTarget> targets);

  /// The caller must have called throw_if_cancelled(false).
  asio::awaitable<HaproxyProofAnswer> async_try(MonoTime deadline);

 private:
  /// What one server says of itself, through HAProxy or directly.
  struct Identity {
    std::string error;
    bool is_refused = false, has_role = false;
    std::string name;  ///< run_id, or the time of the start; empty where it does not say
  };

  asio::awaitable<HaproxyProofAnswer> async_try_tcp(MonoTime deadline);
  asio::awaitable<HaproxyProofAnswer> async_try_tcp_until_cancelled(MonoTime deadline);
  asio::awaitable<Identity> async_ask(Endpoint endpoint, bool is_through, MonoTime deadline);
  asio::awaitable<Identity> async_ask_one_redis(Endpoint endpoint, bool is_through,
                                                MonoTime deadline);
  asio::awaitable<Identity> async_ask_postgres(Endpoint endpoint, MonoTime deadline);
  /// Is it one of the targets? Nothing where none of them could be asked directly.
  asio::awaitable<std::optional<bool>> async_is_wanted(std::string name, MonoTime deadline);

  ProberServices services_;
  HaproxyVerify verify_;
  Require require_;
  std::vector<HaproxyTarget> targets_;
  int tries_ = 0;
};

}  // namespace pointsman
