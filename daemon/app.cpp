#include "daemon/app.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <sys/resource.h>
#include <boost/asio/signal_set.hpp>

#include "daemon/actions/act_worker.hpp"
#include "daemon/adapters.hpp"
#include "daemon/config/config.hpp"
#include "daemon/http/command_reader.hpp"
#include "daemon/http/event_ring.hpp"
#include "daemon/http/server.hpp"
#include "daemon/journal/journal.hpp"
#include "daemon/journal/kept_json.hpp"
#include "daemon/notify/notifiers.hpp"
#include "daemon/remembered.hpp"
#include "daemon/runtime/act_runner.hpp"
#include "daemon/runtime/engine_loop.hpp"
#include "daemon/runtime/flag_files.hpp"
#include "daemon/runtime/log.hpp"
#include "daemon/runtime/notifier_views.hpp"
#include "daemon/runtime/notify.hpp"
#include "daemon/runtime/probe_runner.hpp"
#include "daemon/runtime/random.hpp"
#include "daemon/runtime/recovery.hpp"
#include "daemon/runtime/reload_answer.hpp"
#include "daemon/runtime/route_runner.hpp"
#include "daemon/runtime/start_memory.hpp"
#include "daemon/version.hpp"
#include "policies/explain.hpp"
#include "probes/clock.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"

namespace pointsman {
namespace {

/// By then each part has done what it does once.
constexpr Duration start_takes = std::chrono::seconds{10};

/// systemd gives every folder of RuntimeDirectory=, with colons between; the first one is ours.
std::string runtime_folder() {
  const char* folders = std::getenv("RUNTIME_DIRECTORY");  // NOLINT(concurrency-mt-unsafe)
  if (!folders || !*folders) return "/run/pointsman";
  const std::string_view all{folders};
  return std::string(all.substr(0, all.find(':')));
}

/// A thousand probes at once need a thousand sockets: the hard limit is ours to use.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

void print_diagnostics(const std::vector<Diagnostic>& list, bool warning) {
  for (const Diagnostic& d : list) std::fprintf(stderr, "%s\n", to_text(d, warning).c_str());
}

class App {
 public:
  App(Config config, std::filesystem::path file);
  int run();

 private:
  bool listen();
  void start_engine(const JournalMemory& memory);
  void forget_stray_flags(const MemoryRestored& restored);
  void restore_outbox(const JournalMemory& memory);
  void resolve_ended_alerts();
  void run_effects(const std::vector<Effect>& effects);
  void operator()(const RunProbe& effect) { probes_.run(effect.probe); }
  void operator()(const ObserveRoute& effect) { routes_.observe(effect); }
  void operator()(const SwitchRoute& effect) { routes_.switch_route(effect); }
  template <class Act>
  void operator()(const Act& act) {
    acts_.run(act);
  }
  void operator()(const WriteFlag& flag);
  void operator()(const SendAlert& effect) { notifiers_.send(effect.alert); }
  void operator()(const StoreIncident& effect);
  void operator()(const Record& record);
  CommandAnswer command(const std::string& name, const boost::json::object& body,
                        const std::string& by);
  void test_notifier(const boost::json::object& body, CommandCallback answer);
  asio::awaitable<void> async_test_notifier(NotifierName name, CommandCallback answer);
  void load_actions();
  CommandAnswer reload();
  void wait_for_signal();
  void stop();
  void wait_until_idle(MonoTime limit);
  NotifySurroundings notify_surroundings();
  HttpSource http_source();
  HttpSettings http_settings() const;
  ShellView shell_view() const;

