#include "daemon/actions/pgbouncer_switch.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

std::string milliseconds_text(Duration duration) {
  return fmt::format("{} ms",
                     std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

bool shows(const DatabaseRow& row, const LineSettings& wanted) {
  return row.host == wanted.host_list() && row.port == wanted.port && row.dbname == wanted.dbname;
}

std::string where_text(const DatabaseRow& row) {
  return fmt::format("{} port {} dbname {}", row.host.empty() ? "its unix socket" : row.host,
                     row.port, row.dbname);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : "; ") + text;
  return all;
}

}  // namespace

PgbouncerSwitch::PgbouncerSwitch(SwitchTools tools, PgbouncerRoute route, SwitchRoute order,
                                 Intend intend)
    : tools_(std::move(tools)),
      route_(std::move(route)),
      order_(std::move(order)),
      intend_(std::move(intend)) {}

asio::awaitable<SwitchReport> PgbouncerSwitch::async_run() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  started_ = mono_now();
  deadline_ = started_ + tools_.limits.total;
  held_ = tools_.pooler->is_held(route_.database);
  std::vector<Endpoint> endpoints;
  for (const auto& target : order_.to) endpoints.push_back(target.endpoint);
  const auto line = render_target_line(route_.database, endpoints, route_.options);
  if (!line) {
    fail(line.error().message);
    co_return report(ActionOutcome::failed);
  }
  line_ = line.value();

  bool is_proven =
      order_.cause == SwitchCause::verify ? co_await async_look() : co_await async_write();
  if (is_proven && order_.cause != SwitchCause::verify) is_proven = co_await async_apply();
  if (is_proven) is_proven = co_await async_prove();

  if (was_cancelled(cancellation)) {
    // Its clients wait, and the file leads where they are to go: nobody else would let them.
    if (held_ && wrote_) co_await async_apply();
    co_await async_finish();
    failure_ = "stopped before its end: " + (failure_.empty() ? "nothing had failed" : failure_);
    co_return report(ActionOutcome::unknown);
  }
  const bool is_rolled_back = !is_proven && co_await async_roll_back();
  co_await async_finish();
  auto result = report(is_proven ? ActionOutcome::ok : ActionOutcome::failed);
  result.rolled_back = is_rolled_back;
  co_return result;
}

/// Cause verify: nothing is written; the line is remembered as what is wanted.
asio::awaitable<bool> PgbouncerSwitch::async_look() {
  applied_ = mono_now();
  const auto view = co_await tools_.pooler->async_databases(applied_ + tools_.limits.apply);
  if (!view.error.empty()) co_return fail(view.error);
  may_roll_back_ = false;
  if (!check_shown(view.rows, line_)) co_return false;
  tools_.file->remember(route_.database, line_);
  co_return true;
}

asio::awaitable<bool> PgbouncerSwitch::async_write() {
  steps_ = {.route = order_.route.text,
            .pooler = tools_.pooler->console().where(),
            .file = tools_.file->path(),
            .database = route_.database,
            .previous = std::nullopt,
            .wanted = line_,
            .retry = true,
            .killed = false,
            .held = held_};
  LineChange change{.database = route_.database, .line = line_, .epoch = order_.epoch};
  co_return co_await async_write_line(std::move(change), false);
}

asio::awaitable<bool> PgbouncerSwitch::async_write_line(LineChange change, bool is_rollback) {
  auto& file = *tools_.file;
  const auto deadline = mono_now() + tools_.limits.write;
  const auto held = co_await file.lock().async_lock(deadline);
  if (!held) co_return fail(fmt::format("{} is being written by another switch", file.path()));
  const auto read = co_await file.async_read(deadline);
  if (!read.error.empty()) co_return fail(read.error);
  const auto parsed = parse_targets_file(read.text);
  const auto shown = co_await async_find_lines(parsed);
  auto plan = plan_targets(parsed, file.managed(), change, shown, file.kept());
  if (!plan)
    co_return fail(fmt::format("{} was not changed: {}", file.path(), plan.error().message));
  if (!is_rollback) {
    steps_.previous = plan.value().previous;
    previous_epoch_ = plan.value().previous_epoch;
    co_await intend_(to_json(steps_));
    POINTSMAN_FAULT_POINT("pgbouncer.intent");
  }
  file.remember_kept(plan.value().kept);
  for (const auto& text : plan.value().notes) note(text);
  if (plan.value().text != read.text) {
    const auto written =
        co_await file.async_write(plan.value().text, mono_now() + tools_.limits.write);
    for (const auto& warning : written.warnings) note(warning);
    if (!written.written) co_return fail(written.error);
    POINTSMAN_FAULT_POINT("pgbouncer.file_written");
  }
  wrote_ = true;
  file.remember(route_.database, change.line);
  co_return true;
}

