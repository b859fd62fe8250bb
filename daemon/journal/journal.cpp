#include "daemon/journal/journal.hpp"

#include <algorithm>
#include <set>
#include <system_error>
#include <thread>

#include "daemon/journal/kept_json.hpp"
#include "daemon/journal/shared.hpp"
#include "daemon/journal/signals.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

asio::awaitable<void> async_patience(Waiter& waiter) {
  waiter.timer.expires_after(Journal::intent_patience);
  co_await waiter.timer.async_wait(as_result);
}

void cut(std::string& text) {
  if (text.size() > max_text) text.resize(max_text);
}

/// What the runtime folder adds: intents that SQLite never got, outcomes of those it has, memories.
/// A start can not wait for SQLite to take them in.
void add_runtime_entries(const std::vector<RuntimeEntry>& entries, JournalMemory& memory,
                         std::map<RouteName, MemoryRow>& routes) {
  std::set<std::uint64_t> finished;
  std::map<std::uint64_t, Intent> unfinished;
  std::map<KeptKey, KeptRow> kept;
  for (auto& row : memory.kept) kept.insert_or_assign({row.kind, row.name}, std::move(row));
  for (auto& intent : memory.unfinished) unfinished.emplace(intent.id, intent);
  for (const auto& entry : entries) {
    if (entry.intent) unfinished.emplace(entry.intent->id, *entry.intent);
    if (entry.outcome) finished.insert(entry.outcome->intent_id);
    for (const auto& row : entry.memories) {
      const auto [known, is_new] = routes.emplace(row.memory.route, row);
      if (!is_new && row.supersedes(known->second)) known->second = row;
    }
    if (entry.kept) kept.insert_or_assign({entry.kept->kind, entry.kept->name}, *entry.kept);
  }
  memory.kept.clear();
  for (auto& [key, row] : kept) {
    if (!row.document.empty()) memory.kept.push_back(std::move(row));
  }
  memory.unfinished.clear();
  for (auto& [id, intent] : unfinished) {
    if (finished.count(id) == 0) memory.unfinished.push_back(std::move(intent));
  }
}

}  // namespace

Journal::Journal(asio::any_io_executor executor, JournalPaths paths)
    : shared_(std::make_shared<Shared>(std::move(executor), paths)) {
  constexpr std::uint64_t ids_each_millisecond = 1024;
  shared_->next_id =
      static_cast<std::uint64_t>(wall_now().time_since_epoch().count()) * ids_each_millisecond;
}

Journal::~Journal() {
  shared_->push_history(shared_->recorder.flush());
  shared_->close(mono_now() + close_patience);
}

void Journal::set_notice(std::function<void(const std::string&)> notice) {
  shared_->notice = std::move(notice);
}

void Journal::set_event_listener(std::function<void(const StoredEvent&)> listener) {
  shared_->listener = std::move(listener);
}

JournalMemory Journal::open() {
  auto& shared = *shared_;
  const MonoTime deadline = mono_now() + open_patience;
  struct Found {
    std::mutex mutex;
    std::vector<RuntimeEntry> entries;
  };
  const auto found = std::make_shared<Found>();
  shared.runtime->in_background([runtime = shared.runtime.get(), found] {
    auto entries = runtime->read();
    const std::lock_guard lock(found->mutex);
    found->entries = std::move(entries);
  });
  try {
    const SignalsBlocked blocked;
    std::thread([keep = shared_] { keep->run(); }).detach();
    const std::lock_guard lock(shared.mutex);
    shared.started = true;
  } catch (const std::system_error& no_thread) {
    const std::lock_guard lock(shared.mutex);
    shared.ended = true;
    shared.told.writable = false;
    shared.told.error = std::string("the journal's thread cannot be started: ") + no_thread.what();
  }
  shared.runtime->wait_idle(deadline);

  JournalMemory memory;
  std::map<RouteName, MemoryRow> routes;
  {
    std::unique_lock lock(shared.mutex);
    shared.changed.wait_until(lock, to_steady(deadline),
                              [&] { return shared.opened || shared.ended; });
    if (!shared.opened && !shared.ended) {
      shared.told.writable = false;
      shared.told.error = shared.paths.state_dir.string() + ": the disk does not answer";
      ++shared.told.errors_total;
    }
    memory = std::move(shared.memory);
    shared.memory = {};
    if (!shared.opened) shared.begin_numbers_locked(std::nullopt);
    memory.last_event = shared.next_seq - 1;
    for (const auto& row : shared.known_memories) routes.emplace(row.memory.route, row);
    shared.next_id = std::max(shared.next_id, shared.highest_intent + 1);
  }
  {
    const std::lock_guard lock(found->mutex);
    add_runtime_entries(found->entries, memory, routes);
    for (const auto& entry : found->entries) {
      if (entry.intent) shared.next_id = std::max(shared.next_id, entry.intent->id + 1);
    }
  }
  const Clocks now{mono_now(), wall_now()};
  for (const auto& [name, row] : routes) memory.routes.push_back(memory_of(row, now));
  return memory;
}

