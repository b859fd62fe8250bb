// What pgbouncer's admin console answers, as plain values, and what follows from it for a switch.
//
// Pure. Columns are read by name, since later versions insert some in the middle; one that is
// missing has its default (1.18 has no `id`). FACTS sections 5 and 9.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/model/names.hpp"
#include "probes/pg_connection.hpp"

namespace pointsman {

/// SHOW DATABASES
struct DatabaseRow {
  std::string name, host, dbname, force_user;  ///< host empty: pgbouncer's own unix socket folder
  std::uint16_t port = 0;
  int pool_size = 0, max_connections = 0, current_connections = 0;
  bool paused = false, disabled = false;
};

/// SHOW SERVERS
struct ServerRow {
  std::string database, user, state, addr, ptr, link;
  std::uint16_t port = 0;
  int remote_pid = 0;
  bool close_needed = false;

  /// Its login is over and it serves, or could.
  bool is_ready() const { return state == "active" || state == "idle" || state == "used"; }
  /// Once it is not wanted, pgbouncer closes it at its next tick, a third of a second later at
  /// most.
  bool closes_by_itself() const { return state == "idle" || state == "used" || state == "login"; }
};

/// SHOW POOLS
struct PoolRow {
  std::string database, user, pool_mode;
  int cl_active = 0, cl_waiting = 0, sv_active = 0;
  int sv_idle = 0;     ///< those that are to be tested first (sv_used) among them
  Duration maxwait{};  ///< of the client that waits longest
};

/// SHOW CLIENTS. `id`, which KILL_CLIENT takes, is there from 1.24 on.
struct ClientRow {
  std::string id, ptr, link, database, user, addr, application_name;
  std::string request_time;  ///< of its last query, "2026-11-24 20:33:40 UTC"
  std::uint16_t port = 0;
};

std::vector<DatabaseRow> read_databases(const PgRows& rows);
std::vector<ServerRow> read_servers(const PgRows& rows, std::string_view database);
std::vector<PoolRow> read_pools(const PgRows& rows, std::string_view database);
std::vector<ClientRow> read_clients(const PgRows& rows);
/// A value of SHOW CONFIG; nothing where it has no such key.
std::optional<std::string> read_setting(const PgRows& rows, std::string_view key);

const DatabaseRow* find_database(const std::vector<DatabaseRow>& rows, std::string_view name);

/// "a,b" and a port as endpoints.
std::vector<Endpoint> endpoints_of(const DatabaseRow& row);

/// An endpoint and the numeric addresses that its host has ("unix" for a socket's folder).
struct Place {
  Endpoint endpoint;
  std::vector<std::string> addresses;
};

/// The place that an address and a port belong to, or nullptr.
const Place* find_place(const std::vector<Place>& places, std::string_view addr,
                        std::uint16_t port);

/// The server connections of a database, sorted by what a switch has to do about them.
struct ServersView {
  std::vector<ServerRow> foreign;  ///< on an address that is not wanted
  std::vector<ServerRow> stuck;    ///< of those: what does not close by itself
  std::size_t fresh = 0;           ///< ready, on a wanted address, not about to be closed
  std::vector<bool> seen;          ///< for each place: a fresh one is there
  bool is_exhausted = false;       ///< a pool has all its connections stuck
};
ServersView view_servers(const std::vector<ServerRow>& servers, const std::vector<Place>& places,
                         int pool_size);

/// Some pool gives a client its server for as long as the client stays.
bool has_session_pooling(const std::vector<PoolRow>& pools);

/// No pool of the database has to log in anew: each has a server connection that stays. One without
/// may remember a login that failed, also where no client waits: those were all sent away.
bool is_settled(const std::vector<PoolRow>& pools, const std::vector<ServerRow>& servers);

/// The ids, for KILL_CLIENT, of the clients that these connections are linked to. Empty where the
/// pooler shows none (before 1.24) or one of the connections has no client: then KILL is what is
/// left.
std::vector<std::string> find_owner_ids(const std::vector<ClientRow>& clients,
                                        const std::vector<ServerRow>& servers);

/// Who keeps server connections of a database busy, the one with the oldest query first: "client
/// 10.0.0.5:40000 (user app, application psql; its last query began 12 s ago) and 2 more". Of the
/// database's servers and all clients; the age is counted from the newest request_time, which is
/// that of the console itself.
std::string describe_holders(const std::vector<ServerRow>& servers,
                             const std::vector<ClientRow>& clients);

/// Some user's clients wait and all that the pool may open is busy on wanted addresses.
bool is_full(const std::vector<PoolRow>& pools, const DatabaseRow& database, std::string_view user);

}  // namespace pointsman