/// Where the file has no line of a route's database that the pooler knows, the line that leads
/// where the pooler leads: a file without it would drop the database and disconnect its clients.
asio::awaitable<std::map<std::string, std::string>> PgbouncerSwitch::async_find_lines(
    const TargetsFile& parsed) {
  std::map<std::string, std::string> lines;
  const auto names = find_lineless(parsed, tools_.file->managed(), route_.database);
  if (names.empty()) co_return lines;
  const auto view = co_await tools_.pooler->async_databases(mono_now() + tools_.limits.apply / 4);
  for (const auto& name : names) {
    const auto* row = find_database(view.rows, name);
    if (row == nullptr || row->host.empty()) continue;
    const auto line =
        render_target_line(name, endpoints_of(*row), tools_.file->managed().at(name).options);
    if (line) lines[name] = line.value();
  }
  co_return lines;
}

asio::awaitable<bool> PgbouncerSwitch::async_apply() {
  applied_ = mono_now();
  const auto reloaded =
      co_await tools_.pooler->async_reload(retry_, applied_ + tools_.limits.apply);
  if (!reloaded.error.empty()) {
    may_roll_back_ = false;
    co_return fail(
        fmt::format("{}; {} leads to {} already, so a pgbouncer that starts anew follows",
                    reloaded.error, tools_.file->path(), destination()));
  }
  const bool is_shown = check_shown(reloaded.databases, line_);
  if (!reloaded.refused.empty()) {
    if (!is_shown) co_return fail(fmt::format("RELOAD was refused: {}", reloaded.refused));
    note(fmt::format("RELOAD complained: {}", reloaded.refused));
  }
  check_others(reloaded.databases);
  // Not in one expression: g++ 12 runs the right side of `co_return a && co_await b` in any case.
  if (!is_shown) co_return false;
  const bool is_free = co_await async_let_go();
  if (is_free) times_.in_effect = mono_now();
  co_return is_free;
}

/// After the RELOAD, which leaves a database paused, and the short retry.
asio::awaitable<bool> PgbouncerSwitch::async_let_go() {
  if (!held_) co_return true;
  auto& pooler = *tools_.pooler;
  if (database_.paused) {
    const auto error =
        co_await pooler.async_let_go(route_.database, retry_, mono_now() + tools_.limits.apply);
    if (!error.empty()) {
      may_roll_back_ = false;
      co_return fail(error);
    }
  } else {
    note(
        fmt::format("{} was held and is not any more: somebody sent RESUME, or pgbouncer was "
                    "started anew",
                    route_.database));
    pooler.end_hold(route_.database);
  }
  POINTSMAN_FAULT_POINT("pgbouncer.released");
  held_ = false;
  // Whoever pauses it from now on, it is not us.
  steps_.held = false;
  co_await intend_(to_json(steps_));
  co_return true;
}

bool PgbouncerSwitch::check_shown(const std::vector<DatabaseRow>& databases,
                                  const std::string& line) {
  const auto wanted = read_target_line(line);
  const auto* row = find_database(databases, route_.database);
  if (row == nullptr) {
    return fail(
        fmt::format("the pooler does not know {}: pgbouncer.ini has to have `%include {}` under "
                    "[databases], and pgbouncer's log says why it was not read",
                    route_.database, tools_.file->path()));
  }
  database_ = *row;
  if (!wanted || !shows(*row, wanted.value())) {
    return fail(
        fmt::format("the pooler leads {} to {}, not to {}: see pgbouncer's log for why it did not "
                    "take {}",
                    route_.database, where_text(*row), destination(), tools_.file->path()));
  }
  if ((row->paused && !held_) || row->disabled) {
    // The address is right; to wait, or to undo it, would help nobody.
    may_roll_back_ = false;
    return fail(
        fmt::format("{} is {} on the pooler, and not by us: {} {} on its console lets clients "
                    "through to {}",
                    route_.database, row->paused ? "paused" : "disabled",
                    row->paused ? "RESUME" : "ENABLE", quote_name(route_.database), destination()));
  }
  return true;
}