std::uint64_t Journal::next_intent_id() {
  return shared_->next_id++;
}

Journal::Together::Together(Journal& journal) : journal_(journal) {
  journal_.shared_->gather(true);
}

Journal::Together::~Together() {
  journal_.shared_->gather(false);
}

void Journal::record(const Record& record, WallTime at) {
  EventRow row{at, std::string(to_text(record.kind)), record.subject, record.text, record.details};
  cut(row.text);
  for (auto& [name, value] : row.details) cut(value);
  const auto* route = std::get_if<RouteMemory>(&record.memory);
  const Clocks now{mono_now(), at};
  if (route) shared_->push_memory(row_of(*route, now));
  if (auto kept = kept_row_of(record.memory, now)) {
    shared_->push_kept(std::move(*kept), Duration{});
  }
  shared_->push_event(std::move(row), route ? Duration{} : Shared::group_wait);
}

/// Often changed within a moment: written together, but for the end.
void Journal::incident(const Incident& incident, WallTime at) {
  const bool over = incident.state == IncidentState::closed;
  shared_->push_kept(kept_row_of(incident, {mono_now(), at}),
                     over ? Duration{} : Shared::group_wait);
}

void Journal::outbox_put(const NotifierName& notifier, IncidentId incident,
                         const std::string& document, WallTime at) {
  shared_->push_kept({"outbox", outbox_key(notifier, incident), document, at}, Duration{});
}

asio::awaitable<void> Journal::async_outbox_put(NotifierName notifier, IncidentId incident,
                                                std::string document, WallTime at) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto shared = shared_;
  const std::uint64_t id = next_intent_id();
  const KeptRow row{"outbox", outbox_key(notifier, incident), std::move(document), at};
  if (const auto waiter = shared->push_awaited(row, id)) {
    co_await async_patience(*waiter);
    if (waiter->done.value_or(false)) co_return;
    if (!waiter->done) shared->intent_was_late();
  }
  const auto waiter = shared->keep_in_runtime_folder(row, id);
  if (waiter && !waiter->done) co_await async_patience(*waiter);
}

void Journal::outbox_remove(const NotifierName& notifier, IncidentId incident) {
  shared_->push_kept({"outbox", outbox_key(notifier, incident), "", wall_now()}, Duration{});
}

void Journal::sample(const Sample& sample, WallTime at) {
  for (auto& row : shared_->thinning.add(sample, at)) {
    cut(row.sample.finding.message);
    shared_->push(std::move(row), Shared::sample_wait);
  }
}

void Journal::told(MonoTime at, const Event& event) {
  shared_->push_history(shared_->recorder.take(at, event));
}

void Journal::ordered(MonoTime at, const Effect& effect) {
  shared_->push_history(shared_->recorder.take(at, effect));
}

asio::awaitable<Durability> Journal::async_intent(Intent intent) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto shared = shared_;
  const auto wait_for = [](Waiter& waiter) {
    waiter.timer.expires_after(intent_patience);
    return waiter.timer.async_wait(as_result);
  };
  if (const auto waiter = shared->push_intent(intent)) {
    co_await wait_for(*waiter);
    if (waiter->done.value_or(false)) co_return Durability::database;
    if (!waiter->done) shared->intent_was_late();
  }
  const auto waiter = shared->keep_in_runtime_folder(intent);
  if (!waiter) co_return Durability::volatile_only;  // the journal is closed
  if (!waiter->done) co_await wait_for(*waiter);
  co_return waiter->done.value_or(false) ? Durability::runtime_file : Durability::volatile_only;
}

void Journal::outcome(std::uint64_t intent_id, ActionOutcome outcome, std::string message,
                      WallTime at) {
  cut(message);
  OutcomeRow row{intent_id, outcome, std::move(message), at};
  if (shared_->needs_runtime_folder()) shared_->runtime->keep_outcome(row);
  shared_->push_act(std::move(row));
}

JournalHealth Journal::health() const {
  return shared_->health();
}

}  // namespace pointsman
