// The tables of journal.db, as a list of migrations that only ever grows: number n brings a file
// from user_version n-1 to n. A file with a higher number than ours was written by a newer
// pointsman and is not touched.
#pragma once

#include <array>
#include <cstdint>

namespace pointsman {

/// Written into each file of ours ("PTSM"): a foreign SQLite file is told apart by it.
inline constexpr std::int64_t journal_application_id = 0x5054534D;

inline constexpr std::array<const char*, 5> journal_migrations{
    R"sql(
CREATE TABLE events(
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: readers resume from it
  at_ms   INTEGER NOT NULL,                   -- UTC, milliseconds since 1970
  kind    TEXT NOT NULL,
  subject TEXT NOT NULL,                      -- probe, service or route
  text    TEXT NOT NULL,                      -- one sentence for a person
  details TEXT NOT NULL                       -- JSON object
) STRICT;

CREATE TABLE intents(
  id      INTEGER PRIMARY KEY,
  at_ms   INTEGER NOT NULL,
  subject TEXT NOT NULL,
  kind    TEXT NOT NULL,
  steps   TEXT NOT NULL                       -- JSON object
) STRICT;

CREATE TABLE outcomes(
  intent_id INTEGER PRIMARY KEY,
  at_ms     INTEGER NOT NULL,
  outcome   TEXT NOT NULL,                    -- ok, failed, unknown
  message   TEXT NOT NULL
) STRICT;

CREATE TABLE route_memory(
  route     TEXT PRIMARY KEY,
  targets   TEXT NOT NULL,                    -- JSON array of probe names
  system_id TEXT NOT NULL,
  timeline  INTEGER NOT NULL,
  epoch     INTEGER NOT NULL,
  at_ms     INTEGER NOT NULL
) STRICT;

CREATE TABLE samples(
  seq        INTEGER PRIMARY KEY,
  at_ms      INTEGER NOT NULL,
  probe      TEXT NOT NULL,
  outcome    TEXT NOT NULL,
  reason     TEXT NOT NULL,
  latency_us INTEGER NOT NULL,
  message    TEXT NOT NULL,
  facts      TEXT NOT NULL                    -- JSON object
) STRICT;
)sql",
    R"sql(
-- What stands: one row each ladder, flag, incident, alert in the outbox, and so on; the last wins.
CREATE TABLE kept(
  kind     TEXT NOT NULL,                     -- ladder, flag, automation, drain, incident, outbox
  name     TEXT NOT NULL,
  document TEXT NOT NULL,                     -- JSON object
  at_ms    INTEGER NOT NULL,
  PRIMARY KEY(kind, name)
) STRICT;
ALTER TABLE route_memory ADD COLUMN replaced TEXT NOT NULL DEFAULT '[]';  -- JSON array
)sql",
    R"sql(
-- What the engine was told, for `simulate --history`: runs of equal samples, single events.
CREATE TABLE history(
  seq     INTEGER PRIMARY KEY,                -- grows over restarts; an open run is written again
  at_ms   INTEGER NOT NULL,                   -- UTC, of its end
  kind    TEXT NOT NULL,                      -- start, sample, observed, act, event
  subject TEXT NOT NULL,                      -- probe or route
  from_ns INTEGER NOT NULL,                   -- nanoseconds since 1970, steady within a life
  to_ns   INTEGER NOT NULL,
  count   INTEGER NOT NULL,                   -- samples in the run
  body    TEXT NOT NULL                       -- JSON object
) STRICT;
CREATE INDEX history_by_end ON history(at_ms);
)sql",
    R"sql(
-- NULL: not known. A position is bytes of WAL, or Redis' offset; it was seen at last_seen_ms.
ALTER TABLE route_memory ADD COLUMN last_position  INTEGER;
ALTER TABLE route_memory ADD COLUMN last_seen_ms   INTEGER;
ALTER TABLE route_memory ADD COLUMN last_switch_ms INTEGER;
)sql",
    R"sql(
-- NULL: it was not told to stop, or is back.
ALTER TABLE route_memory ADD COLUMN told_to_stop_ms INTEGER;
)sql",
};

inline constexpr std::int64_t journal_schema = static_cast<std::int64_t>(journal_migrations.size());

}  // namespace pointsman
