#include "daemon/runtime/live_check.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "daemon/actions/console.hpp"
#include "daemon/actions/console_rows.hpp"
#include "daemon/actions/haproxy_rows.hpp"
#include "daemon/actions/haproxy_socket.hpp"
#include "probes/clock.hpp"
#include "probes/deadline.hpp"
#include "probes/prober.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"

namespace pointsman {
namespace {

namespace fs = std::filesystem;
using Problems = std::vector<std::string>;

/// Where we write a file: beside it a temporary one, which is then renamed.
Problems folder_problems(const std::string& file) {
  const std::string folder = fs::path(file).parent_path().string();
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return {fmt::format("the folder {} is not there: create it", folder)};
  }
  Problems problems;
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    problems.push_back(
        fmt::format("{} cannot be written by this user: {}", folder, std::strerror(errno)));
  }
  if (fs::exists(file, error) && ::access(file.c_str(), R_OK) != 0) {
    problems.push_back(
        fmt::format("{} cannot be read by this user: {}", file, std::strerror(errno)));
  }
  return problems;
}

/// Of a name that no database has, RESUME changes nothing, and only an administrator is told so;
/// others are told that they are none (FACTS section 5).
constexpr std::string_view admin_question = "RESUME \"pointsman-check-live\"";

asio::awaitable<Problems> async_look_at_pgbouncer(asio::any_io_executor executor,
                                                  Resolver& resolver, const PgbouncerVia& via,
                                                  MonoTime deadline) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Problems problems = folder_problems(via.file);
  Console console(executor, resolver, via.admin);
  const PgAnswer listed = co_await console.async_command("SHOW DATABASES", deadline);
  if (listed.error) {
    problems.push_back(console.describe(listed.error, "SHOW DATABASES"));
    co_return problems;
  }
  const auto rows = read_databases(listed.rows);
  const auto row = std::find_if(rows.begin(), rows.end(), [&via](const DatabaseRow& one) {
    return one.name == via.database;
  });
  std::error_code error;
  if (row == rows.end() && fs::exists(via.file, error)) {
    problems.push_back(fmt::format(
        "pgbouncer knows no database {}: `%include {}` has to stand under [databases] in its "
        "pgbouncer.ini",
        via.database, via.file));
  }
  if (row != rows.end() && (row->paused || row->disabled)) {
    problems.push_back(fmt::format("the database {} is {}: somebody did that by hand", via.database,
                                   row->paused ? "paused" : "disabled"));
  }
  const PgAnswer asked = co_await console.async_command(std::string(admin_question), deadline);
  if (asked.error.message.find("admin access") != std::string::npos) {
    problems.push_back("our user may only look: name it in pgbouncer's admin_users");
  }
  co_return problems;
}

asio::awaitable<Problems> async_look_at_haproxy(asio::any_io_executor executor,
                                                const HaproxyVia& via, MonoTime deadline) {
  co_await asio::this_coro::throw_if_cancelled(false);
  HaproxySocket socket(executor, via.socket);
  const HaproxyAnswer state =
      co_await socket.async_ask("show servers state " + via.backend, deadline);
  if (!state.error.empty()) co_return Problems{state.error};
  const auto rows = read_servers_state(state.text);
  if (!rows) co_return Problems{rows.error().message};
  const auto slots = find_slots(rows.value(), via.backend, via.servers);
  Problems problems;
  if (!slots) problems.push_back(slots.error().message);
  const HaproxyAnswer level = co_await socket.async_ask("show cli level", deadline);
  if (level.error.empty() && level.text.find("admin") == std::string::npos) {
    problems.push_back("the socket may only look: write `level admin` behind it in haproxy.cfg");
  }
  if (!via.server_state_file.empty()) {
    for (auto& problem : folder_problems(via.server_state_file)) {
      problems.push_back(std::move(problem));
    }
  }
  co_return problems;
}

Problems look_at_file(const FileVia& via) {
  Problems problems = folder_problems(via.path);
  const auto* exec = std::get_if<ExecSpec>(&via.reload);
  if (exec && ::access(exec->command.front().c_str(), X_OK) != 0) {
    problems.push_back(
        fmt::format("{} cannot be run: {}", exec->command.front(), std::strerror(errno)));
  }
  return problems;
}

