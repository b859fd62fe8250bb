// How each kind of probe talks: what daemon/config read for it, checked, defaults filled in.
//
// Plain values; SPEC section 3 has the meaning of each option. Timing and rise/fall are not here
// but in policies/model/policy.hpp. Ratios are 0..1, sizes bytes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "policies/model/policy.hpp"
#include "policies/model/time.hpp"
#include "probes/secret.hpp"

namespace pointsman {

struct TlsSpec {
  std::string ca;           ///< PEM file; empty: the system's
  std::string cert, key;    ///< PEM files of our own certificate; both or none
  std::string server_name;  ///< SNI and the name that is verified; empty: the URL's host
  bool verify = true;
  friend bool operator==(const TlsSpec&, const TlsSpec&) = default;
};

enum class PostgresExpect { any, writable, standby };
enum class SessionUse { kept, fresh };
struct PostgresSpec {
  Secret conninfo;  ///< libpq URI or keyword string, without the password if given apart
  std::optional<Secret> password;
  PostgresExpect expect = PostgresExpect::any;
  std::optional<Lag> max_lag;
  std::string query;  ///< one more query; must succeed
  SessionUse session = SessionUse::kept;
};

enum class RedisCheck { ping, roundtrip, role };
enum class RedisExpect { any, master, replica };
struct RedisSpec {
  std::string host;  ///< or, with unix_socket, empty
  std::uint16_t port = 6379;
  std::string unix_socket;
  std::optional<TlsSpec> tls;  ///< rediss:
  int database = 0;
  std::string username;
  Secret password;
  RedisCheck check = RedisCheck::ping;
  RedisExpect expect = RedisExpect::any;
  std::optional<Duration> max_lag;
  std::optional<double> memory_warn, memory_fail;  ///< used_memory over maxmemory
};

/// Inclusive; `<500` is {0, 499}, `200` is {200, 200}. A status matches when any range holds it.
struct StatusRange {
  int from = 0, to = 999;
  friend bool operator==(const StatusRange&, const StatusRange&) = default;
};
enum class IpVersion { any, v4, v6 };
struct JsonExpect {
  std::string pointer;  ///< RFC 6901
  std::string value;    ///< as JSON text: `"ok"`, `true`, `3`
  bool secret = false;  ///< it came from a reference: no message quotes it
};
struct HttpSpec {
  std::string url;   ///< http: or https:, as given
  std::string host;  ///< without brackets
  std::uint16_t port = 80;
  std::string target = "/";    ///< path and query
  bool target_secret = false;  ///< it came from a reference: no message shows it
  std::string method = "GET";
  std::vector<std::pair<std::string, Secret>> headers;
  Secret body;
  std::vector<StatusRange> status{{200, 399}};
  std::vector<StatusRange> warn_status;     ///< judged first
  std::string body_contains, body_matches;  ///< empty: not asked; matches is ECMAScript
  bool body_secret = false;                 ///< either came from a reference: no message quotes it
  std::vector<JsonExpect> json;
  std::optional<TlsSpec> tls;  ///< set for https:
  Duration cert_warn{std::chrono::hours{21 * 24}}, cert_fail{std::chrono::hours{3 * 24}};
  bool cert_given = false;  ///< by `cert_expiry`: judged of a certificate that is not verified, too
  int redirects = 0;        ///< followed at most
  IpVersion ip = IpVersion::any;
};

struct TcpSpec {
  std::string host;
  std::uint16_t port = 0;
  std::string unix_socket;   ///< instead of host and port
  std::string send, expect;  ///< expect: these bytes must appear in the first 4 KiB
  std::optional<TlsSpec> tls;
  Duration cert_warn{std::chrono::hours{21 * 24}}, cert_fail{std::chrono::hours{3 * 24}};
  bool cert_given = false;  ///< by `cert_expiry`: judged of a certificate that is not verified, too
};

struct PgbouncerSpec {
  Secret admin;  ///< libpq keyword string or URI of the admin console
  std::optional<Duration> max_wait_warn, max_wait_fail;
  std::optional<std::int64_t> max_waiting;
};

struct DiskSpec {
  std::string path;
  std::optional<double> warn, fail;  ///< used
  std::optional<double> inodes_warn, inodes_fail;
  std::optional<std::uint64_t> free_below;  ///< fails below it
  bool write_test = false;
};

struct MemorySpec {
  std::optional<double> warn, fail;
  std::optional<double> pressure_warn, pressure_fail;  ///< PSI some avg10, ratio 0..1
};

struct CpuSpec {
  std::optional<double> warn, fail;
  Duration over{std::chrono::minutes{1}};
  std::optional<double> pressure_warn, pressure_fail;
};

struct UnitSpec {
  std::string unit;
  std::string substate;  ///< empty: any substate of an active unit
};

struct ExecSpec {
  std::vector<std::string> command;  ///< argv; the first is an absolute path
  std::string user;                  ///< empty: our own; else we must be root
  std::vector<std::pair<std::string, Secret>> environment;
};

using ProbeSpec = std::variant<PostgresSpec, RedisSpec, HttpSpec, TcpSpec, PgbouncerSpec, DiskSpec,
                               MemorySpec, CpuSpec, UnitSpec, ExecSpec>;

}  // namespace pointsman
