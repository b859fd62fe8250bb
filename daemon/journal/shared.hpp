// What the loop's thread and the journal's thread share: the queue, the waiting intents, the
// health.
//
// The loop's thread only pushes and reads under `mutex`, which is never held while a file is
// touched, so that it is held for microseconds even when the disk hangs. The journal's thread owns
// the store. It is kept alive by a shared_ptr of its own: a thread that hangs in the disk is left
// behind at the exit and finds `closed` set should it ever wake; it then touches neither the
// executor nor the waiters.
//
// Wake-ups: a lone record waits for group_wait, a kept sample for sample_wait, acts for nothing. At
// rest that is one transaction a minute.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/journal/rows.hpp"
#include "daemon/journal/runtime_folder.hpp"
#include "daemon/journal/standing_copy.hpp"
#include "daemon/journal/store.hpp"
#include "daemon/journal/thinning.hpp"
#include "policies/simulation/recorder.hpp"

namespace pointsman {

/// One coroutine that waits for something to be durable. Touched on the loop's thread only.
struct Waiter {
  explicit Waiter(const asio::any_io_executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  std::optional<bool> done;
};

struct Journal::Shared : std::enable_shared_from_this<Journal::Shared> {
  static constexpr Duration group_wait = std::chrono::milliseconds{500};
  static constexpr Duration sample_wait = std::chrono::minutes{1};
  static constexpr Duration retry_first = std::chrono::seconds{1};
  static constexpr Duration retry_longest = std::chrono::seconds{10};
  static constexpr Duration retention_every = std::chrono::hours{1};
  static constexpr Duration gathering_longest = std::chrono::seconds{1};
  static constexpr Duration stalled_after = std::chrono::seconds{2};
  static constexpr std::size_t max_batch = 1000;       ///< records in one transaction
  static constexpr std::size_t prompt_records = 1000;  ///< that many are written without waiting
  static constexpr std::size_t max_kept = 5000;  ///< of what stands, while it can not be written
  static constexpr std::uint64_t seq_step = 10'000;  ///< each start begins anew above the last one
  static constexpr int max_bites = 20;               ///< of retention, after one transaction
  static constexpr std::int64_t max_checked_bytes = 64
                                                    << 20;  ///< a larger file is not read through

  Shared(asio::any_io_executor loop, const JournalPaths& paths);

  // --- the loop's thread ---
  void push(RecordRow row, Duration patience);
  void push_history(std::vector<RecordedRow> rows);
  /// Queued, numbered, and told to the listener.
  void push_event(EventRow row, Duration patience);
  void push_act(ActRow act);
  void push_memory(MemoryRow row);
  /// Written within `patience`, what is new at once; while SQLite cannot be written the last of
  /// each waits here and in the runtime folder.
  void push_kept(KeptRow row, Duration patience);
  /// Nothing: SQLite is known not to answer, and the act was queued only.
  std::shared_ptr<Waiter> push_intent(const Intent& intent);
  std::shared_ptr<Waiter> keep_in_runtime_folder(const Intent& intent);
  /// As push_kept; the waiter learns when SQLite has it. Nothing: SQLite is known not to answer.
  std::shared_ptr<Waiter> push_awaited(const KeptRow& row, std::uint64_t id);
  /// Its waiter learns when the row's turn is over, unless it is not the newest any more.
  std::shared_ptr<Waiter> keep_in_runtime_folder(const KeptRow& row, std::uint64_t id);
  void intent_was_late();
  /// The journal's thread takes nothing out of the queue until it is over.
  void gather(bool begins);
  /// Is the runtime folder to be used too, because SQLite does not answer just now?
  bool needs_runtime_folder();
  JournalHealth health();
  bool close(MonoTime deadline);

  // --- the journal's thread: thread.cpp ---
  void run();
  void open_store();
  bool open_again();
  /// What a start finds of what stood where journal.db does not tell; true: there was some.
  bool read_standing_copy(JournalMemory& memory, std::vector<MemoryRow>& routes);
  void write_standing_copy();
  void flush();
  void retain();
  void check_whole_file();
  StoreStatus write(Batch& batch, bool durable);
  Batch take();
  void add_held(Batch& whole, const std::vector<RuntimeEntry>& held);
  void put_back(Batch batch);
  /// Of its records, those from `told_already` on are to be told to the listener.
  void succeeded(const Batch& batch, std::size_t told_already);
  void failed(const StoreFailure& failure, Batch batch);
  EventRow what_was_lost();
  bool stop_or_act_waits();

  // --- any thread ---
  void complete(std::uint64_t intent_id, std::map<std::uint64_t, std::shared_ptr<Waiter>>& among,
                bool done);
  void tell(const std::vector<std::string>& lines);
  /// A line that the journal says of itself: queued as an event, and told to the listener.
  void note_locked(std::string line, Duration patience);
  void tell_event_locked(const EventRow& row);
  /// The first number of this life. `last`: of the life before; nothing: not known.
  void begin_numbers_locked(std::optional<std::uint64_t> last);
  void remember_kept_locked(const KeptRow& row);
  void trim_kept_locked();
  /// Copies all that waits, or what a write failed to take, into the runtime folder.
  void keep_standing_locked();
  void push_locked(RecordRow row, Duration patience);
  void wake_by(MonoTime at);
  bool is_stalled_locked(Duration limit) const;
  std::size_t queued_locked() const;
  void trim_locked();

  const JournalPaths paths;
  const std::shared_ptr<RuntimeFolder> runtime;
  Thinning thinning;                                 ///< the loop's
  Recorder recorder;                                 ///< the loop's
  std::uint64_t next_id = 0;                         ///< the loop's
  std::function<void(const std::string&)> notice;    ///< the loop's
  std::function<void(const StoredEvent&)> listener;  ///< the loop's

  std::mutex mutex;
  std::condition_variable wake;                   ///< the journal's thread waits here
  std::condition_variable changed;                ///< open() and the destructor wait here
  std::optional<asio::any_io_executor> executor;  ///< gone once closed
  std::map<std::uint64_t, std::shared_ptr<Waiter>> intent_waiters, runtime_waiters;
  std::map<KeptKey, std::uint64_t> awaited_kept;  ///< whose waiters are among intent_waiters
  std::deque<ActRow> acts;
  std::map<RouteName, MemoryRow> memories;
  std::map<KeptKey, KeptRow> kept;
  std::deque<RecordRow> records;
  bool gathering = false;
  std::size_t in_flight = 0;  ///< taken out, not yet written
  MonoTime flush_at = MonoTime::max();
  MonoTime retry_at{};                 ///< not before, while nothing can be written
  std::optional<MonoTime> busy_since;  ///< the journal's thread is with the disk
  bool started = false, opened = false, stop = false, ended = false, closed = false;
  JournalMemory memory;                   ///< what open_store() found in SQLite
  std::vector<MemoryRow> known_memories;  ///< of each route; written again into a new file
  /// All that stands but for closed incidents; written again into a new file.
  std::map<KeptKey, KeptRow> known_kept;
  std::uint64_t next_seq = 1;  ///< of an event
  std::uint64_t highest_intent = 0;
  JournalHealth told;  ///< queued is counted afresh
  std::uint64_t dropped_reported = 0;
  std::optional<WallTime> unwritable_since;

  // The journal's thread alone:
  Store store;
  StandingCopy standing_copy;
  bool copy_is_old = true;
  Duration retry_wait = retry_first;
  MonoTime retention_due{};
  bool rewrite_known = false;  ///< the file was opened anew: it may be another one
};

}  // namespace pointsman
