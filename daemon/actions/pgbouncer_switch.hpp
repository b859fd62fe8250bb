// One switch of one pgbouncer database, from the file to the proof.
//
// The order of the steps and the reasons are FACTS section 9 and daemon/actions/README.md: the
// file; RELOAD and the short server_login_retry; what the console shows; a query through the pooler
// while what hangs on the old servers is freed; the setting back. A change that is not proven goes
// back to the line before where the old servers are alive, and stays where they are dead. A
// database that we hold is let go once the console shows the new address, and stays held where it
// does not: who held it decides. Every step has a deadline, all of it ends within `Limits::total`
// and a little. Nothing is done twice blindly. Loop's thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/actions/adapter.hpp"
#include "daemon/actions/pooler.hpp"
#include "daemon/actions/pooler_query.hpp"
#include "daemon/actions/switch_steps.hpp"
#include "daemon/actions/targets_keeper.hpp"

namespace pointsman {

struct SwitchLimits {
  Duration total{std::chrono::seconds{12}};
  Duration write{std::chrono::seconds{3}};  ///< fsync of the file and its folder
  Duration apply{std::chrono::seconds{4}};  ///< RELOAD and what belongs to it
  Duration prove{std::chrono::seconds{8}};
  Duration drain{
      std::chrono::seconds{5}};  ///< how long transactions on a living old server may last
  Duration restore{std::chrono::seconds{2}};
  /// Idle connections are closed at pgbouncer's next tick, 1/3 s; then they count as stuck.
  Duration idle_close{std::chrono::seconds{1}};
  /// Stuck connections are cut once the new server serves, and anyway after this.
  Duration patience{std::chrono::milliseconds{400}};
  /// A query that waits for so long in a full pool is not waited for.
  Duration full_pool{std::chrono::milliseconds{500}};
  /// The wanted server answers, but in another role: for so long it may be a change under way.
  Duration wrong_role{std::chrono::milliseconds{1500}};
};

/// One route's database on one pooler.
struct PgbouncerRoute {
  RouteName route;
  Secret admin;             ///< libpq conninfo of the admin console
  std::string file;         ///< the targets file, absolute
  std::string database;     ///< the name under which the application connects
  std::string options;      ///< copied into the line as it stands
  std::string verify_user;  ///< empty: the admin's
  Secret verify_password;
};

/// What a switch works with; all of it outlives the switch.
struct SwitchTools {
  asio::any_io_executor executor;
  Resolver* resolver = nullptr;
  std::shared_ptr<Pooler> pooler;
  std::shared_ptr<TargetsKeeper> file;
  SwitchLimits limits;
};

class PgbouncerSwitch {
 public:
  PgbouncerSwitch(SwitchTools tools, PgbouncerRoute route, SwitchRoute order, Intend intend);
  PgbouncerSwitch(const PgbouncerSwitch&) = delete;
  PgbouncerSwitch& operator=(const PgbouncerSwitch&) = delete;

  /// One of these, once. The caller must have called throw_if_cancelled(false).
  asio::awaitable<SwitchReport> async_run();
  /// Nothing is written: the server connections are dropped, and a query through the pooler has to
  /// get a new one. Only the order's route counts.
  asio::awaitable<SwitchReport> async_run_reconnect(MonoTime deadline);

 private:
  enum class Proof { waiting, query, servers, nothing, failed };
  enum class Task { change, reconnect };

  // pgbouncer_switch.cpp
  asio::awaitable<bool> async_write();
  asio::awaitable<bool> async_write_line(LineChange change, bool is_rollback);
  asio::awaitable<std::map<std::string, std::string>> async_find_lines(const TargetsFile& file);
  asio::awaitable<bool> async_apply();
  asio::awaitable<bool> async_let_go();
  asio::awaitable<bool> async_look();
  asio::awaitable<bool> async_roll_back();
  asio::awaitable<void> async_finish();
  bool check_shown(const std::vector<DatabaseRow>& databases, const std::string& line);
  void check_others(const std::vector<DatabaseRow>& databases);
  bool fail(std::string why);
  void note(std::string text);
  SwitchReport report(ActionOutcome outcome) const;
  std::string destination() const;

  // pgbouncer_reconnect.cpp
  asio::awaitable<bool> async_drop_servers();

  // pgbouncer_proof.cpp
  asio::awaitable<bool> async_prove();
  asio::awaitable<bool> async_prove_until(MonoTime deadline, asio::steady_timer& wake);
  asio::awaitable<bool> async_resolve();
  asio::awaitable<bool> async_free(const ServersView& view, bool is_session);
  asio::awaitable<bool> async_cut(const ServersView& view);
  void make_queries(MonoTime deadline);
  void ask_again();
  Proof judge(const ServersView& view, const PoolerView& seen, MonoTime seen_at);
  Proof judge_answers(const PoolerView& seen, MonoTime seen_at);
  bool must_cut(const ServersView& view, bool is_session);
  bool is_enough_seen() const;
  std::string why_not_proven(const ServersView& view) const;

  SwitchTools tools_;
  PgbouncerRoute route_;
  SwitchRoute order_;
  Intend intend_;
  MonoTime started_{}, applied_{}, deadline_{};

  std::string line_;
  SwitchSteps steps_;
  std::optional<std::uint64_t> previous_epoch_;
  Task task_ = Task::change;
  bool wrote_ = false;
  bool held_ = false;  ///< by us, and its clients wait for this switch
  RetryUse retry_;
  DatabaseRow database_;
  std::vector<Place> places_;

  std::vector<std::unique_ptr<PoolerQuery>> queries_;
  std::vector<bool> seen_;  ///< for each place: reached, or a server connection leads there
  std::map<std::string, MonoTime>
      closing_since_;  ///< unwanted connections that close by themselves
  std::optional<MonoTime> wrong_role_since_;
  std::string last_trouble_;  ///< of the proof
  bool reconnected_ = false;
  bool may_roll_back_ = true;
  int cuts_ = 0;

  std::string failure_;
  std::vector<std::string> notes_;
  Verified verified_ = Verified::no;
  SwitchTimes times_;
  std::optional<Duration>
      served_after_;  ///< from the RELOAD to the first answer through the pooler
};

}  // namespace pointsman
