// The proof of a switch: a query through the pooler, on the way that the application takes.
//
// Runs in a coroutine of its own, since it may wait for a place in a full pool while the switch
// cuts what fills it; asks again after an error until it has an answer. What came of it is read at
// any time. async_stop() must be awaited before it goes. Loop's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/actions/console_rows.hpp"
#include "daemon/actions/deadline.hpp"
#include "policies/model/policy.hpp"
#include "probes/pg_connection.hpp"

namespace pointsman {

/// Where a query through the pooler ended up, and in what role.
struct Reached {
  std::string addr;  ///< empty over a unix socket
  std::uint16_t port = 0;
  int pid = 0;
  bool in_recovery = false, read_only = false;
  MonoTime at{};
};

/// A value of a conninfo.
std::string quote_conninfo(std::string_view text);

/// The admin console's conninfo turned to another database: later settings win over earlier ones.
/// `user` empty: the admin's.
Secret verify_conninfo(const Secret& admin, const std::string& database, const std::string& user);

/// Does the server have the wanted role? Pure.
bool has_role(const Reached& reached, Require require);

/// The place that was reached: by the server's own address, else by the pooler's connection to that
/// process (its own address differs behind NAT and is unknown over a unix socket). nullptr: none.
const Place* place_reached(const Reached& reached, const std::vector<Place>& places,
                           const std::vector<ServerRow>& servers);

/// The pooler or the server does not let this user in: asking again does not help.
bool is_refusal(const PgError& error);

class PoolerQuery {
 public:
  struct Settings {
    PgTarget target;
    MonoTime deadline{};
    Duration hold{};  ///< how long the query keeps its server: so that others get other servers
  };

  PoolerQuery(asio::any_io_executor executor, Resolver& resolver, Settings settings);
  PoolerQuery(const PoolerQuery&) = delete;
  PoolerQuery& operator=(const PoolerQuery&) = delete;
  ~PoolerQuery();

  /// Forgets the last answer and asks. Already asking: goes on.
  void ask();
  /// `changed` is called on each answer and error.
  void on_change(std::function<void()> changed);
  asio::awaitable<void> async_stop();

  const std::optional<Reached>& reached() const;
  const PgError& error() const;  ///< of the last try; none while the first runs
  bool is_refused() const;
  /// Since when the try that runs has waited; nothing where none runs.
  std::optional<MonoTime> waiting_since() const;

 private:
  struct State;
  static asio::awaitable<void> async_ask(std::shared_ptr<State> state);
  static asio::awaitable<PgError> async_try(std::shared_ptr<State> state, int number);
  std::shared_ptr<State> state_;
};

}  // namespace pointsman