  Config config_;
  std::filesystem::path file_;
  asio::io_context context_{1};
  Resolver resolver_{context_.get_executor()};
  TlsContexts tls_contexts_;
  ActWorker worker_{context_.get_executor()};
  ProberServices services_{context_.get_executor(), resolver_, tls_contexts_};
  AllAdapters adapters_{services_, worker_};
  ServerActs servers_{services_};
  HookRunner hooks_{services_};
  StepRunner steps_{services_};
  FlagFiles flag_files_{runtime_folder()};
  TaskGroup tasks_;
  Journal journal_;
  EngineLoop loop_;
  ProbeRunner probes_;
  RouteRunner routes_;
  ActRunner acts_;
  Notifiers notifiers_;
  EventRing events_;
  HttpServer server_;
  SystemdNotify systemd_;
  asio::signal_set signals_{context_, SIGHUP, SIGTERM, SIGINT};
  asio::steady_timer stop_timer_{context_};
  WallTime started_ = wall_now();
  bool last_reload_ok_ = true;
  std::string last_reload_error_;
  WallTime last_reload_ = wall_now();
  std::uint64_t last_request_ = 0;
  bool ready_told_ = false;
  MonoTime release_memory_at_ = MonoTime::max();
  bool memory_known_ = false;    ///< the journal could be read
  bool reload_wanted_ = false;   ///< asked for by a signal, before the engine was started
  bool engine_started_ = false;  ///< what the last daemon left half done has been looked at
  bool stopping_ = false;
};

App::App(Config config, std::filesystem::path file)
    : config_(std::move(config)),
      file_(std::move(file)),
      tasks_(context_.get_executor(),
             [](const std::string& error) { log_error("a task ended with an error: " + error); }),
      journal_(context_.get_executor(), {config_.state_dir, runtime_folder()}),
      loop_(context_.get_executor(), [this](const auto& effects) { run_effects(effects); }),
      probes_(
          {context_.get_executor(), resolver_, tls_contexts_},
          [this](Sample sample) {
            journal_.sample(sample, wall_now());
            loop_.give(SampleTaken{std::move(sample)});
          },
          [this](const ProbeName& name, SessionEnd how) {
            loop_.give(SessionEnded{name, how});
          },
          [this](Duration late) { loop_.ran_late(late); }),
      routes_(tasks_, journal_, [this](Event event) { loop_.give(std::move(event)); }),
      acts_({tasks_, journal_, servers_, hooks_, steps_,
             [this](Event event) { loop_.give(std::move(event)); },
             [this](const RouteName& route) { return routes_.adapters_of(route); }}),
      notifiers_(notify_surroundings()),
      server_(context_, http_source(), http_settings()) {}

int App::run() {
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  journal_.set_notice([](const std::string& text) { log_warn("journal: " + text); });
  const auto add_event = [this](const StoredEvent& e) {
    events_.add({e.seq, e.at, e.kind, e.subject, e.text, e.details});
  };
  journal_.set_event_listener(add_event);
  JournalMemory memory = journal_.open();
  events_.start_after(memory.last_event);
  for (const StoredEvent& event : memory.events) add_event(event);
  const JournalHealth health = journal_.health();
  memory_known_ = health.writable || !memory.events.empty();
  memory.events.clear();
  if (!health.writable) {
    log_warn("the journal can not be written; everything else goes on: " + health.error);
  }
  if (!listen()) return exit_unhealthy;
  loop_.on_tick([this](MonoTime now) {
    systemd_.tick(now);
    if (!ready_told_) {
      ready_told_ = true;
      systemd_.ready(engine_started_ ? "probing" : "looking at what was left half done");
    }
    if (now >= release_memory_at_) {
      release_memory_at_ = MonoTime::max();
      release_start_memory();
    }
  });
  loop_.on_event([this](MonoTime at, const Event& event) { journal_.told(at, event); });
  wait_for_signal();
  load_actions();
  if (memory.unfinished.empty()) {
    start_engine(memory);
  } else {
    // What a killed daemon left half done is undone before anything new is thought of.
    log_warn(std::to_string(memory.unfinished.size()) +
             " act(s) were under way when the daemon ended; looking at them");
    loop_.beat();  // that may take longer than systemd waits for a start
    std::vector<Intent> unfinished = memory.unfinished;
    tasks_.spawn(async_recover({tasks_, journal_, routes_, acts_}, std::move(unfinished),
                               [this, memory = std::move(memory)] { start_engine(memory); }));
  }
  context_.run();
  return exit_fine;
}

bool App::listen() {
  const ListenSpec& listen = config_.listen;
  const auto tried = [](const Status& status) {
    if (!status.ok()) log_error(status.error().message);
    return status.ok();
  };
  if (listen.http && !tried(server_.listen_tcp(*listen.http))) return false;
  if (listen.agent_check && !tried(server_.listen_agent_check(*listen.agent_check))) return false;
  if (!tried(server_.listen_unix(listen.control))) return false;
  for (const Endpoint& endpoint : server_.local_endpoints()) {
    log_info("listening on " + to_text(endpoint));
  }
  return true;
}

/// Before the engine may say more of them: what is newer is not put back.
void App::restore_outbox(const JournalMemory& memory) {
  std::vector<OutboxRow> rows;
  for (OutboxDocument& one : outbox_of(memory)) {
    rows.push_back({std::move(one.notifier), one.incident, std::move(one.document)});
  }
  notifiers_.restore(rows);
}

/// After the incidents are known: alerts of those that are over are resolved.
void App::resolve_ended_alerts() {
  std::set<IncidentId> open;
  for (const auto& [id, incident] : loop_.snapshot()->incidents) {
    if (incident->state == IncidentState::open) open.insert(id);
  }
  notifiers_.reconcile(open);
}

/// Where the journal could not be read nobody knows which are stray: they stay as they are.
void App::forget_stray_flags(const MemoryRestored& restored) {
  if (!memory_known_) {
    log_warn("which flags were set is not known; their files stay as they are");
    return;
  }
  std::set<std::string> known;
  for (const FlagMemory& flag : restored.flags) known.insert(flag.flag.text);
  for (const std::string& name : flag_files_.forget_all_but(known)) {
    log_warn("flag " + name + " is cleared: its file was there, but no record of who set it");
  }
}

void App::start_engine(const JournalMemory& memory) {
  if (stopping_) return;
  engine_started_ = true;
  probes_.load(*config_.policy, config_.probes);
  loop_.give(PolicyLoaded{config_.policy});
  MemoryRestored restored = remembered(memory);
  forget_stray_flags(restored);
  restore_outbox(memory);
  loop_.give(std::move(restored));
  resolve_ended_alerts();
  release_memory_at_ = mono_now() + start_takes;
  if (ready_told_) systemd_.status("probing");
  if (std::exchange(reload_wanted_, false)) reload();
}

void App::run_effects(const std::vector<Effect>& effects) {
  // A ladder that has ended and the human that it called are on the disk together, or neither is.
  const Journal::Together together(journal_);
  for (const Effect& effect : effects) {
    journal_.ordered(mono_now(), effect);
    std::visit([this](const auto& e) { (*this)(e); }, effect);
  }
}

void App::operator()(const WriteFlag& flag) {
  if (const Status written = flag_files_.write(flag); !written.ok()) {
    log_error(written.error().message);
  }
}

void App::operator()(const StoreIncident& effect) {
  journal_.incident(effect.incident, wall_now());
}

void App::operator()(const Record& record) {
  log_record(record);
  journal_.record(record, wall_now());
}

CommandAnswer App::reload() {
  if (stopping_) return {503, {{"error", "the daemon is stopping"}}};
  if (!engine_started_) return {503, {{"error", "the daemon is still starting; try again"}}};
  systemd_.reloading();
  last_reload_ = wall_now();
  auto loaded = load_config(file_);
  if (auto* failure = std::get_if<LoadFailure>(&loaded)) {
    last_reload_ok_ = false;
    last_reload_error_ = to_text(failure->errors.front(), false);
    systemd_.ready("reload refused, the old configuration stays in force");
    return reload_refused(*failure);
  }
  Config next = std::move(std::get<Config>(loaded));
  std::vector<std::string> at_once;
  if (begins_to_act(config_, next)) at_once = loop_.acts_at_once(next.policy);
  CommandAnswer answer = reload_done(config_, next, at_once);
  config_ = std::move(next);
  tls_contexts_.forget();
  server_.set_access(http_settings());
  load_actions();
  probes_.load(*config_.policy, config_.probes);
  loop_.give(PolicyLoaded{config_.policy});
  last_reload_ok_ = true;
  last_reload_error_.clear();
  systemd_.ready("probing");
  log_info("reloaded " + file_.string());
  return answer;
}

void App::wait_for_signal() {
  signals_.async_wait([this](error_code ec, int signal) {
    if (ec) return;
    if (signal == SIGHUP) {
      reload_wanted_ = !engine_started_;
      if (!reload_wanted_) reload();
    } else if (!stopping_) {
      log_info("stopping");
      stop();
    } else {
      context_.stop();  // asked twice: at once
    }
    wait_for_signal();
  });
}

void App::stop() {
  stopping_ = true;
  systemd_.stopping();
  loop_.stop();
  probes_.stop();
  tasks_.cancel();
  server_.close([] {});
  wait_until_idle(mono_now() + stop_limit);
}

void App::wait_until_idle(MonoTime limit) {
  if ((probes_.running() == 0 && tasks_.size() == 0) || mono_now() >= limit) return context_.stop();
  stop_timer_.expires_after(std::chrono::milliseconds{20});
  stop_timer_.async_wait([this, limit](error_code) { wait_until_idle(limit); });
}

/// All that acts, as the configuration in force says.
void App::load_actions() {
  routes_.load(adapters_.make(config_));
  servers_.load(config_.probes);
  hooks_.load(config_.hooks);
  steps_.load(config_.steps);
  notifiers_.configure(config_.notifiers);
}

NotifySurroundings App::notify_surroundings() {
  NotifySurroundings around{services_, config_.node.name, {}, {}, {}, {}};
  around.store.put = [this](const NotifierName& notifier, IncidentId incident,
                            const std::string& document) {
    journal_.outbox_put(notifier, incident, document, wall_now());
  };
  around.store.async_put = [this](NotifierName notifier, IncidentId incident,
                                  std::string document) {
    return journal_.async_outbox_put(std::move(notifier), incident, std::move(document),
                                     wall_now());
  };
  around.store.remove = [this](const NotifierName& notifier, IncidentId incident) {
    journal_.outbox_remove(notifier, incident);
  };
  around.spawn = [this](asio::awaitable<void> task) { tasks_.spawn(std::move(task)); };
  around.random = random_share;
  around.warn = [](const std::string& text) { log_warn("notify: " + text); };
  return around;
}

CommandAnswer App::command(const std::string& name, const boost::json::object& body,
                           const std::string& by) {
  if (stopping_) return {503, {{"error", "the daemon is stopping"}}};
  const auto seen = loop_.snapshot();
  if (!seen->policy) return {503, {{"error", "the daemon is still starting; try again"}}};
  const RequestId request{++last_request_};
  Command command = read_command({name, body, *seen, by, mono_now(), request});
  if (command.event) loop_.give(std::move(*command.event));
  return command.answer;
}

void App::test_notifier(const boost::json::object& body, CommandCallback answer) {
  const auto seen = loop_.snapshot();
  if (stopping_ || !seen->policy) {
    return answer({503, {{"error", "the daemon is starting or stopping"}}});
  }
  auto named = read_notify_test(body, *seen);
  if (auto* refused = std::get_if<CommandAnswer>(&named)) return answer(std::move(*refused));
  tasks_.spawn(async_test_notifier(std::move(std::get<NotifierName>(named)), std::move(answer)));
}

asio::awaitable<void> App::async_test_notifier(NotifierName name, CommandCallback answer) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const Result<std::string> told = co_await notifiers_.async_test(std::move(name));
  boost::json::object body;
  if (told.ok()) {
    body["message"] = told.value();
  } else {
    body["error"] = told.error().message;
  }
  answer({told.ok() ? 200 : 502, std::move(body)});
}

HttpSource App::http_source() {
  HttpSource source;
  source.snapshot = [this] { return loop_.snapshot(); };
  source.shell = [this] { return shell_view(); };
  source.serving = [this] { return loop_.serving(); };
  source.last_tick = [this] { return loop_.last_tick(); };
  source.reload = [this] { return reload(); };
  source.flag_set = [this](const std::string& name) { return flag_files_.is_set(name); };
  source.command = [this](const std::string& name, const boost::json::object& body,
                          const std::string& by) { return command(name, body, by); };
  source.command_later = [this](const std::string&, const boost::json::object& body,
                                CommandCallback answer) { test_notifier(body, std::move(answer)); };
  source.events_since = [this](std::uint64_t seq, std::size_t limit) {
    return events_.since(seq, limit);
  };
  source.last_event = [this] { return events_.last(); };
  source.warn = [](const std::string& text) { log_warn(text); };
  return source;
}

HttpSettings App::http_settings() const {
  HttpSettings settings;
  settings.details_from = config_.listen.details_from;
  settings.token = config_.listen.token;
  return settings;
}

ShellView App::shell_view() const {
  const JournalHealth health = journal_.health();
  ShellView view;
  view.node = config_.node.name;
  view.version = version_text;
  view.commit = version_commit;
  view.started = started_;
  view.journal_writable = health.writable;
  view.journal_error = health.error;
  view.journal_errors_total = health.errors_total;
  view.journal_dropped_total = health.dropped_total;
  view.last_reload_ok = last_reload_ok_;
  view.last_reload_error = last_reload_error_;
  view.last_reload = last_reload_;
  view.loop_lag = loop_.lag();
  view.config = config_.redacted;
  if (!engine_started_) view.awaited = config_.policy;
  view.notifiers = notifier_views(notifiers_.status());
  return view;
}

}  // namespace

int run_daemon(const std::filesystem::path& config_file) {
  std::signal(SIGHUP, SIG_IGN);  // until App waits for it: the file is being read anyhow
  auto loaded = load_config(config_file);
  if (const auto* failure = std::get_if<LoadFailure>(&loaded)) {
    print_diagnostics(failure->errors, false);
    print_diagnostics(failure->warnings, true);
    std::fprintf(stderr, "%zu error(s); see `pointsman check %s`\n", failure->errors.size(),
                 config_file.c_str());
    return exit_config;
  }
  start_log();
  Config config = std::move(std::get<Config>(loaded));
  for (const Diagnostic& d : config.warnings) log_warn(to_text(d, true));
  log_info(std::string("pointsman ") + version_text + " (" + version_commit + "), node " +
           config.node.name + ", mode " + std::string(to_text(config.policy->mode)));
  auto app = std::make_unique<App>(std::move(config), config_file);
  return app->run();
}

}  // namespace pointsman
