#include "tests/integration/actions/pgbouncer_machine.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include <fmt/format.h>

namespace pointsman::test {
namespace {

constexpr const char* roles = "CREATE ROLE admin LOGIN; CREATE ROLE other LOGIN";

Argv psql_of(const Bouncer& bouncer, OpenTransaction::Kind kind, const std::string& seconds,
             const std::string& database) {
  const auto target =
      bouncer.server.conninfo("other", database) + " application_name=nightly-report";
  Argv argv{"/usr/bin/psql", "-X", "-v", "ON_ERROR_STOP=1", target, "-c", "BEGIN", "-c"};
  argv.push_back(kind == OpenTransaction::Kind::query ? "select pg_sleep(" + seconds + ")"
                                                      : "\\! sleep " + seconds);
  argv.insert(argv.end(), {"-c", "COMMIT"});
  return argv;
}

}  // namespace

Servers::Servers() {
  a.sql(roles);
  b.sql(roles);
}

Servers& Servers::shared() {
  static Servers servers;
  return servers;
}

Endpoint at(const PostgresServer& server) {
  return Endpoint{"127.0.0.1", server.port()};
}

std::string line_to(const std::string& database, const PostgresServer& server) {
  return fmt::format("{} = host=127.0.0.1 port={} dbname=postgres\n", database, server.port());
}

namespace {
std::string include(const Place& place, const std::string& lines) {
  place.write("targets.ini", lines);
  return fmt::format("%include {}\n", place.path("targets.ini"));
}
}  // namespace

Bouncer::Bouncer(const std::string& lines, const std::string& settings)
    : server(include(place, lines), settings.find("pool_mode") == std::string::npos
                                        ? "pool_mode = transaction\n" + settings
                                        : settings) {}

Machine::Machine(const Bouncer& bouncer, const std::vector<std::string>& databases,
                 SwitchLimits limits)
    : bouncer_(bouncer), factory_(executor(), resolver(), worker_, limits) {
  std::vector<PgbouncerRoute> routes;
  for (const auto& database : databases) routes.push_back(route(database));
  make(routes);
}

PgbouncerRoute Machine::route(const std::string& database) const {
  PgbouncerRoute route;
  route.route = RouteName(database);
  route.admin = Secret(bouncer_.server.conninfo("admin"));
  route.file = bouncer_.file();
  route.database = database;
  route.options = "dbname=postgres";
  return route;
}

void Machine::make(const std::vector<PgbouncerRoute>& routes) {
  adapters = factory_.make(routes);
}

Intend Machine::intend() {
  return [this](std::string text) { return async_keep(this, std::move(text)); };
}

asio::awaitable<void> Machine::async_keep(Machine* self, std::string text) {
  self->steps = std::move(text);
  ++self->intents;
  if (self->steps_file.empty()) co_return;
  std::ofstream(self->steps_file + ".new") << self->steps;
  std::filesystem::rename(self->steps_file + ".new", self->steps_file);
}

SwitchRoute Machine::order(const PostgresServer& target, SwitchCause cause,
                           OldTargets old_targets) const {
  SwitchRoute order;
  order.route = RouteName("bud");
  order.cause = cause;
  order.old_targets = old_targets;
  order.to = {SwitchTarget{ProbeName("target"), at(target)}};
  order.require = Require::writable;
  order.epoch = 1;
  return order;
}

SwitchReport Machine::switch_to(const PostgresServer& target, SwitchCause cause,
                                OldTargets old_targets) {
  return switch_to(order(target, cause, old_targets));
}
SwitchReport Machine::switch_to(SwitchRoute order) {
  return run(adapters[0]->async_switch(std::move(order), intend()));
}
HoldReport Machine::hold(Duration limit, std::size_t index) {
  return run(adapters[index]->async_hold(RouteName("bud"), intend(), mono_now() + limit));
}
std::string Machine::release(std::size_t index) {
  return run(adapters[index]->async_release(RouteName("bud"), mono_now() + 5s));
}
SwitchReport Machine::reconnect(Duration limit) {
  return run(adapters[0]->async_reconnect(RouteName("bud"), mono_now() + limit));
}
PoolerObservation Machine::observe(std::size_t index) {
  return run(adapters[index]->async_observe(RouteName("bud")));
}

namespace {
asio::awaitable<bool> async_recover(std::shared_ptr<Adapter> adapter, std::string steps) {
  co_await adapter->async_recover(std::move(steps));
  co_return true;
}
}  // namespace

void Machine::recover(const std::string& text) {
  for (const auto& adapter : adapters) run(async_recover(adapter, text));
}

bool run_until_killed(const char* fault, const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    ::setenv("POINTSMAN_FAULT", fault, 1);
    try {
      work();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s: %s\n", fault, e.what());
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

struct Traffic::Client {
  Client(Machine& machine, std::string query, bool fresh)
      : connection(machine.executor(), machine.resolver()),
        sql(std::move(query)),
        is_fresh(fresh) {}
  PgConnection connection;
  std::string sql;
  bool is_fresh;
  asio::cancellation_signal stop;
};

Traffic::Traffic(Machine& machine, std::string conninfo)
    : machine_(machine), conninfo_(std::move(conninfo)) {}

Traffic::~Traffic() {
  stop();
}

void Traffic::add(std::string sql, bool is_fresh) {
  auto client = std::make_shared<Client>(machine_, std::move(sql), is_fresh);
  clients_.push_back(client);
  ++running_;
  asio::co_spawn(machine_.executor(), async_work(this, client),
                 asio::bind_cancellation_slot(client->stop.slot(),
                                              [this](std::exception_ptr) { --running_; }));
}

void Traffic::add_persistent(int count, std::string sql) {
  for (int i = 0; i < count; ++i) add(sql, false);
}

void Traffic::add_fresh(int count) {
  for (int i = 0; i < count; ++i) add("select inet_server_port() as port", true);
}

asio::awaitable<void> Traffic::async_work(Traffic* traffic, std::shared_ptr<Client> client) {
  co_await asio::this_coro::throw_if_cancelled(false);
  auto& connection = client->connection;
  while (!traffic->stopping_) {
    const auto began = mono_now();
    PgError error;
    if (client->is_fresh || !connection.check()) {
      PgTarget target;
      target.conninfo = Secret(traffic->conninfo_);
      error = co_await connection.async_connect(std::move(target));
    }
    if (!error) {
      const auto answer = co_await connection.async_query(client->sql);
      error = answer.error;
      if (const auto* port = answer.rows.get(0, "port")) traffic->last_port = *port;
    }
    if (traffic->stopping_) break;
    traffic->longest = std::max(traffic->longest, mono_now() - began);
    ++(error ? traffic->failed : traffic->served);
    if (error) traffic->last_error = error.message;
    if (error || client->is_fresh) connection.close();
    co_await async_sleep_until(mono_now() + 10ms);
  }
  connection.close();
}

void Traffic::stop() {
  stopping_ = true;
  for (const auto& client : clients_) client->stop.emit(asio::cancellation_type::terminal);
  machine_.run_while_not([this] { return running_ == 0; });
  clients_.clear();
}

OpenTransaction::OpenTransaction(const Bouncer& bouncer, Kind kind, const std::string& seconds,
                                 const std::string& database)
    : process_(psql_of(bouncer, kind, seconds, database), place_.path("output")) {
  wait_for("a transaction is open", [&] {
    return bouncer.server.console("SHOW CLIENTS").find("nightly-report") != std::string::npos &&
           bouncer.server.database(database, "current_connections") != "0" &&
           (kind == Kind::query || output().find("BEGIN") != std::string::npos);
  });
}

}  // namespace pointsman::test
