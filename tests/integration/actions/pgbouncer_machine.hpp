// The pgbouncer adapters as the daemon has them, and a small world for them: two PostgreSQL servers
// and clients. A new Machine is a restart of the daemon.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/actions/pgbouncer_adapter.hpp"
#include "probes/deadline.hpp"
#include "tests/integration/probes/data_loop.hpp"
#include "tests/support/servers.hpp"

namespace pointsman::test {

/// Two servers that take writes, with the roles that pgbouncer's users need. Started once; tests
/// that kill or freeze one make their own.
struct Servers {
  PostgresServer a, b;
  Servers();
  static Servers& shared();
};

Endpoint at(const PostgresServer& server);
std::string line_to(const std::string& database, const PostgresServer& server);

/// A pgbouncer whose ini includes a targets file of ours.
struct Bouncer {
  /// `lines` of the targets file. Transaction pooling, unless `settings` say otherwise.
  explicit Bouncer(const std::string& lines, const std::string& settings = "");
  std::string retry() const { return server.setting("server_login_retry"); }
  bool is_paused(std::string_view name = "bud") const {
    return server.database(name, "paused") == "1";
  }
  std::string port_of(std::string_view name = "bud") const { return server.database(name, "port"); }
  std::string file() const { return place.path("targets.ini"); }

  Place place;
  PgbouncerServer server;
};

/// The value of a coroutine that runs beside others.
template <class T>
using Later = std::shared_ptr<std::optional<T>>;

class Machine : public DataLoop {
 public:
  explicit Machine(const Bouncer& bouncer, const std::vector<std::string>& databases = {"bud"},
                   SwitchLimits limits = {});

  PgbouncerRoute route(const std::string& database) const;
  /// Other routes from now on; the first of them is the one that acts by default.
  void make(const std::vector<PgbouncerRoute>& routes);

  SwitchReport switch_to(const PostgresServer& target, SwitchCause cause = SwitchCause::request,
                         OldTargets old_targets = OldTargets::alive);
  SwitchReport switch_to(SwitchRoute order);
  HoldReport hold(Duration limit = 5s, std::size_t index = 0);
  std::string release(std::size_t index = 0);
  SwitchReport reconnect(Duration limit = 5s);
  PoolerObservation observe(std::size_t index = 0);
  void recover(const std::string& steps);

  SwitchRoute order(const PostgresServer& target, SwitchCause cause, OldTargets old_targets) const;
  /// Keeps the last steps, also in a file where `steps_file` is set.
  Intend intend();

  template <class T>
  Later<T> spawn(asio::awaitable<T> work) {
    auto later = std::make_shared<std::optional<T>>();
    asio::co_spawn(executor(), std::move(work), [later](std::exception_ptr failure, T value) {
      if (failure) std::rethrow_exception(failure);
      *later = std::move(value);
    });
    return later;
  }
  template <class T>
  T wait(const Later<T>& later, Duration limit = 20s) {
    if (!run_while_not([&] { return later->has_value(); }, limit)) {
      throw std::runtime_error("a coroutine did not end");
    }
    return std::move(**later);
  }
  template <class T>
  T run(asio::awaitable<T> work) {
    return wait(spawn(std::move(work)), 40s);
  }

  std::vector<std::shared_ptr<Adapter>> adapters;
  std::string steps, steps_file;
  int intents = 0;

 private:
  static asio::awaitable<void> async_keep(Machine* self, std::string text);
  const Bouncer& bouncer_;
  ActWorker worker_{executor()};
  PgbouncerAdapters factory_;
};

/// Runs `work` in a process of its own that kills itself with SIGKILL at the fault point; false
/// where it came to its end instead.
bool run_until_killed(const char* fault, const std::function<void()>& work);

/// Clients of the pooler, on the machine's loop. `persistent` keep their session and come back when
/// it ends; `fresh` connect for each query.
class Traffic {
 public:
  Traffic(Machine& machine, std::string conninfo);
  ~Traffic();
  void add_persistent(int count, std::string sql = "select inet_server_port() as port");
  void add_fresh(int count);
  /// Cancels all and waits for their end.
  void stop();

  int served = 0, failed = 0;
  std::string last_error;
  std::string last_port;  ///< of the server that answered last
  Duration longest{};     ///< of a query, with its connect where there was one

 private:
  struct Client;
  static asio::awaitable<void> async_work(Traffic* traffic, std::shared_ptr<Client> client);
  void add(std::string sql, bool is_fresh);
  Machine& machine_;
  std::string conninfo_;
  std::vector<std::shared_ptr<Client>> clients_;
  bool stopping_ = false;
  int running_ = 0;
};

/// A psql that opens a transaction and keeps it: with a long query, or idle in it.
class OpenTransaction {
 public:
  enum class Kind { query, idle };
  OpenTransaction(const Bouncer& bouncer, Kind kind, const std::string& seconds = "60",
                  const std::string& database = "bud");
  std::string output() const { return place_.read("output"); }
  Process& process() { return process_; }

 private:
  Place place_;
  Process process_;
};

}  // namespace pointsman::test
