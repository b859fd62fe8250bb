#include "daemon/journal/history_reader.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "daemon/journal/history_json.hpp"
#include "daemon/journal/json_text.hpp"
#include "daemon/journal/schema.hpp"
#include "daemon/journal/sqlite.hpp"
#include "policies/simulation/history_builder.hpp"

namespace pointsman {
namespace {

constexpr std::int64_t version_with_history = 3;

MonoTime axis(std::int64_t nanoseconds) {
  return MonoTime{Duration{nanoseconds}};
}

Error unreadable(const std::filesystem::path& file, const std::string& why) {
  return Error{fmt::format("{}: {}", file.string(), why)};
}

/// Nothing: it is a journal of ours that has a history.
std::optional<Error> refuse(Database& database, const std::filesystem::path& file) {
  std::int64_t application = 0;
  std::int64_t version = 0;
  if (const auto failed = database.read_integer("PRAGMA application_id", application)) {
    return unreadable(file, failed->text);
  }
  if (application != journal_application_id) {
    return unreadable(file, "this is not a journal of pointsman's (journal.db in its state_dir)");
  }
  if (const auto failed = database.read_integer("PRAGMA user_version", version)) {
    return unreadable(file, failed->text);
  }
  if (version < version_with_history) {
    return unreadable(file,
                      "written by a version that kept no history; let this one run for a while");
  }
  if (version > journal_schema) {
    return unreadable(file, fmt::format("written by a newer pointsman (schema {}; this one knows "
                                        "{}): use that one",
                                        version, journal_schema));
  }
  return std::nullopt;
}

std::optional<Error> each_row(Database& database, const std::filesystem::path& file,
                              const std::string& sql,
                              const std::function<void(const Statement&)>& take) {
  auto* prepared = database.prepare(sql);
  if (prepared == nullptr) return unreadable(file, database.prepare_error().text);
  Statement row(prepared);
  while (row.next_row()) take(row);
  if ((sqlite3_errcode(database.handle()) & 0xff) == SQLITE_DONE) return std::nullopt;
  return unreadable(file, database.error().text);
}

}  // namespace

Result<RecordedPast> read_past(const std::filesystem::path& file, WallTime since) {
  Database database;
  if (const auto failed = database.open(file, OpenMode::read_only)) {
    return unreadable(file, failed->text);
  }
  if (auto refused = refuse(database, file)) return *refused;
  const auto oldest = static_cast<std::int64_t>(since.time_since_epoch().count());
  RecordedPast past;
  HistoryBuilder builder;
  auto failed = each_row(
      database, file,
      fmt::format("SELECT kind,subject,body,from_ns,to_ns,count FROM history WHERE at_ms >= {} "
                  "ORDER BY seq",
                  oldest),
      [&](const Statement& row) {
        StoredRow stored{row.text(0),
                         row.text(1),
                         row.text(2),
                         axis(row.integer(3)),
                         axis(row.integer(4)),
                         static_cast<std::uint64_t>(std::max<std::int64_t>(row.integer(5), 1))};
        auto recorded = row_of_json(stored);
        if (recorded) {
          builder.add(std::move(*recorded));
        } else {
          ++past.unreadable;
        }
      });
  if (failed) return *failed;
  past.history = builder.take();
  failed = each_row(
      database, file,
      fmt::format("SELECT seq,at_ms,kind,subject,text,details FROM events WHERE at_ms >= {} "
                  "ORDER BY seq",
                  oldest),
      [&past](const Statement& row) {
        past.decided.push_back({static_cast<std::uint64_t>(row.integer(0)),
                                WallTime{std::chrono::milliseconds{row.integer(1)}}, row.text(2),
                                row.text(3), row.text(4), details_of_json(row.text(5))});
      });
  if (failed) return *failed;
  return past;
}

}  // namespace pointsman