Problems state_dir_problems(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return {fmt::format("{} is not there: the daemon tries to create it", folder)};
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return {fmt::format("{} cannot be written by this user: {}", folder, std::strerror(errno))};
  }
  return {};
}

/// Everything that a look needs, for as long as its loop runs.
class Looker {
 public:
  explicit Looker(const Config& config) : config_(config) {}

  LiveLook look() {
    for (const auto& [name, policy] : config_.policy->probes) {
      if (policy.enabled) start_probe(policy);
    }
    for (const auto& [name, vias] : config_.vias) {
      for (const Via& via : vias) start_via(name, via);
    }
    if (running_ > 0) context_.run();
    for (const auto& prober : probers_) prober->close();
    look_.state_dir_problems = state_dir_problems(config_.state_dir.string());
    return std::move(look_);
  }

 private:
  void start_probe(const ProbePolicy& policy) {
    const auto spec = config_.probes.find(policy.name);
    if (spec == config_.probes.end()) return;
    probers_.push_back(make_prober(policy.name, spec->second,
                                   {context_.get_executor(), resolver_, tls_contexts_}));
    start(async_probe(*probers_.back(), policy));
  }

  asio::awaitable<void> async_probe(Prober& prober, const ProbePolicy& policy) {
    co_await asio::this_coro::throw_if_cancelled(false);
    Sample sample{policy.name, mono_now(), {}, {}};
    RunContext run;
    run.deadline = sample.started + policy.timeout;
    sample.finding = co_await async_until(run.deadline, prober.async_run(run));
    sample.finished = mono_now();
    look_.samples.emplace(policy.name, std::move(sample));
  }

  void start_via(const RouteName& route, const Via& via) {
    if (const auto* file = std::get_if<FileVia>(&via)) {
      note(route, "file " + file->path, look_at_file(*file));
    } else {
      start(async_look_at(route, via));
    }
  }

  asio::awaitable<void> async_look_at(const RouteName& route, const Via& via) {
    co_await asio::this_coro::throw_if_cancelled(false);
    const MonoTime deadline = mono_now() + live_limit;
    if (const auto* pgbouncer = std::get_if<PgbouncerVia>(&via)) {
      const Console console(context_.get_executor(), resolver_, pgbouncer->admin);
      const std::string where = "pgbouncer " + console.where();
      Problems problems = co_await async_look_at_pgbouncer(context_.get_executor(), resolver_,
                                                           *pgbouncer, deadline);
      note(route, where, std::move(problems));
    } else if (const auto* haproxy = std::get_if<HaproxyVia>(&via)) {
      Problems problems =
          co_await async_look_at_haproxy(context_.get_executor(), *haproxy, deadline);
      note(route, "haproxy " + haproxy->socket, std::move(problems));
    }
  }

  void note(const RouteName& route, std::string where, Problems problems) {
    look_.vias.push_back({route, std::move(where), std::move(problems)});
  }

  /// The loop ends with the last of them: a session that a prober keeps would hold it for ever.
  void start(asio::awaitable<void> task) {
    ++running_;
    asio::co_spawn(context_, std::move(task), [this](const std::exception_ptr& failure) {
      if (--running_ == 0) context_.stop();
      if (failure) std::rethrow_exception(failure);
    });
  }

  const Config& config_;
  LiveLook look_;
  std::size_t running_ = 0;
  asio::io_context context_{1};
  Resolver resolver_{context_.get_executor()};
  TlsContexts tls_contexts_;
  std::vector<std::unique_ptr<Prober>> probers_;
};

}  // namespace

LiveLook look_live(const Config& config) {
  LiveLook look = Looker(config).look();
  std::sort(look.vias.begin(), look.vias.end(), [](const LiveVia& a, const LiveVia& b) {
    return std::tie(a.route, a.where) < std::tie(b.route, b.where);
  });
  return look;
}

}  // namespace pointsman
