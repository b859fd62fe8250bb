// What the postgres probe asks, what the answer means and how it is judged: pure.
//
// The repeated question is one flat target list, since a join or a catalogue scan costs several
// times the rest (measured on 15.20: 75 us on a primary and 150 us on a standby, round trip
// included, where `SELECT 1` takes 23). It is not prepared, so that a probe may also go through a
// pooler. It works for a plain login role (what only pg_monitor may see is then absent) on
// PostgreSQL 11 to 16.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policies/model/sample.hpp"
#include "probes/pg_connection.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// A primary stays one as long as the session lives, so it is not asked about its WAL receiver.
std::string_view postgres_question(PostgresRole last_role);
/// What is asked once for each session: it never changes, or (settings and rights) so seldom that
/// the renewal of the session, each minute, is soon enough.
std::string_view postgres_constants_question();

struct PostgresConstants {
  std::string system_id, version;
  std::optional<std::int64_t> max_connections;
  std::optional<Duration> wal_receiver_timeout, apply_delay;
  std::optional<bool> may_promote;
};
/// `server_version` as the server reports it: "15.20 (Debian 15.20-0+deb12u1)".
PostgresConstants read_constants(const PgRows& rows, std::string_view server_version);

/// nullopt: the answer is not one to our question.
std::optional<PostgresFacts> read_postgres_facts(const PgRows& rows,
                                                 const PostgresConstants& constants);

/// A standby that receives no WAL counts its lag from the last transaction that it replayed, which
/// is hours ago on an idle primary. It cannot be behind by more than the time since it was last
/// seen to have replayed all: `caught_up_at` remembers that.
void bound_lag(PostgresFacts& facts, MonoTime now, std::optional<MonoTime>& caught_up_at);

/// `expect` and `max_lag`; the facts are in the finding whatever it is.
Finding judge_postgres(const PostgresSpec& spec, const PostgresFacts& facts);

/// "0/15353A8" to bytes.
std::optional<std::uint64_t> parse_lsn(std::string_view text);

/// A setting of time as SHOW prints it: "0", "500ms", "1min".
std::optional<Duration> parse_setting_duration(std::string_view text);

/// Which reason an error of the server has. `is_login`: it came instead of a session.
Reason reason_of_sqlstate(const PgError& error);

/// A session that could not be had, or an answer that did not come. `peer` names whom we asked,
/// `waited` how long.
Finding finding_of_pg_error(const PgError& error, const std::string& peer, Duration waited);

/// A frozen server gives not a byte to any session, kept or new: that alone stays `timeout`, since
/// it is promoted away from. One that spoke in this run (`heard`), or of which no new session was
/// asked for (`tried_new` is false), has failed to answer, no more.
void tell_frozen_apart(Finding& finding, bool heard, bool tried_new);

}  // namespace pointsman
