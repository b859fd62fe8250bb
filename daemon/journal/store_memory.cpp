// The store, read: what a start finds in journal.db.
#include <sqlite3.h>

#include <algorithm>

#include <fmt/format.h>

#include "daemon/journal/json_text.hpp"
#include "daemon/journal/kept_json.hpp"
#include "daemon/journal/schema.hpp"
#include "daemon/journal/store_statements.hpp"

namespace pointsman {
namespace {

constexpr int max_unfinished = 1000;
/// Of a file of version 1 the table of what stands and a route's `replaced` are missing.
constexpr std::int64_t version_with_kept = 2;
/// Before this one a route's last position and last switch are.
constexpr std::int64_t version_with_positions = 4;
/// Before this one: when its target was told to stop.
constexpr std::int64_t version_with_told_to_stop = 5;

WallTime wall_of(std::int64_t count) {
  return WallTime{std::chrono::milliseconds{count}};
}

std::string routes_question(std::int64_t version) {
  return fmt::format(
      "SELECT route,targets,system_id,timeline,epoch,at_ms,{},{},{} FROM route_memory",
      version >= version_with_kept ? "replaced" : "'[]'",
      version >= version_with_positions ? "last_position,last_seen_ms,last_switch_ms"
                                        : "NULL,NULL,NULL",
      version >= version_with_told_to_stop ? "told_to_stop_ms" : "NULL");
}

MemoryRow route_of(const Statement& row) {
  RouteMemory route{RouteName(row.text(0)),
                    targets_of_json(row.text(1)),
                    row.text(2),
                    static_cast<std::uint32_t>(row.integer(3)),
                    static_cast<std::uint64_t>(row.integer(4)),
                    targets_of_json(row.text(6))};
  MemoryRow found{std::move(route), wall_of(row.integer(5))};
  const auto position = row.maybe_integer(7), seen = row.maybe_integer(8);
  if (position && seen) {
    found.memory.last_seen = SeenPosition{static_cast<std::uint64_t>(*position), MonoTime{}};
    found.last_seen_at = wall_of(*seen);
  }
  if (const auto switched = row.maybe_integer(9)) found.last_switch_at = wall_of(*switched);
  if (const auto told = row.maybe_integer(10)) found.told_to_stop_at = wall_of(*told);
  return found;
}

/// All but the old ones of the closed incidents.
std::string kept_question() {
  return fmt::format(
      "SELECT kind,name,document,at_ms FROM kept WHERE kind<>'incident' OR document NOT LIKE "
      "'%{}%' OR CAST(name AS INTEGER) > (SELECT max(CAST(name AS INTEGER)) FROM kept WHERE "
      "kind='incident') - {} ORDER BY kind,name",
      closed_mark, JournalMemory::closed_incidents);
}

std::string unfinished_question() {
  return fmt::format(
      "SELECT id,at_ms,subject,kind,steps FROM intents WHERE id NOT IN "
      "(SELECT intent_id FROM outcomes) ORDER BY id DESC LIMIT {}",
      max_unfinished);
}

std::string events_question() {
  return fmt::format(
      "SELECT seq,at_ms,kind,subject,text,details FROM events ORDER BY seq DESC LIMIT {}",
      JournalMemory::newest_events);
}

StoredEvent event_of(const Statement& row) {
  return {static_cast<std::uint64_t>(row.integer(0)),
          wall_of(row.integer(1)),
          row.text(2),
          row.text(3),
          row.text(4),
          details_of_json(row.text(5))};
}

}  // namespace

StoreStatus Store::read_memory(JournalMemory& memory, std::vector<MemoryRow>& memories) {
  return read_memory_of(database_, journal_schema, memory, memories);
}

bool Store::read_memory_immutable(JournalMemory& memory, std::vector<MemoryRow>& memories) {
  Database database;
  std::int64_t application = 0;
  std::int64_t version = 0;
  return !database.open(file_, OpenMode::immutable) &&
         !database.read_integer("PRAGMA application_id", application) &&
         application == journal_application_id &&
         !database.read_integer("PRAGMA user_version", version) && version >= 1 &&
         version <= journal_schema && !read_memory_of(database, version, memory, memories);
}

StoreStatus Store::read_rows(Database& database, const std::string& sql,
                             const std::function<void(const Statement&)>& take) {
  auto* prepared = database.prepare(sql);
  if (prepared == nullptr) return failure(database.error());
  Statement row(prepared);
  while (row.next_row()) take(row);
  if ((sqlite3_errcode(database.handle()) & 0xff) == SQLITE_DONE) return {};
  return failure(database.error());
}

StoreStatus Store::read_memory_of(Database& database, std::int64_t version, JournalMemory& memory,
                                  std::vector<MemoryRow>& memories) {
  if (auto failed = read_rows(database, routes_question(version),
                              [&](const Statement& row) { memories.push_back(route_of(row)); })) {
    return failed;
  }
  if (version >= version_with_kept) {
    if (auto failed = read_rows(database, kept_question(), [&](const Statement& row) {
          memory.kept.push_back({row.text(0), row.text(1), row.text(2), wall_of(row.integer(3))});
        })) {
      return failed;
    }
  }
  if (auto failed = read_rows(database, unfinished_question(), [&](const Statement& row) {
        memory.unfinished.push_back({static_cast<std::uint64_t>(row.integer(0)), row.text(2),
                                     row.text(3), row.text(4), wall_of(row.integer(1))});
      })) {
    return failed;
  }
  if (auto failed = read_rows(database, events_question(), [&](const Statement& row) {
        memory.events.push_back(event_of(row));
      })) {
    return failed;
  }
  std::reverse(memory.events.begin(), memory.events.end());
  // Also of events that were deleted since.
  return read_rows(database, "SELECT seq FROM sqlite_sequence WHERE name='events'",
                   [&](const Statement& row) {
                     memory.last_event = static_cast<std::uint64_t>(row.integer(0));
                   });
}

}  // namespace pointsman
