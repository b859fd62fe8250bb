// Real servers for integration tests: PostgreSQL with standbys, Redis, pgbouncer.
//
// Each runs on a free port of 127.0.0.1 and on a unix socket, in a folder of its own, and is ready
// when its constructor returns. They end with the object (see servers_process.hpp). Nothing is
// mocked.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/servers_process.hpp"

namespace pointsman::test {

/// A certificate authority and a certificate for 127.0.0.1 and localhost, by openssl.
struct Certificates {
  explicit Certificates(const Place& place);
  std::string ca, cert, key;
};

/// Roles: postgres (superuser), plain (login), monitor (pg_monitor), password (scram, "secret").
class PostgresServer {
 public:
  /// A primary. `settings` are lines of postgresql.conf.
  explicit PostgresServer(std::string_view settings = "");
  /// A streaming standby of it.
  PostgresServer(const PostgresServer& primary, std::string_view settings);

  std::uint16_t port() const { return port_; }
  std::string socket_folder() const { return place_.path(""); }
  std::string conninfo(std::string_view user = "plain", std::string_view more = "") const;
  /// By psql as superuser over the unix socket.
  std::string sql(std::string_view statement) const;

  /// `ready`: false returns at once, for a server that is meant to refuse.
  void start(bool ready = true);
  /// fast, immediate
  void stop(std::string_view mode);
  void promote();
  void set(std::string_view settings) const { place_.append("data/postgresql.conf", settings); }
  void reload() const { process_->send(1); }
  Place& place() { return place_; }
  Process& process() { return *process_; }
  std::string log() const { return place_.read("log"); }

 private:
  void configure(std::string_view settings) const;

  Place place_;
  std::uint16_t port_ = free_port();
  std::unique_ptr<Process> process_;
};

class RedisServer {
 public:
  /// `arguments` as on redis-server's command line: {"--requirepass", "x"}.
  explicit RedisServer(Argv arguments = {});
  /// With TLS on port() and no plain port.
  RedisServer(const Certificates& certificates, Argv arguments);

  std::uint16_t port() const { return port_; }
  std::string socket() const { return place_.path("redis.sock"); }
  /// redis-cli over the unix socket.
  std::string cli(const Argv& words) const;
  void start(bool ready = true);
  Process& process() { return *process_; }
  Place& place() { return place_; }

 private:
  Place place_;
  std::uint16_t port_ = free_port();
  Argv arguments_;
  std::unique_ptr<Process> process_;
};

/// Users: admin (admin_users), stats (stats_users), other; all with password "secret".
class PgbouncerServer {
 public:
  /// `databases` are lines of its section; `settings` of [pgbouncer].
  PgbouncerServer(std::string_view databases, std::string_view settings = "");

  std::uint16_t port() const { return port_; }
  std::string conninfo(std::string_view user, std::string_view database = "pgbouncer") const;
  std::string console(std::string_view command) const;
  /// A column of the database's row in SHOW DATABASES; empty where it is not listed.
  std::string database(std::string_view name, std::string_view column) const;
  /// A value of SHOW CONFIG.
  std::string setting(std::string_view key) const;
  void start();
  std::string log() const { return place_.read("log"); }
  const Place& place() const { return place_; }
  Process& process() { return *process_; }

 private:
  Place place_;
  std::uint16_t port_ = free_port();
  std::unique_ptr<Process> process_;
};

}  // namespace pointsman::test
