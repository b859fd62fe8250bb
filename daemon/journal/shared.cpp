// The loop's side of the journal: queueing, waiting, health. Nothing here touches a file.
#include "daemon/journal/shared.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "daemon/journal/kept_json.hpp"
#include "policies/schedule.hpp"
#include "probes/clock.hpp"

namespace pointsman {

namespace {

/// Keys of the history grow over restarts, whatever is in the file.
std::uint64_t first_history_key() {
  constexpr int keys_each_millisecond_bits = 20;
  return static_cast<std::uint64_t>(wall_now().time_since_epoch().count())
         << keys_each_millisecond_bits;
}

/// From monotonic time to the history's axis, so that runs fall due at the same instants of both.
Duration history_shift() {
  const Duration shift = wall_now().time_since_epoch() - mono_now().time_since_epoch();
  return shift - shift % coarsest_grain;
}

}  // namespace

Journal::Shared::Shared(asio::any_io_executor loop, const JournalPaths& journal_paths)
    : paths(journal_paths),
      runtime(std::make_shared<RuntimeFolder>(journal_paths.runtime_dir)),
      recorder(first_history_key(), history_shift()),
      executor(std::move(loop)),
      store(journal_paths.state_dir / "journal.db"),
      standing_copy(journal_paths.state_dir) {}

void Journal::Shared::push(RecordRow row, Duration patience) {
  const std::lock_guard lock(mutex);
  push_locked(std::move(row), patience);
}

void Journal::Shared::push_history(std::vector<RecordedRow> rows) {
  for (RecordedRow& row : rows) {
    const Duration patience = row.urgent ? group_wait : sample_wait;
    push(HistoryRow{std::move(row)}, patience);
  }
}

void Journal::Shared::push_event(EventRow row, Duration patience) {
  StoredEvent event;
  if (listener) event = {0, row.at, row.kind, row.subject, row.text, row.details};
  {
    const std::lock_guard lock(mutex);
    event.seq = next_seq;
    push_locked(std::move(row), patience);
  }
  if (listener) listener(event);
}

void Journal::Shared::push_locked(RecordRow row, Duration patience) {
  if (auto* event = std::get_if<EventRow>(&row); event && event->seq == 0) event->seq = next_seq++;
  records.push_back(std::move(row));
  trim_locked();
  wake_by(mono_now() + (records.size() >= prompt_records ? Duration{} : patience));
}

void Journal::Shared::gather(bool begins) {
  const std::lock_guard lock(mutex);
  gathering = begins;
  if (!begins && flush_at <= mono_now()) wake.notify_one();
}

void Journal::Shared::push_act(ActRow act) {
  const std::lock_guard lock(mutex);
  acts.push_back(std::move(act));
  trim_locked();
  wake_by(mono_now());
}

void Journal::Shared::push_memory(MemoryRow row) {
  if (needs_runtime_folder()) runtime->keep_memory(row);
  const std::lock_guard lock(mutex);
  auto route = row.memory.route;
  memories.insert_or_assign(std::move(route), std::move(row));
  wake_by(mono_now());
}

void Journal::Shared::push_kept(KeptRow row, Duration patience) {
  const std::lock_guard lock(mutex);
  KeptKey key{row.kind, row.name};
  if (known_kept.count(key) == 0) patience = {};
  remember_kept_locked(row);
  if (!told.writable || ended || is_stalled_locked(intent_patience)) {
    runtime->keep_kept({row}, [self = shared_from_this()] { return self->needs_runtime_folder(); });
  }
  kept.insert_or_assign(std::move(key), std::move(row));
  trim_kept_locked();
  wake_by(mono_now() + patience);
}

void Journal::Shared::remember_kept_locked(const KeptRow& row) {
  KeptKey key{row.kind, row.name};
  if (row.document.empty() || is_over(row)) {
    known_kept.erase(key);
  } else {
    known_kept.insert_or_assign(std::move(key), row);
  }
}

/// Stories go first, never what automation rests on.
void Journal::Shared::trim_kept_locked() {
  while (kept.size() > max_kept) {
    auto victim = kept.end();
    for (const char* kind : {"incident", "outbox"}) {
      victim = kept.lower_bound({kind, ""});
      if (victim != kept.end() && victim->first.first == kind) break;
      victim = kept.end();
    }
    if (victim == kept.end()) return;
    kept.erase(victim);
    ++told.dropped_total;
  }
}

void Journal::Shared::keep_standing_locked() {
  for (const auto& [route, row] : memories) runtime->keep_memory(row);
  std::vector<KeptRow> rows;
  for (const auto& [key, row] : kept) rows.push_back(row);
  runtime->keep_kept(std::move(rows),
                     [self = shared_from_this()] { return self->needs_runtime_folder(); });
}

std::shared_ptr<Waiter> Journal::Shared::push_intent(const Intent& intent) {
  const std::lock_guard lock(mutex);
  acts.push_back(intent);
  trim_locked();
  wake_by(mono_now());
  if (!executor || ended || !told.writable || is_stalled_locked(intent_patience)) return nullptr;
  auto waiter = std::make_shared<Waiter>(*executor);
  intent_waiters.insert_or_assign(intent.id, waiter);
  return waiter;
}

std::shared_ptr<Waiter> Journal::Shared::keep_in_runtime_folder(const Intent& intent) {
  std::shared_ptr<Waiter> waiter;
  {
    const std::lock_guard lock(mutex);
    if (!executor) return nullptr;
    waiter = std::make_shared<Waiter>(*executor);
    runtime_waiters.insert_or_assign(intent.id, waiter);
  }
  runtime->keep_intent(intent, [self = shared_from_this(), id = intent.id](bool done) {
    const std::lock_guard lock(self->mutex);
    self->complete(id, self->runtime_waiters, done);
    if (done) self->wake_by(mono_now() + group_wait);  // SQLite takes it in, if it can by then
  });
  return waiter;
}

std::shared_ptr<Waiter> Journal::Shared::push_awaited(const KeptRow& row, std::uint64_t id) {
  std::shared_ptr<Waiter> waiter;
  {
    const std::lock_guard lock(mutex);
    if (executor && !ended && told.writable && !is_stalled_locked(intent_patience)) {
      waiter = std::make_shared<Waiter>(*executor);
      const KeptKey key{row.kind, row.name};
      if (const auto old = awaited_kept.find(key); old != awaited_kept.end()) {
        intent_waiters.erase(old->second);
      }
      awaited_kept.insert_or_assign(key, id);
      intent_waiters.insert_or_assign(id, waiter);
    }
  }
  push_kept(row, Duration{});
  return waiter;
}

std::shared_ptr<Waiter> Journal::Shared::keep_in_runtime_folder(const KeptRow& row,
                                                                std::uint64_t id) {
  std::shared_ptr<Waiter> waiter;
  {
    const std::lock_guard lock(mutex);
    const auto awaited = awaited_kept.find({row.kind, row.name});
    if (awaited != awaited_kept.end() && awaited->second == id) awaited_kept.erase(awaited);
    intent_waiters.erase(id);
    if (!executor) return nullptr;
    waiter = std::make_shared<Waiter>(*executor);
    runtime_waiters.insert_or_assign(id, waiter);
  }
  runtime->keep_kept({row}, [self = shared_from_this(), row] {
    const std::lock_guard lock(self->mutex);
    const auto newest = self->known_kept.find({row.kind, row.name});
    return newest != self->known_kept.end() && newest->second.document == row.document;
  });
  // The folder's jobs run one after another: this one ends after that one.
  runtime->in_background([self = shared_from_this(), id] {
    const std::lock_guard lock(self->mutex);
    self->complete(id, self->runtime_waiters, true);
    self->wake_by(mono_now() + group_wait);  // SQLite takes it in, if it can by then
  });
  return waiter;
}

void Journal::Shared::intent_was_late() {
  const std::lock_guard lock(mutex);
  ++told.errors_total;
}

bool Journal::Shared::needs_runtime_folder() {
  const std::lock_guard lock(mutex);
  return !told.writable || ended || is_stalled_locked(intent_patience);
}

/// The waiter learns it on the loop's thread. Called with the mutex held.
void Journal::Shared::complete(std::uint64_t intent_id,
                               std::map<std::uint64_t, std::shared_ptr<Waiter>>& among, bool done) {
  const auto at = among.find(intent_id);
  if (at == among.end()) return;
  auto waiter = std::move(at->second);
  among.erase(at);
  if (closed || !executor) return;
  asio::post(*executor, [waiter = std::move(waiter), done] {
    waiter->done = done;
    waiter->timer.cancel();
  });
}

void Journal::Shared::tell(const std::vector<std::string>& lines) {
  const std::lock_guard lock(mutex);
  if (closed || !executor) return;
  for (const auto& line : lines) {
    asio::post(*executor, [weak = weak_from_this(), line] {
      if (const auto self = weak.lock(); self && self->notice) self->notice(line);
    });
  }
}

void Journal::Shared::note_locked(std::string line, Duration patience) {
  EventRow row{wall_now(), "journal", "", std::move(line), {}, next_seq++};
  tell_event_locked(row);
  push_locked(std::move(row), patience);
}

void Journal::Shared::begin_numbers_locked(std::optional<std::uint64_t> last) {
  std::uint64_t first = 1;
  if (!last) {  // beyond any other, whatever happened
    const auto now = wall_now().time_since_epoch();
    first =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  } else if (*last > 0) {
    // The numbers that the last life gave to events which were never written are not given again.
    first = (*last / seq_step + 2) * seq_step + 1;
  }
  next_seq = std::max(next_seq, first);
}

void Journal::Shared::tell_event_locked(const EventRow& row) {
  if (closed || !executor) return;
  StoredEvent event{row.seq, row.at, row.kind, row.subject, row.text, row.details};
  asio::post(*executor, [weak = weak_from_this(), event = std::move(event)] {
    if (const auto self = weak.lock(); self && self->listener) self->listener(event);
  });
}

void Journal::Shared::wake_by(MonoTime at) {
  if (!told.writable) at = std::max(at, retry_at);
  if (at >= flush_at) return;
  flush_at = at;
  wake.notify_one();
}

bool Journal::Shared::is_stalled_locked(Duration limit) const {
  return busy_since && mono_now() - *busy_since > limit;
}

std::size_t Journal::Shared::queued_locked() const {
  return acts.size() + records.size() + in_flight;
}

/// The oldest record goes first; acts only when there is nothing else left.
void Journal::Shared::trim_locked() {
  while (queued_locked() > max_queued && (!records.empty() || !acts.empty())) {
    if (!records.empty()) {
      records.pop_front();
    } else {
      acts.pop_front();
    }
    ++told.dropped_total;
  }
}

JournalHealth Journal::Shared::health() {
  const std::lock_guard lock(mutex);
  JournalHealth now = told;
  now.queued = queued_locked();
  if (is_stalled_locked(stalled_after)) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(mono_now() - *busy_since).count();
    now.writable = false;
    now.error = fmt::format("{}: the disk has not answered for {} s",
                            (paths.state_dir / "journal.db").string(), seconds);
  }
  return now;
}

bool Journal::Shared::close(MonoTime deadline) {
  std::unique_lock lock(mutex);
  stop = true;
  wake.notify_one();
  // Never opened: there is no thread to wait for.
  if (started) {
    changed.wait_until(lock, to_steady(deadline), [this] { return ended; });
  }
  closed = true;
  executor.reset();
  intent_waiters.clear();
  awaited_kept.clear();
  runtime_waiters.clear();
  lock.unlock();
  return runtime->wait_idle(deadline);
}

}  // namespace pointsman
