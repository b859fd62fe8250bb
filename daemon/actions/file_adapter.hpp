// Routes via a file: a template is filled in, the file replaced, and whoever reads it told.
//
// Pointsman owns the file whole. What is in effect is read from the file itself: it is compared
// with what the template gives for what was last wanted and for each set of known targets. That the
// reader took it is known from the reload's outcome and, where one is configured, from a probe
// through it. A change that fails goes back to the text before where the old servers are alive.
// Such a reader cannot hold clients. Loop's thread; the file is touched on the act worker.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/actions/act_worker.hpp"
#include "daemon/actions/adapter.hpp"
#include "daemon/actions/file_write.hpp"
#include "daemon/actions/outside_call.hpp"
#include "probes/file_template.hpp"
#include "probes/prober.hpp"

namespace pointsman {

struct FileLimits {
  Duration read{std::chrono::seconds{2}};
  Duration write{std::chrono::seconds{3}};
  Duration prove{std::chrono::seconds{6}};
  Duration one_try{std::chrono::seconds{1}};
  /// A reload returns before it is done: whoever reads the file must answer well for so long.
  Duration settle{std::chrono::milliseconds{500}};
  Duration reload{std::chrono::seconds{10}};  ///< the unit's job, or the command
};

struct FileRoute {
  RouteName route;
  std::string path;  ///< absolute
  FileTemplate tmpl;
  /// A unit to reload, a command to run, or nothing: the reader sees the change by itself.
  std::variant<std::monostate, std::string, ExecSpec> reload;
  /// Asked through whoever reads the file, until it passes (or warns): a connection, a request.
  std::variant<std::monostate, Endpoint, HttpSpec> verify;
  /// Where the route may lead (its fallback's targets included), in order of preference.
  std::vector<SwitchTarget> known;
};

/// What was last written of it; survives a reload of the configuration.
struct FileMemory {
  std::optional<std::string> text;
  std::vector<SwitchTarget> targets;  ///< that it leads to
};

class FileAdapter : public Adapter {
 public:
  FileAdapter(ProberServices services, ActWorker& worker, FileRoute route,
              std::shared_ptr<FileMemory> memory, FileLimits limits = {});

  asio::awaitable<PoolerObservation> async_observe(RouteName route) override;
  asio::awaitable<SwitchReport> async_switch(SwitchRoute order, Intend intend) override;
  asio::awaitable<HoldReport> async_hold(RouteName route, Intend intend,
                                         MonoTime deadline) override;
  asio::awaitable<std::string> async_release(RouteName route, MonoTime deadline) override;
  asio::awaitable<SwitchReport> async_reconnect(RouteName route, MonoTime deadline) override;
  asio::awaitable<void> async_recover(std::string steps) override;

 private:
  struct Act;
  asio::awaitable<PoolerObservation> async_look();
  asio::awaitable<SwitchReport> async_act(SwitchRoute order, Intend intend);
  asio::awaitable<bool> async_replace(Act& act, std::string text);
  void remember(std::string text, std::vector<SwitchTarget> targets);
  asio::awaitable<bool> async_tell(Act& act);
  asio::awaitable<bool> async_prove(Act& act);
  asio::awaitable<bool> async_roll_back(Act& act);
  asio::awaitable<ReadReport> async_read();
  asio::awaitable<SwitchReport> async_tell_again();
  /// Idempotent: what comes of a reload is in the file alone.
  asio::awaitable<ActReport> async_reload(std::vector<SwitchTarget> targets);
  std::unique_ptr<Prober> make_verifier() const;

  ProberServices services_;
  ActWorker& worker_;
  FileRoute route_;
  std::shared_ptr<FileMemory> memory_;
  FileLimits limits_;
  std::unique_ptr<OutsideCall> command_;  ///< where the reload is one
};

class FileAdapters {
 public:
  FileAdapters(ProberServices services, ActWorker& worker, FileLimits limits = {})
      : services_(services), worker_(worker), limits_(limits) {}

  /// One adapter each, in the same order. May be called again, with another configuration.
  std::vector<std::shared_ptr<Adapter>> make(const std::vector<FileRoute>& routes);

 private:
  ProberServices services_;
  ActWorker& worker_;
  FileLimits limits_;
  std::map<std::string, std::shared_ptr<FileMemory>> memories_;  ///< by path
};

}  // namespace pointsman
