#include "daemon/journal/store.hpp"

#include <sqlite3.h>

#include <fmt/format.h>

#include "daemon/journal/history_json.hpp"
#include "daemon/journal/json_text.hpp"
#include "daemon/journal/kept_json.hpp"
#include "daemon/journal/store_statements.hpp"

namespace pointsman {
namespace {

std::int64_t milliseconds(WallTime at) {
  return at.time_since_epoch().count();
}
std::optional<std::int64_t> milliseconds(const std::optional<WallTime>& at) {
  return at ? std::optional(milliseconds(*at)) : std::nullopt;
}

bool run(Statement& statement, const EventRow& row, bool with_number) {
  statement.bind(1, milliseconds(row.at));
  statement.bind(2, row.kind);
  statement.bind(3, row.subject);
  statement.bind(4, row.text);
  statement.bind(5, details_json(row.details));
  if (with_number) statement.bind(6, static_cast<std::int64_t>(row.seq));
  return statement.run();
}

bool run(Statement& statement, const SampleRow& row) {
  const Finding& finding = row.sample.finding;
  const auto latency = std::chrono::duration_cast<std::chrono::microseconds>(row.sample.latency());
  statement.bind(1, milliseconds(row.at));
  statement.bind(2, row.sample.probe.text);
  statement.bind(3, to_text(finding.outcome));
  statement.bind(4, to_text(finding.reason));
  statement.bind(5, static_cast<std::int64_t>(latency.count()));
  statement.bind(6, finding.message);
  statement.bind(7, facts_json(finding.facts));
  return statement.run();
}

bool run(Statement& statement, const HistoryRow& history) {
  const RecordedRow& row = history.row;
  const auto* samples = std::get_if<SampleRun>(&row.body);
  const auto end = std::chrono::floor<std::chrono::milliseconds>(row.to.time_since_epoch());
  statement.bind(1, static_cast<std::int64_t>(row.key));
  statement.bind(2, static_cast<std::int64_t>(end.count()));
  statement.bind(3, row_kind(row));
  statement.bind(4, row.subject);
  statement.bind(5, static_cast<std::int64_t>(row.from.time_since_epoch().count()));
  statement.bind(6, static_cast<std::int64_t>(row.to.time_since_epoch().count()));
  statement.bind(7, samples ? static_cast<std::int64_t>(samples->count) : std::int64_t{1});
  statement.bind(8, row_json(row));
  return statement.run();
}

bool run(Statement& statement, const Intent& row) {
  statement.bind(1, static_cast<std::int64_t>(row.id));
  statement.bind(2, milliseconds(row.at));
  statement.bind(3, row.subject);
  statement.bind(4, row.kind);
  statement.bind(5, row.steps);
  return statement.run();
}

bool run(Statement& statement, const OutcomeRow& row) {
  statement.bind(1, static_cast<std::int64_t>(row.intent_id));
  statement.bind(2, milliseconds(row.at));
  statement.bind(3, to_text(row.outcome));
  statement.bind(4, row.message);
  return statement.run();
}

bool run(Statement& statement, const MemoryRow& row) {
  statement.bind(1, row.memory.route.text);
  statement.bind(2, targets_json(row.memory.targets));
  statement.bind(3, row.memory.system_id);
  statement.bind(4, static_cast<std::int64_t>(row.memory.timeline));
  statement.bind(5, static_cast<std::int64_t>(row.memory.epoch));
  statement.bind(6, milliseconds(row.at));
  statement.bind(7, targets_json(row.memory.replaced));
  const auto& seen = row.memory.last_seen;
  statement.bind(8, seen ? std::optional(static_cast<std::int64_t>(seen->position)) : std::nullopt);
  statement.bind(9, milliseconds(row.last_seen_at));
  statement.bind(10, milliseconds(row.last_switch_at));
  statement.bind(11, milliseconds(row.told_to_stop_at));
  return statement.run();
}

bool run(Statement& keep, Statement& drop, const KeptRow& row) {
  Statement& statement = row.document.empty() ? drop : keep;
  statement.bind(1, row.kind);
  statement.bind(2, row.name);
  if (!row.document.empty()) {
    statement.bind(3, row.document);
    statement.bind(4, milliseconds(row.at));
  }
  return statement.run();
}

}  // namespace

Store::Statements::Statements(Database& database)
    : begin(database.prepare("BEGIN IMMEDIATE")),
      commit(database.prepare("COMMIT")),
      rollback(database.prepare("ROLLBACK")),
      event(database.prepare(
          "INSERT INTO events(at_ms,kind,subject,text,details,seq) VALUES(?,?,?,?,?,?)")),
      event_anywhere(database.prepare(
          "INSERT INTO events(at_ms,kind,subject,text,details) VALUES(?,?,?,?,?)")),
      sample(database.prepare(
          "INSERT INTO samples(at_ms,probe,outcome,reason,latency_us,message,facts) "
          "VALUES(?,?,?,?,?,?,?)")),
      history(database.prepare(
          "INSERT OR REPLACE INTO history(seq,at_ms,kind,subject,from_ns,to_ns,count,body) "
          "VALUES(?,?,?,?,?,?,?,?)")),
      intent(database.prepare(
          "INSERT OR IGNORE INTO intents(id,at_ms,subject,kind,steps) VALUES(?,?,?,?,?)")),
      outcome(database.prepare(
          "INSERT OR IGNORE INTO outcomes(intent_id,at_ms,outcome,message) VALUES(?,?,?,?)")),
      // What was kept in the runtime folder may be older than what is here already.
      memory(database.prepare(
          "INSERT INTO route_memory(route,targets,system_id,timeline,epoch,at_ms,replaced,"
          "last_position,last_seen_ms,last_switch_ms,told_to_stop_ms) "
          "VALUES(?,?,?,?,?,?,?,?,?,?,?) "
          "ON CONFLICT(route) DO UPDATE SET targets=excluded.targets, "
          "system_id=excluded.system_id, timeline=excluded.timeline, epoch=excluded.epoch, "
          "at_ms=excluded.at_ms, replaced=excluded.replaced, "
          "last_position=excluded.last_position, last_seen_ms=excluded.last_seen_ms, "
          "last_switch_ms=excluded.last_switch_ms, told_to_stop_ms=excluded.told_to_stop_ms "
          "WHERE excluded.epoch >= route_memory.epoch OR excluded.at_ms >= route_memory.at_ms")),
      keep(database.prepare(
          "INSERT OR REPLACE INTO kept(kind,name,document,at_ms) VALUES(?,?,?,?)")),
      drop(database.prepare("DELETE FROM kept WHERE kind=? AND name=?")) {}

bool Store::Statements::complete() const {
  for (const auto* statement : {&begin, &commit, &rollback, &event, &event_anywhere, &sample,
                                &history, &intent, &outcome, &memory, &keep, &drop}) {
    if (!statement->prepared()) return false;
  }
  return true;
}

Store::Store(std::filesystem::path file) : file_(std::move(file)) {}
Store::~Store() {
  close();
}

void Store::close() {
  statements_.reset();
  database_.close();
}

StoreStatus Store::prepare_statements() {
  auto statements = std::make_unique<Statements>(database_);
  if (!statements->complete()) return failure(database_.prepare_error());
  std::int64_t highest = 0;
  if (auto failed = database_.read_integer("SELECT coalesce(max(id),0) FROM intents", highest)) {
    return failure(*failed);
  }
  highest_intent_ = static_cast<std::uint64_t>(highest);
  statements_ = std::move(statements);
  return {};
}

StoreFailure Store::failure(const SqlError& error) const {
  StoreFailure failed;
  failed.text = fmt::format("{}: {}", file_.string(), error.text);
  switch (error.code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // a table or column that is not there: not the file that we made
      failed.trouble = StoreTrouble::damaged;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      failed.busy = true;
      failed.text += " by another process";
      break;
    case SQLITE_FULL:
      break;
    default:
      failed.reopen = true;
  }
  return failed;
}

StoreStatus Store::set_durable(bool durable) {
  if (durable_ == durable) return {};
  if (auto failed =
          database_.execute(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL")) {
    return failure(*failed);
  }
  durable_ = durable;
  return {};
}

/// After a row that could not be written: may the rest of the transaction go on without it?
bool Store::passable() {
  switch (database_.error().code & 0xff) {
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      ++skipped_;
      return database_.in_transaction();
    default:
      return false;
  }
}

/// A number that is taken (the start could not read the journal) is not worth an event.
bool Store::insert_event(const EventRow& row) {
  auto& to = *statements_;
  if (row.seq == 0) return run(to.event_anywhere, row, false);
  if (run(to.event, row, true)) return true;
  const bool taken = (database_.error().code & 0xff) == SQLITE_CONSTRAINT;
  return taken && database_.in_transaction() && run(to.event_anywhere, row, false);
}

bool Store::insert_record(const RecordRow& record) {
  if (const auto* event = std::get_if<EventRow>(&record)) return insert_event(*event);
  if (const auto* sample = std::get_if<SampleRow>(&record)) {
    return run(statements_->sample, *sample);
  }
  return run(statements_->history, std::get<HistoryRow>(record));
}

bool Store::insert(const Batch& batch) {
  auto& to = *statements_;
  for (const auto& act : batch.acts) {
    const bool written = std::holds_alternative<Intent>(act)
                             ? run(to.intent, std::get<Intent>(act))
                             : run(to.outcome, std::get<OutcomeRow>(act));
    if (!written && !passable()) return false;
  }
  for (const auto& memory : batch.memories) {
    if (!run(to.memory, memory) && !passable()) return false;
  }
  for (const auto& row : batch.kept) {
    if (!run(to.keep, to.drop, row) && !passable()) return false;
  }
  for (const auto& record : batch.records) {
    if (!insert_record(record) && !passable()) return false;
  }
  return true;
}

StoreStatus Store::write(const Batch& batch, bool durable) {
  if (auto failed = set_durable(durable)) return failed;
  if (!statements_->begin.run()) return failure(database_.error());
  if (insert(batch) && statements_->commit.run()) return {};
  const auto error = database_.error();
  if (database_.in_transaction()) statements_->rollback.run();
  return failure(error);
}

StoreStatus Store::retain(WallTime now, bool& more) {
  struct Rule {
    const char* table;
    const char* key;
    const char* condition;
    std::chrono::hours max_age;
    std::int64_t max_rows;
  };
  constexpr const char* of_a_sequence = "{key} <= (SELECT max({key}) FROM {table}) - {max_rows}";
  constexpr const char* of_a_count = "(SELECT count(*) FROM {table}) > {max_rows}";
  // Numbers with holes: counted, which takes a while, only where there may be too many.
  constexpr const char* of_a_sparse_sequence =
      "(SELECT max({key}) FROM {table}) - (SELECT min({key}) FROM {table}) >= {max_rows} AND "
      "(SELECT count(*) FROM {table}) > {max_rows}";
  const Rule rules[] = {
      {"events", "seq", of_a_sparse_sequence, events_max_age, events_max_rows},
      {"samples", "seq", of_a_sequence, samples_max_age, samples_max_rows},
      {"history", "seq", of_a_count, history_max_age, history_max_rows},
      {"intents", "id", of_a_count, acts_max_age, acts_max_rows},
      {"outcomes", "intent_id", of_a_count, acts_max_age, acts_max_rows},
  };
  more = false;
  if (auto failed = set_durable(false)) return failed;
  for (const auto& rule : rules) {
    const auto pattern = fmt::format(
        "DELETE FROM {{table}} WHERE {{key}} IN (SELECT {{key}} FROM {{table}} ORDER BY {{key}} "
        "LIMIT {{bite}}) AND (at_ms < {{oldest}} OR {})",
        rule.condition);
    auto sql = fmt::format(fmt::runtime(pattern), fmt::arg("table", rule.table),
                           fmt::arg("key", rule.key), fmt::arg("bite", retention_bite),
                           fmt::arg("oldest", milliseconds(now - rule.max_age)),
                           fmt::arg("max_rows", rule.max_rows));
    if (rule.table == std::string_view("intents")) {
      sql += " AND id IN (SELECT intent_id FROM outcomes)";
    }
    if (auto failed = database_.execute(sql)) return failure(*failed);
    if (sqlite3_changes(database_.handle()) >= retention_bite) more = true;
  }
  // Of the incidents the newest, whatever its age: the next one's number follows it; and those that
  // are open.
  const auto old_incidents = fmt::format(
      "WITH newest(id) AS (SELECT max(CAST(name AS INTEGER)) FROM kept WHERE kind='incident') "
      "DELETE FROM kept WHERE kind='incident' AND document LIKE '%{}%' AND "
      "CAST(name AS INTEGER) < (SELECT id FROM newest) AND "
      "(at_ms < {} OR CAST(name AS INTEGER) <= (SELECT id FROM newest) - {})",
      closed_mark, milliseconds(now - incidents_max_age), incidents_max_rows);
  if (auto failed = database_.execute(old_incidents)) return failure(*failed);
  return {};
}

}  // namespace pointsman
