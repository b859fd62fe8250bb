// A sample: the outcome of one run of a probe, with its reason and facts.
//
// Plain values. A probe makes one, the engine reads it, the journal and the snapshot keep it. The
// reasons are a closed list (SPEC section 3): they are metric labels, so nothing unbounded may go
// in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "policies/model/names.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

enum class Outcome { pass, warn, fail, inconclusive };

/// Why a sample came out as it did. The words are those of the YAML, the JSON and the metrics.
enum class Reason {
  ok,
  connect_refused,  ///< a reset while connecting counts too
  connect_timeout,
  unreachable,  ///< no route, network or host unreachable, no such socket file
  dns_failed,
  dns_timeout,
  tls_failed,
  tls_expired,    ///< the peer's certificate has expired, or expires within its `fail`
  cert_expiring,  ///< it expires within its `warn`
  auth_failed,
  protocol_error,  ///< the peer speaks, but not what was expected; a close in mid-answer too
  status_mismatch,
  body_mismatch,
  query_failed,  ///< an error; of a database that spoke in this run also: no answer in time
  wrong_role,
  lag,
  link_down,  ///< a replica that has lost its master
  starting,   ///< PostgreSQL 57P03, Redis LOADING
  saturated,  ///< PostgreSQL 53300, Redis maxclients
  stopping,   ///< PostgreSQL says that an administrator stops it
  read_only,
  over_threshold,
  slow,        ///< passed, but later than warn_latency; or a new session did not come in time
  timeout,     ///< connected, then no whole answer in time; of a database: not a byte
  stuck,       ///< a local call that does not return (a hung mount)
  not_active,  ///< a systemd unit in another state than the wanted one
  paused,      ///< a pgbouncer database is paused or disabled
  exec_failed,
  prober_error,  ///< a fault of ours: no descriptors, no memory, our resolver, a bug
  unreliable,    ///< taken while our own loop was late, or the machine was suspended
};

enum class PostgresRole { unknown, primary, standby };
enum class RedisRole { unknown, master, replica };

/// PostgreSQL, of one session. WAL positions are bytes since the start of the cluster.
struct PostgresFacts {
  PostgresRole role = PostgresRole::unknown;
  bool read_only = false;  ///< a primary whose sessions default to read only
  std::optional<std::uint32_t> timeline;
  std::optional<std::uint64_t> lsn;         ///< written (primary) or received (standby)
  std::optional<std::uint64_t> replay_lsn;  ///< of a promoted primary: where its timeline began
  std::optional<std::int64_t> lag_bytes;    ///< received and not yet replayed
  std::optional<Duration> lag_seconds;      ///< 0 when all received is replayed and WAL is received
  std::optional<bool> receiving;            ///< a WAL receiver is there and streaming
  std::optional<Duration> receiver_silent;  ///< since the receiver's last message (pg_monitor)
  std::optional<std::int64_t> connections;
  std::optional<std::int64_t> max_connections;
  std::optional<Duration> wal_receiver_timeout;  ///< the setting; zero: none
  std::optional<Duration> apply_delay;           ///< recovery_min_apply_delay
  std::optional<bool> may_promote;               ///< our role may call pg_promote
  std::string system_id;                         ///< empty: not known
  std::string version;                           ///< "15.20"
  friend bool operator==(const PostgresFacts&, const PostgresFacts&) = default;
};

struct RedisFacts {
  RedisRole role = RedisRole::unknown;
  std::optional<std::int64_t> offset;
  std::optional<bool> link_up;  ///< replica: its link to the master
  std::optional<Duration> lag;  ///< replica: since the master was last heard
  std::optional<std::int64_t> clients;
  std::optional<std::int64_t> used_memory;  ///< bytes
  std::optional<std::int64_t> maxmemory;    ///< bytes; 0 is no limit
  bool loading = false;
  std::optional<std::int64_t> sentinels;  ///< live Sentinels that watch it
  std::string replid;   ///< of the history that `offset` counts in; empty: not known
  std::string replid2;  ///< of the one before its last promotion; empty: none
  friend bool operator==(const RedisFacts&, const RedisFacts&) = default;
};

