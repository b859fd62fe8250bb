// The loop's side of the journal: queueing, waiting, health. Nothing here touches a file.
#include "daemon/journal/shared.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "probes/clock.hpp"

namespace pointsman {

Journal::Shared::Shared(asio::any_io_executor loop, const JournalPaths& journal_paths)
    : paths(journal_paths),
      runtime(std::make_shared<RuntimeFolder>(journal_paths.runtime_dir)),
      executor(std::move(loop)),
      store(journal_paths.state_dir / "journal.db") {}

void Journal::Shared::push(RecordRow row, Duration patience) {
  const std::lock_guard lock(mutex);
  push_locked(std::move(row), patience);
}

void Journal::Shared::push_locked(RecordRow row, Duration patience) {
  records.push_back(std::move(row));
  trim_locked();
  wake_by(mono_now() + (records.size() >= prompt_records ? Duration{} : patience));
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
  if (row.document.empty()) {
    known_kept.erase(key);
  } else {
    known_kept.insert_or_assign(key, row);
    while (known_kept.size() > max_kept) known_kept.erase(known_kept.begin());
  }
  kept.insert_or_assign(std::move(key), std::move(row));
  wake_by(mono_now() + patience);
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
  runtime_waiters.clear();
  lock.unlock();
  return runtime->wait_idle(deadline);
}

}  // namespace pointsman
