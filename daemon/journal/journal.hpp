// The journal: SQLite in WAL mode on a thread of its own.
//
// The loop's thread only queues; it never waits for the disk. A full or unwritable disk degrades
// the record, never the daemon: records wait in a queue of at most `max_queued` and the oldest are
// dropped, counted, when it is full. Intents are durable before the act: in SQLite within 200 ms,
// else as a file in the runtime folder, else the caller is told `volatile_only` and acts all the
// same. What stands (the pause, the drain, flags, ladders, incidents, the outbox) is written at
// once, and into the runtime folder while SQLite can not take it. Every event has a number that
// grows over restarts; whoever prints events hears of each through set_event_listener, also while
// nothing can be written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"
#include "policies/model/result.hpp"
#include "probes/asio.hpp"

namespace pointsman {

struct JournalPaths {
  std::filesystem::path state_dir;    ///< journal.db lies here
  std::filesystem::path runtime_dir;  ///< intents/ when SQLite can not take them
};

struct JournalHealth {
  bool writable = true;
  std::string error;  ///< the last, empty when writable
  std::uint64_t errors_total = 0;
  std::uint64_t dropped_total = 0;  ///< records lost because the queue was full
  std::size_t queued = 0;
};

enum class Durability { database, runtime_file, volatile_only };

/// An act that is about to happen. `steps` is a JSON object that the adapter can finish or undo
/// from.
struct Intent {
  std::uint64_t id = 0;  ///< unique over restarts: give what next_intent_id() returns
  std::string subject;   ///< route or ladder
  std::string kind;      ///< "switch", "promote", "hook", "demote", "switchover", "step"
  std::string steps;     ///< JSON
  WallTime at{};
};

/// What stands of one thing (a flag, an incident, …): the last row of a kind and name wins.
struct KeptRow {
  std::string kind, name;
  std::string document;  ///< JSON; empty: it is gone
  WallTime at{};
};

/// A record with its number; or a line that the journal says of itself, of kind "journal".
struct StoredEvent {
  std::uint64_t seq = 0;
  WallTime at{};
  std::string kind, subject, text;
  std::vector<std::pair<std::string, std::string>> details;
};

/// What a start finds: the last memory of each route, intents without an outcome, oldest first, and
/// what stands. All are gathered from SQLite and from the runtime folder. Of the closed incidents
/// only the newest `closed_incidents` are read.
struct JournalMemory {
  static constexpr int closed_incidents = 200, newest_events = 1000;

  std::vector<RouteMemory> routes;
  std::vector<Intent> unfinished;
  std::vector<KeptRow> kept;        ///< kept_json.hpp reads them
  std::vector<StoredEvent> events;  ///< the newest, oldest first
  std::uint64_t last_event = 0;     ///< the events of this life have greater numbers
};

class Journal {
 public:
  static constexpr std::size_t max_queued = 10'000;
  /// How long an intent waits for SQLite, and then again for the runtime folder.
  static constexpr Duration intent_patience = std::chrono::milliseconds{200};
  /// How long open() and the destructor wait for a disk that does not answer.
  static constexpr Duration open_patience = std::chrono::seconds{2};
  static constexpr Duration close_patience = std::chrono::seconds{2};

  Journal(asio::any_io_executor executor, JournalPaths paths);
  /// Writes what is queued for at most 2 s, then gives up: a hung disk does not hold the exit.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Opens (a damaged file is moved aside to journal.db.damaged-TIME and said so) and reads the
  /// memory. Never fails: what cannot be had is said in health(). Blocks; called once, before the
  /// loop runs, and gives up after 2 s of a hung disk.
  JournalMemory open();

  /// Lines for the log ("journal.db was damaged, ... moved aside"), told on the executor's thread.
  /// Set before open(), whose lines come once the loop runs.
  void set_notice(std::function<void(const std::string&)> notice);

  /// Told of each event when it has its number, on the executor's thread: of a record within
  /// record(), of the journal's own lines soon. Set before open().
  void set_event_listener(std::function<void(const StoredEvent&)> listener);

  /// Unique over restarts also without the database: the start's wall-clock milliseconds times
  /// 1024, then counted up. Stays below 2^53, so that any JSON reader keeps it whole.
  std::uint64_t next_intent_id();
  void record(const Record& record, WallTime at);
  /// As it is now; the last of each is kept, the newest 2,000 for at most 400 days. Its opening and
  /// its end are written at once, what comes in between within half a second.
  void incident(const Incident& incident, WallTime at);
  /// The notifiers' outbox: one document for each notifier and incident.
  void outbox_put(const NotifierName& notifier, IncidentId incident, const std::string& document,
                  WallTime at);
  /// As outbox_put, and ends when the entry is durable, or after an intent's patience: in SQLite
  /// within 200 ms, else as its copy in the runtime folder. One at a time for each entry.
  asio::awaitable<void> async_outbox_put(NotifierName notifier, IncidentId incident,
                                         std::string document, WallTime at);
  void outbox_remove(const NotifierName& notifier, IncidentId incident);
  void sample(const Sample& sample, WallTime at);  ///< thinned, kept 30 days
  /// What the engine is told, and the acts that it orders: what `simulate --history` tries another
  /// policy on. Runs of equal samples take a row (policies/simulation/recorder); kept 31 days.
  void told(MonoTime at, const Event& event);
  void ordered(MonoTime at, const Effect& effect);
  asio::awaitable<Durability> async_intent(Intent intent);
  void outcome(std::uint64_t intent_id, ActionOutcome outcome, std::string message, WallTime at);
  JournalHealth health() const;

  /// What is said of one step of the engine is written in one transaction: while one of these
  /// lives, on the loop's thread and for a moment only, the journal's thread takes nothing.
  class Together {
   public:
    explicit Together(Journal& journal);
    ~Together();
    Together(const Together&) = delete;
    Together& operator=(const Together&) = delete;

   private:
    Journal& journal_;
  };

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace pointsman
