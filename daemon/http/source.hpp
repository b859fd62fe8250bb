// What the HTTP server and its documents read: made by daemon/app, on the same thread. No lock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "policies/model/snapshot.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// What is seen of the daemon besides the engine.
struct ShellView {
  std::string node, version, commit;
  WallTime started{};
  bool journal_writable = true;
  std::string journal_error;
  std::uint64_t journal_errors_total = 0, journal_dropped_total = 0;
  bool last_reload_ok = true;
  std::string last_reload_error;
  WallTime last_reload{};
  Duration loop_lag{};             ///< the last measured
  boost::json::value config;       ///< redacted
  bool automation_paused = false;  ///< by an operator
  int incidents_open = 0;
  std::vector<std::string> flags;  ///< those that are set, sorted
};

/// An operator's command that came over the control socket, and its answer.
struct CommandAnswer {
  int status = 200;
  boost::json::value body;
};

struct HttpSource {
  /// The snapshot of now; cheap when nothing changed.
  std::function<std::shared_ptr<const Snapshot>()> snapshot;
  std::function<ShellView()> shell;
  /// The answer to /health as it was at the last tick, and when that was (the 2 s rule of SPEC 5).
  std::function<Serving()> serving;
  std::function<MonoTime()> last_tick;
  /// POST /v1/reload on the control socket. Runs on the loop's thread; may take its time.
  std::function<CommandAnswer()> reload;
  /// Is this flag set? Asked with names of letters, digits, '_', '-' and '.' only. Empty: none is.
  std::function<bool(const std::string& name)> flag_set;
  /// Told one sentence when the server itself has a trouble (no descriptors); rarely. May be empty.
  std::function<void(const std::string& text)> warn;
};

}  // namespace pointsman