/// Lines before a bad line are applied, those behind it are not; nothing of that is said by RELOAD.
void PgbouncerSwitch::check_others(const std::vector<DatabaseRow>& databases) {
  for (const auto& [database, entry] : tools_.file->managed()) {
    if (database == route_.database || !entry.wanted) continue;
    const auto wanted = read_target_line(*entry.wanted);
    const auto* row = find_database(databases, database);
    if (!wanted || (row != nullptr && shows(*row, wanted.value()))) continue;
    note(fmt::format("the pooler does not lead {} as {} says", database, tools_.file->path()));
  }
}

/// Only to servers that live, and only what was changed: other routes may have switched meanwhile.
asio::awaitable<bool> PgbouncerSwitch::async_roll_back() {
  if (!wrote_ || !may_roll_back_ || order_.old_targets == OldTargets::dead) co_return false;
  if (!steps_.previous) {
    note("there was no line before to go back to");
    co_return false;
  }
  if (is_same_line(*steps_.previous, line_)) co_return false;
  const auto why = std::exchange(failure_, {});
  LineChange change{
      .database = route_.database, .line = *steps_.previous, .epoch = previous_epoch_};
  bool is_back = co_await async_write_line(std::move(change), true);
  if (is_back) {
    const auto reloaded =
        co_await tools_.pooler->async_reload(retry_, mono_now() + tools_.limits.apply);
    if (!reloaded.error.empty()) {
      is_back = fail(reloaded.error);
    } else {
      is_back = check_shown(reloaded.databases, *steps_.previous);
    }
  }
  if (!is_back) {
    failure_ = fmt::format("{}; and it could not be rolled back: {}", why, failure_);
    co_return false;
  }
  failure_ = fmt::format("{}; rolled back to {}", why, *steps_.previous);
  co_return true;
}

asio::awaitable<void> PgbouncerSwitch::async_finish() {
  if (held_) {
    note(fmt::format("the clients of {} still wait: it is paused by us", route_.database));
  } else if (retry_.on) {
    co_await tools_.pooler->async_settle(route_.database, retry_,
                                         mono_now() + Pooler::settle_limit);
    POINTSMAN_FAULT_POINT("pgbouncer.before_restore");
  }
  const auto deadline = mono_now() + tools_.limits.restore;
  const auto warning = co_await tools_.pooler->async_restore(retry_, deadline);
  if (!warning.empty()) note(warning);
  if (task_ == Task::reconnect) co_return;
  const auto no_spare = co_await tools_.file->async_ensure_spare(deadline);
  if (!no_spare.empty()) note(no_spare);
}

bool PgbouncerSwitch::fail(std::string why) {
  failure_ = std::move(why);
  return false;
}

void PgbouncerSwitch::note(std::string text) {
  if (std::find(notes_.begin(), notes_.end(), text) == notes_.end()) {
    notes_.push_back(std::move(text));
  }
}

std::string PgbouncerSwitch::destination() const {
  std::string text;
  for (const auto& target : order_.to) {
    text += (text.empty() ? "" : ", ") + to_text(target.endpoint);
  }
  return text;
}

SwitchReport PgbouncerSwitch::report(ActionOutcome outcome) const {
  SwitchReport result;
  result.outcome = outcome;
  result.verified = outcome == ActionOutcome::ok ? verified_ : Verified::no;
  if (outcome == ActionOutcome::ok) result.times = times_;
  if (outcome == ActionOutcome::ok) {
    result.message = fmt::format("{} leads to {}", route_.database, destination());
    if (served_after_ && order_.cause != SwitchCause::verify) {
      result.message += fmt::format(", which served {} after {}", milliseconds_text(*served_after_),
                                    task_ == Task::reconnect ? "RECONNECT" : "RELOAD");
    }
  } else {
    result.message = failure_;
  }
  if (!notes_.empty()) result.message += "; " + joined(notes_);
  return result;
}

}  // namespace pointsman
