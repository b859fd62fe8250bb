// Whether a PostgreSQL server may be promoted, from one look at it: questions, answers, judgement.
//
// Pure. The engine decided on samples that are up to a second old; this is the last look, on the
// session over which the promotion will be asked for. A plain login role is enough for all of it;
// with pg_monitor a standby's timeline is known exactly, without it only a lower bound is (what its
// control file says), and then the engine's word counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "policies/model/effect.hpp"
#include "probes/pg_connection.hpp"

namespace pointsman {

/// What one look at a server says. Positions are 0 where there is none.
struct PostgresLook {
  bool standby = false;
  bool read_only = false;  ///< sessions default to read only
  std::string system_id;
  std::uint32_t timeline = 0;        ///< of a primary: what it writes; of a standby: 0 or exact
  std::uint32_t least_timeline = 0;  ///< of a standby: it is at least on this one
  std::uint64_t written = 0, received = 0, replayed = 0;
  bool has_receiver = false;  ///< a WAL receiver is connected to the primary
  bool replay_paused = false;
  bool may_promote = false;    ///< our role may call pg_promote
  bool may_list_wal = false;   ///< timeline_question will be answered
  bool may_see_waits = false;  ///< startup_question will be
  std::string user, database;
};

std::string_view look_question();
/// nullopt: the answer is not one to look_question.
std::optional<PostgresLook> read_look(const PgRows& rows);

/// The highest timeline of which a standby has WAL. Only where may_list_wal.
std::string_view timeline_question();
std::uint32_t read_timeline(const PgRows& rows);

/// `go`: it is what the order says it is. `already`: it takes writes on a newer timeline, so there
/// is nothing to do. `refuse`: nothing was asked of it, and `text` says why and what to do.
enum class PromoteVerdict { go, already, refuse };
struct PromoteJudgement {
  PromoteVerdict verdict = PromoteVerdict::refuse;
  std::string text;
};
PromoteJudgement judge_before_promotion(const PostgresLook& look, const PromoteServer& order);

/// A promotion that somebody asked for before makes the new timeline's WAL some milliseconds before
/// it ends: such a standby is looked at again before it is refused.
bool may_be_under_way(const PostgresLook& look, const PromoteServer& order);

/// "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO …", with where to run it.
std::string grant_text(const std::string& user, const std::string& database);

/// In which state the standby's startup process waits: PostgreSQL notices a promotion that comes
/// while the WAL receiver is connecting, and then sleeps out wal_retrieve_retry_interval all the
/// same (FACTS finding 10). `calm`: not now, or not known.
enum class StartupWait { calm, connecting };
std::string_view startup_question();
StartupWait read_startup(const PgRows& rows);

/// Asked again and again after the promotion was.
std::string_view promoted_question();
struct PromotedAnswer {
  bool promoted = false;
  bool read_only = false;
  std::uint32_t timeline = 0;
  std::uint64_t begins_at = 0;  ///< the last position that was replayed
};
std::optional<PromotedAnswer> read_promoted(const PgRows& rows);

/// "0/3000148", as PostgreSQL writes a position.
std::string lsn_text(std::uint64_t lsn);

}  // namespace pointsman
