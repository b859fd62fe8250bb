// The journal's thread: waits for something to write, writes it in one transaction, and tries again
// later when it could not. Everything here may hang with the disk; nobody waits for it without a
// limit.
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "daemon/journal/shared.hpp"
#include "probes/clock.hpp"

namespace pointsman {

void Journal::Shared::run() {
  {
    const std::lock_guard lock(mutex);
    busy_since = mono_now();
  }
  open_store();
  check_whole_file();
  retention_due = mono_now() + std::chrono::minutes{10};  // the start has other things to do
  std::unique_lock lock(mutex);
  busy_since.reset();
  while (!stop) {
    if (flush_at > mono_now()) {
      if (flush_at == MonoTime::max()) {
        wake.wait(lock);
      } else {
        wake.wait_until(lock, to_steady(flush_at));
      }
      continue;
    }
    busy_since = mono_now();
    lock.unlock();
    flush();
    retain();
    write_standing_copy();
    lock.lock();
    busy_since.reset();
  }
  busy_since = mono_now();
  lock.unlock();
  flush();
  write_standing_copy();
  store.close();
  lock.lock();
  ended = true;
  changed.notify_all();
}

void Journal::Shared::open_store() {
  constexpr int max_busy_tries = 10;  // SQLite waits 100 ms each time
  std::vector<std::string> notices;
  JournalMemory found;
  std::vector<MemoryRow> routes;
  StoreStatus trouble;
  for (int n = 0; n < max_busy_tries; ++n) {
    trouble = store.open(wall_now(), notices);
    if (!trouble || !trouble->busy) break;
  }
  if (!trouble) trouble = store.read_memory(found, routes);
  if (trouble && trouble->trouble == StoreTrouble::damaged) {
    found = {};
    routes.clear();
    trouble = store.move_aside(trouble->text, wall_now(), notices);
    if (!trouble) trouble = store.open(wall_now(), notices);
  }
  if (trouble) {
    store.close();
    notices.push_back(trouble->text);
    found = {};
    routes.clear();
    if (store.read_memory_immutable(found, routes)) {
      notices.push_back("what the journal remembers was read as it stood at its last checkpoint");
    } else {
      found = {};
      routes.clear();
      read_standing_copy(found, routes);
    }
  } else if (store.is_new()) {
    rewrite_known = read_standing_copy(found, routes);
  }
  std::reverse(found.unfinished.begin(), found.unfinished.end());
  tell(notices);
  const WallTime now = wall_now();
  const std::lock_guard lock(mutex);
  memory = std::move(found);
  known_memories = std::move(routes);
  for (const KeptRow& row : memory.kept) remember_kept_locked(row);
  const bool known = !trouble || memory.last_event > 0;
  begin_numbers_locked(known ? std::optional(memory.last_event) : std::nullopt);
  highest_intent = store.highest_intent();
  for (const auto& intent : memory.unfinished) {
    highest_intent = std::max(highest_intent, intent.id);
  }
  for (const auto& line : notices) note_locked(line, group_wait);
  told.writable = !trouble;
  told.error = trouble ? trouble->text : "";
  if (rewrite_known) {
    for (const auto& row : known_memories) memories.emplace(row.memory.route, row);
  }
  if (trouble) {
    ++told.errors_total;
    unwritable_since = now;
    flush_at = retry_at = mono_now() + retry_wait;
  } else if (runtime->may_hold() || rewrite_known) {
    wake_by(mono_now());
  }
  opened = true;
  changed.notify_all();
}

bool Journal::Shared::read_standing_copy(JournalMemory& into, std::vector<MemoryRow>& routes) {
  using Found = StandingCopy::Found;
  const Found found = standing_copy.read(routes, into.kept);
  if (found == Found::nothing) return false;
  const std::string what = "what stood (pause, drain, flags, ladders, where routes led) is ";
  tell({found == Found::rows ? what + "known from standing.json"
                             : what + "forgotten: standing.json cannot be read either"});
  return found == Found::rows;
}

/// Once SQLite has it, and no act has to wait for it.
void Journal::Shared::write_standing_copy() {
  if (!copy_is_old) return;
  std::vector<KeptRow> standing;
  std::vector<MemoryRow> routes;
  {
    const std::lock_guard lock(mutex);
    if (!told.writable || !acts.empty()) return;
    routes = known_memories;
    for (const auto& [key, row] : known_kept) {
      if (StandingCopy::has_place_for(row)) standing.push_back(row);
    }
  }
  copy_is_old = !standing_copy.write(routes, standing);
}

bool Journal::Shared::stop_or_act_waits() {
  const std::lock_guard lock(mutex);
  busy_since = mono_now();  // a long work, but not a stalled one
  return stop || !acts.empty() || !memories.empty() || !kept.empty();
}

void Journal::Shared::check_whole_file() {
  struct stat status {};
  const auto file = paths.state_dir / "journal.db";
  if (!store.is_open() || ::stat(file.c_str(), &status) != 0 ||
      status.st_size > max_checked_bytes) {
    return;
  }
  auto found = store.check([this] { return stop_or_act_waits(); });
  if (!found || found->trouble != StoreTrouble::damaged) return;
  std::vector<std::string> notices;
  found = store.move_aside(found->text, wall_now(), notices);
  tell(notices);
  const std::lock_guard lock(mutex);
  for (const auto& line : notices) note_locked(line, Duration{});
}

/// A connection that is gone, or whose file was removed or replaced under it, is opened anew. What
/// is known of the routes goes into the new file.
bool Journal::Shared::open_again() {
  if (store.is_open() && store.is_in_place()) return true;
  std::vector<std::string> notices;
  if (store.is_open()) notices.push_back("journal.db was removed or replaced: it is opened again");
  const auto trouble = store.open(wall_now(), notices);
  tell(notices);
  {
    const std::lock_guard lock(mutex);
    for (const auto& line : notices) note_locked(line, group_wait);
    if (!trouble) {
      for (const auto& row : known_memories) memories.emplace(row.memory.route, row);
    }
  }
  if (trouble) failed(*trouble, {});
  if (!trouble) rewrite_known = true;
  return !trouble;
}

Batch Journal::Shared::take() {
  std::unique_lock lock(mutex);
  wake.wait_for(lock, gathering_longest, [this] { return !gathering; });
  busy_since = mono_now();
  Batch batch;
  batch.acts.assign(std::make_move_iterator(acts.begin()), std::make_move_iterator(acts.end()));
  acts.clear();
  for (auto& [name, row] : memories) batch.memories.push_back(std::move(row));
  memories.clear();
  for (auto& [key, row] : kept) batch.kept.push_back(std::move(row));
  kept.clear();
  const auto count = static_cast<std::ptrdiff_t>(std::min(records.size(), max_batch));
  batch.records.assign(std::make_move_iterator(records.begin()),
                       std::make_move_iterator(records.begin() + count));
  records.erase(records.begin(), records.begin() + count);
  in_flight = batch.acts.size() + batch.records.size();
  flush_at = records.empty() ? MonoTime::max() : mono_now();
  return batch;
}

void Journal::Shared::put_back(Batch batch) {
  acts.insert(acts.begin(), std::make_move_iterator(batch.acts.begin()),
              std::make_move_iterator(batch.acts.end()));
  for (auto& row : batch.memories) {
    auto route = row.memory.route;
    memories.emplace(std::move(route), std::move(row));  // a newer one stays
  }
  for (auto& row : batch.kept) {
    KeptKey key{row.kind, row.name};
    kept.emplace(std::move(key), std::move(row));
  }
  records.insert(records.begin(), std::make_move_iterator(batch.records.begin()),
                 std::make_move_iterator(batch.records.end()));
  in_flight = 0;
  trim_locked();
}

EventRow Journal::Shared::what_was_lost() {
  const std::lock_guard lock(mutex);
  const auto lost = told.dropped_total - dropped_reported;
  auto text = fmt::format("the journal can be written again; {} records were lost meanwhile", lost);
  EventRow row{wall_now(), "journal", "", std::move(text), {{"lost", std::to_string(lost)}},
               next_seq++};
  if (unwritable_since) row.details.emplace_back("since", to_rfc3339(*unwritable_since));
  row.details.emplace_back("error", told.error);
  return row;
}

/// What else is to be written: what the runtime folder holds and, into a file that was opened anew,
/// all that is known to stand. What waits in the queue is newer than its copy in the folder, and
/// that is newer than what was known at the start.
void Journal::Shared::add_held(Batch& whole, const std::vector<RuntimeEntry>& held) {
  std::set<KeptKey> keys;
  for (const auto& row : whole.kept) keys.emplace(row.kind, row.name);
  for (const auto& entry : held) {
    if (entry.intent) whole.acts.emplace_back(*entry.intent);
    if (entry.outcome) whole.acts.emplace_back(*entry.outcome);
    whole.memories.insert(whole.memories.end(), entry.memories.begin(), entry.memories.end());
    if (entry.kept && keys.emplace(entry.kept->kind, entry.kept->name).second) {
      whole.kept.push_back(*entry.kept);
    }
  }
  if (!rewrite_known) return;
  const std::lock_guard lock(mutex);
  for (const auto& [key, row] : known_kept) {
    if (keys.insert(key).second) whole.kept.push_back(row);
  }
}

/// Drains the queue, a transaction at a time, until it is empty or one fails.
void Journal::Shared::flush() {
  constexpr int max_rounds = static_cast<int>(max_queued / max_batch) + 1;
  if (!open_again()) return;
  for (int round = 0; round < max_rounds; ++round) {
    Batch batch = take();
    std::vector<RuntimeEntry> held;
    if (runtime->may_hold()) held = runtime->read();
    const std::size_t own = batch.records.size();
    const std::size_t own_kept = batch.kept.size();
    bool reports_loss = false;
    {
      const std::lock_guard lock(mutex);
      reports_loss = !told.writable || told.dropped_total > dropped_reported;
    }
    if (batch.empty() && held.empty() && !reports_loss && !rewrite_known) return;

    Batch whole = std::move(batch);
    const std::size_t own_acts = whole.acts.size();
    const std::size_t own_memories = whole.memories.size();
    add_held(whole, held);
    if (reports_loss) whole.records.emplace_back(what_was_lost());

    const bool durable = !whole.acts.empty() || !whole.memories.empty() || !whole.kept.empty();
    const auto trouble = store.write(whole, durable);
    if (trouble) {
      whole.acts.resize(own_acts);
      whole.memories.resize(own_memories);
      whole.kept.resize(own_kept);
      whole.records.resize(own);
      failed(*trouble, std::move(whole));
      return;
    }
    rewrite_known = false;
    succeeded(whole, own);
    whole.kept.resize(own_kept);
    if (runtime->may_hold()) {
      for (const auto& row : whole.kept) runtime->forget(row);
    }
    for (const auto& entry : held) runtime->remove(entry);
    if (!held.empty()) runtime->read();  // sees whether there is more
    const std::lock_guard lock(mutex);
    if (acts.empty() && memories.empty() && kept.empty() && records.empty()) return;
  }
}

void Journal::Shared::succeeded(const Batch& batch, std::size_t told_already) {
  const std::lock_guard lock(mutex);
  for (std::size_t i = told_already; i < batch.records.size(); ++i) {
    tell_event_locked(std::get<EventRow>(batch.records[i]));
  }
  for (const auto& row : batch.kept) {
    // What came in meanwhile is newer.
    if (kept.count({row.kind, row.name}) == 0) remember_kept_locked(row);
    const auto awaited = awaited_kept.find({row.kind, row.name});
    if (awaited == awaited_kept.end()) continue;
    complete(awaited->second, intent_waiters, true);
    awaited_kept.erase(awaited);
  }
  copy_is_old = copy_is_old || !batch.memories.empty() ||
                std::any_of(batch.kept.begin(), batch.kept.end(), StandingCopy::has_place_for);
  in_flight = 0;
  retry_wait = retry_first;
  told.writable = true;
  told.error.clear();
  told.dropped_total += store.take_skipped();
  dropped_reported = told.dropped_total;
  unwritable_since.reset();
  for (const auto& act : batch.acts) {
    if (const auto* intent = std::get_if<Intent>(&act)) complete(intent->id, intent_waiters, true);
  }
  for (const auto& row : batch.memories) {
    auto known = std::find_if(known_memories.begin(), known_memories.end(), [&](const auto& other) {
      return other.memory.route == row.memory.route;
    });
    if (known == known_memories.end()) {
      known_memories.push_back(row);
    } else {
      *known = row;
    }
  }
}

void Journal::Shared::failed(const StoreFailure& failure, Batch batch) {
  std::vector<std::string> notices;
  if (failure.trouble == StoreTrouble::damaged) {
    const auto not_moved = store.move_aside(failure.text, wall_now(), notices);
    if (not_moved) notices.push_back(not_moved->text);
  } else if (failure.reopen) {
    store.close();
  }
  bool is_new = false;
  {
    const std::lock_guard lock(mutex);
    for (const auto& act : batch.acts) {
      if (const auto* intent = std::get_if<Intent>(&act))
        complete(intent->id, intent_waiters, false);
    }
    for (const auto& act : batch.acts) {
      if (const auto* outcome = std::get_if<OutcomeRow>(&act)) runtime->keep_outcome(*outcome);
    }
    for (const auto& row : batch.kept) {
      const auto awaited = awaited_kept.find({row.kind, row.name});
      if (awaited != awaited_kept.end()) complete(awaited->second, intent_waiters, false);
    }
    put_back(std::move(batch));
    keep_standing_locked();
    is_new = told.writable || told.error != failure.text;
    if (told.writable) unwritable_since = wall_now();
    told.writable = false;
    told.error = failure.text;
    ++told.errors_total;
    flush_at = retry_at =
        mono_now() + (failure.trouble == StoreTrouble::damaged ? Duration{} : retry_wait);
    retry_wait = std::min(retry_wait * 2, retry_longest);
  }
  if (is_new) notices.push_back("the journal cannot be written: " + failure.text);
  tell(notices);
}

/// After a transaction, since the disk is awake then; in small bites, and not while an act waits.
void Journal::Shared::retain() {
  if (!store.is_open() || mono_now() < retention_due) return;
  bool more = true;
  for (int n = 0; n < max_bites && more && !stop_or_act_waits(); ++n) {
    if (const auto trouble = store.retain(wall_now(), more)) {
      failed(*trouble, {});
      return;
    }
  }
  if (!more) retention_due = mono_now() + retention_every;
}

}  // namespace pointsman