/// The phases are absent where they were not reached.
struct HttpFacts {
  std::optional<int> status_code;
  std::optional<Duration> dns, connect, tls, first_byte, total;
  std::optional<WallTime> cert_expires;
  std::string address;  ///< the numeric address that was asked
  friend bool operator==(const HttpFacts&, const HttpFacts&) = default;
};

struct TcpFacts {
  std::optional<Duration> connect;
  std::optional<WallTime> cert_expires;
  friend bool operator==(const TcpFacts&, const TcpFacts&) = default;
};

struct PgbouncerFacts {
  std::int64_t waiting = 0;  ///< clients that wait for a server connection
  Duration maxwait{};        ///< of the one that waits longest
  std::int64_t active = 0;   ///< server connections in use
  std::int64_t idle = 0;
  std::int64_t paused = 0;  ///< databases paused or disabled
  std::string version;
  friend bool operator==(const PgbouncerFacts&, const PgbouncerFacts&) = default;
};

struct DiskFacts {
  std::uint64_t used = 0, free = 0, total = 0;  ///< bytes; free is what we may write
  double used_ratio = 0;                        ///< 0..1, as df counts it
  std::optional<double> inodes_ratio;           ///< 0..1; absent where the file system has none
  bool read_only = false;                       ///< of the super block
  std::optional<double> hours_to_full;          ///< at the rate of the last hour; absent if falling
  friend bool operator==(const DiskFacts&, const DiskFacts&) = default;
};

struct MemoryFacts {
  std::uint64_t used = 0, available = 0, limit = 0;  ///< bytes; limit is the cgroup's where lower
  double used_ratio = 0;
  std::optional<double> psi;  ///< some, avg10, per cent
  friend bool operator==(const MemoryFacts&, const MemoryFacts&) = default;
};

struct CpuFacts {
  double busy = 0, steal = 0;  ///< ratio over the window
  double load1 = 0;
  std::optional<double> psi;
  friend bool operator==(const CpuFacts&, const CpuFacts&) = default;
};

struct UnitFacts {
  std::string active, sub;  ///< ActiveState and SubState of systemd
  std::int64_t restarts = 0;
  friend bool operator==(const UnitFacts&, const UnitFacts&) = default;
};

struct ExecFacts {
  std::optional<int> exit_code;  ///< absent: ended by a signal or not started
  std::string first_line;
  friend bool operator==(const ExecFacts&, const ExecFacts&) = default;
};

using Facts = std::variant<std::monostate, PostgresFacts, RedisFacts, HttpFacts, TcpFacts,
                           PgbouncerFacts, DiskFacts, MemoryFacts, CpuFacts, UnitFacts, ExecFacts>;

/// What a prober found; the runner adds whose and when.
struct Finding {
  Outcome outcome = Outcome::inconclusive;
  Reason reason = Reason::prober_error;
  std::string message;  ///< short, one line, no secret
  Facts facts;
  friend bool operator==(const Finding&, const Finding&) = default;
};

struct Sample {
  ProbeName probe;
  MonoTime started;
  MonoTime finished;
  Finding finding;

  Duration latency() const { return finished - started; }
  friend bool operator==(const Sample&, const Sample&) = default;
};

std::string_view to_text(Outcome outcome);
std::string_view to_text(Reason reason);
std::string_view to_text(PostgresRole role);
std::string_view to_text(RedisRole role);

/// Every reason, in the order of the enum, for metrics and tests.
inline constexpr int reason_count = static_cast<int>(Reason::unreliable) + 1;

/// A fact's value as it is printed. A Duration is printed in the unit that its name ends in.
using FactValue = std::variant<bool, std::int64_t, std::uint64_t, double, std::string, WallTime>;

/// Calls `visit(name, value)` for each fact that is known, in a fixed order. Names as in SPEC
/// section 3; durations come as doubles in the unit of the name's end (`_ms`, `_seconds`).
template <class Visitor>
void for_each_fact(const Facts& facts, Visitor&& visit);

}  // namespace pointsman

#include "policies/model/facts_visit.hpp"
