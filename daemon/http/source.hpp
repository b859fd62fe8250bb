// What the HTTP server and its documents read: made by daemon/app, on the same thread. No lock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "policies/model/snapshot.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// How one notifier fares.
struct NotifierView {
  std::string name, type;                          ///< type: "alertmanager", "slack", …
  std::size_t pending = 0;                         ///< alerts that wait to be told
  std::size_t open = 0;                            ///< alerts that fire
  std::uint64_t sent_total = 0, failed_total = 0;  ///< tries
  std::uint64_t dropped_total = 0;                 ///< alerts given up
  std::optional<WallTime> last_sent;               ///< of the last try that was taken
  std::string last_error;                          ///< of the last try; empty when it was taken
};

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
  Duration loop_lag{};        ///< the last measured
  boost::json::value config;  ///< redacted
  /// What comes into force once the acts that a killed daemon left half done have been looked at;
  /// until then the snapshot has no policy. Null: nothing waits for that.
  std::shared_ptr<const PolicySet> awaited;
  std::vector<NotifierView> notifiers;
};

/// One entry of the journal, as /v1/events tells it.
struct StoredEventView {
  std::uint64_t seq = 0;  ///< grows by one with each
  WallTime at{};
  std::string kind;  ///< a RecordKind's word
  std::string subject, text;
  std::vector<std::pair<std::string, std::string>> details;
};

/// The answer to an operator's command. 2xx: done, else `body` has "error".
struct CommandAnswer {
  int status = 200;
  boost::json::value body;
};
using CommandCallback = std::function<void(CommandAnswer)>;

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
  /// POST /v1/NAME on the control socket: "switch", "switch/cancel", "pause", "resume", "drain",
  /// "undrain", "flags/set", "flags/clear", "ack", "approve", "refuse". `by` is "uid 1000".
  /// read_command (command_reader.hpp) makes an event and the answer of it. Empty: 503.
  std::function<CommandAnswer(const std::string& name, const boost::json::object& body,
                              const std::string& by)>
      command;
  /// The same for "notify/test", whose answer takes a while: `answer` is called once, now or later,
  /// on the loop's thread. After HttpLimits::later_deadline it finds nobody any more. Empty: 503.
  std::function<void(const std::string& name, const boost::json::object& body,
                     CommandCallback answer)>
      command_later;
  /// Events after `seq`, oldest first, at most `limit`; from memory (event_ring.hpp). Empty: there
  /// are none.
  std::function<std::vector<StoredEventView>(std::uint64_t seq, std::size_t limit)> events_since;
  /// The newest one's number; 0: none yet.
  std::function<std::uint64_t()> last_event;
  /// Told one sentence when the server itself has a trouble (no descriptors); rarely. May be empty.
  std::function<void(const std::string& text)> warn;
};

}  // namespace pointsman
