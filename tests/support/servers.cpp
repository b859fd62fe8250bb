#include "tests/support/servers.hpp"

#include <signal.h>

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

namespace pointsman::test {
namespace {

const std::string pg_bin = "/usr/lib/postgresql/15/bin/";

constexpr std::string_view hba = R"(
local all         all                    trust
local replication all                    trust
host  all         password 127.0.0.1/32  scram-sha-256
host  all         all      127.0.0.1/32  trust
)";
constexpr std::string_view roles =
    "CREATE ROLE plain LOGIN; CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor;"
    "CREATE ROLE password LOGIN PASSWORD 'secret'";

/// initdb takes longer than all else: made once for each test program, then copied.
const Place& template_place() {
  static const Place place;
  static const bool made = [] {
    run({pg_bin + "initdb", "--pgdata", place.path("data"), "--username", "postgres", "--auth",
         "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"});
    return true;
  }();
  (void)made;
  return place;
}

}  // namespace

Certificates::Certificates(const Place& place)
    : ca(place.path("ca.pem")), cert(place.path("cert.pem")), key(place.path("key.pem")) {
  const auto ca_key = place.path("ca.key"), request = place.path("request.pem");
  place.write("extensions", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const std::string openssl = "/usr/bin/openssl";
  run({openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", ca_key, "-out", ca,
       "-days", "30", "-subj", "/CN=Test authority"});
  run({openssl, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj",
       "/CN=localhost"});
  run({openssl, "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
       "-out", cert, "-days", "30", "-extfile", place.path("extensions")});
}

PostgresServer::PostgresServer(std::string_view settings) {
  run({"/bin/cp", "-a", template_place().path("data"), place_.path("data")});
  place_.write("data/pg_hba.conf", hba);
  configure(settings);
  start();
  sql(roles);
}

PostgresServer::PostgresServer(const PostgresServer& primary, std::string_view settings) {
  run({pg_bin + "pg_basebackup", "--pgdata", place_.path("data"), "--host", primary.socket_folder(),
       "--port", std::to_string(primary.port()), "--username", "postgres", "--write-recovery-conf",
       "--wal-method", "stream", "--checkpoint", "fast", "--no-sync"});
  configure(settings);
  start();
}

void PostgresServer::configure(std::string_view settings) const {
  place_.append("data/postgresql.conf",
                fmt::format("\nport = {}\nlisten_addresses = '127.0.0.1'\n"
                            "unix_socket_directories = '{}'\nfsync = off\nshared_buffers = 16MB\n"
                            "max_connections = 40\nwal_retrieve_retry_interval = 500ms\n{}\n",
                            port_, place_.path(""), settings));
}

std::string PostgresServer::conninfo(std::string_view user, std::string_view more) const {
  return fmt::format("host=127.0.0.1 port={} dbname=postgres user={} {}", port_, user, more);
}

std::string PostgresServer::sql(std::string_view statement) const {
  return run({"/usr/bin/psql", "-h", socket_folder(), "-p", std::to_string(port_), "-U", "postgres",
              "-d", "postgres", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c",
              std::string(statement)});
}

void PostgresServer::start(bool ready) {
  process_.reset();
  std::error_code ignored;
  std::filesystem::remove(place_.path("data/postmaster.pid"), ignored);
  process_ = std::make_unique<Process>(Argv{pg_bin + "postgres", "-D", place_.path("data")},
                                       place_.path("log"));
  if (!ready) return;
  wait_for("PostgreSQL is ready", [this] {
    if (!process_->is_running()) throw std::runtime_error("PostgreSQL ended:\n" + log());
    const auto status = place_.read("data/postmaster.pid");
    return status.find("\nready") != std::string::npos ||
           status.find("standby") != std::string::npos;
  });
  // "standby": it may yet refuse sessions until it is consistent.
  wait_for("PostgreSQL answers", [this] {
    try {
      return sql("SELECT 1").starts_with("1");
    } catch (const std::runtime_error&) {
      return false;
    }
  });
}

void PostgresServer::stop(std::string_view mode) {
  process_->stop(mode == "immediate" ? SIGQUIT : SIGINT);
}

void PostgresServer::promote() {
  sql("SELECT pg_promote(true)");
}

RedisServer::RedisServer(Argv arguments) : arguments_(std::move(arguments)) {
  arguments_.insert(arguments_.begin(), {"--port", std::to_string(port_)});
  start();
}

RedisServer::RedisServer(const Certificates& certificates, Argv arguments)
    : arguments_(std::move(arguments)) {
  arguments_.insert(arguments_.begin(),
                    {"--port", "0", "--tls-port", std::to_string(port_), "--tls-cert-file",
                     certificates.cert, "--tls-key-file", certificates.key, "--tls-ca-cert-file",
                     certificates.ca, "--tls-auth-clients", "no"});
  start();
}

void RedisServer::start(bool ready) {
  process_.reset();
  Argv argv{"/usr/bin/redis-server", "--bind", "127.0.0.1", "--unixsocket", socket(), "--dir",
            place_.path(""),         "--save", "",          "--daemonize",  "no"};
  argv.insert(argv.end(), arguments_.begin(), arguments_.end());
  process_ = std::make_unique<Process>(argv, place_.path("log"));
  if (!ready) return;
  wait_for("Redis answers", [this] {
    if (!process_->is_running()) throw std::runtime_error("Redis ended:\n" + place_.read("log"));
    try {
      const auto answer = cli({"PING"});
      return answer.find("PONG") != std::string::npos || answer.find("NOAUTH") != std::string::npos;
    } catch (const std::runtime_error&) {
      return false;
    }
  });
}

std::string RedisServer::cli(const Argv& words) const {
  Argv argv{"/usr/bin/redis-cli", "-s", socket()};
  argv.insert(argv.end(), words.begin(), words.end());
  return run(argv);
}

PgbouncerServer::PgbouncerServer(std::string_view databases, std::string_view settings) {
  place_.write("users.txt",
               "\"admin\" \"secret\"\n\"stats\" \"secret\"\n\"other\" \"secret\"\n"
               "\"plain\" \"\"\n");
  place_.write(
      "pgbouncer.ini",
      fmt::format("[databases]\n{}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n"
                  "unix_socket_dir =\nauth_type = plain\nauth_file = {}\n"
                  "admin_users = admin\nstats_users = stats\npidfile =\n{}\n",
                  databases, port_, place_.path("users.txt"), settings));
  start();
}

void PgbouncerServer::start() {
  process_.reset();
  process_ = std::make_unique<Process>(Argv{"/usr/sbin/pgbouncer", place_.path("pgbouncer.ini")},
                                       place_.path("log"));
  wait_for("pgbouncer answers", [this] {
    if (!process_->is_running()) throw std::runtime_error("pgbouncer:\n" + place_.read("log"));
    try {
      return console("SHOW VERSION").find("PgBouncer") != std::string::npos;
    } catch (const std::runtime_error&) {
      return false;
    }
  });
}

std::string PgbouncerServer::conninfo(std::string_view user, std::string_view database) const {
  return fmt::format("host=127.0.0.1 port={} dbname={} user={} password=secret", port_, database,
                     user);
}

std::string PgbouncerServer::console(std::string_view command) const {
  return run(
      {"/usr/bin/psql", "-X", "-q", "-A", "-t", "-c", std::string(command), conninfo("admin")});
}

std::string PgbouncerServer::database(std::string_view name, std::string_view column) const {
  const auto fields = [](const std::string& line) {
    std::vector<std::string> parts(1);
    for (const char c : line) {
      if (c == '|') {
        parts.emplace_back();
      } else {
        parts.back() += c;
      }
    }
    return parts;
  };
  std::istringstream table(
      run({"/usr/bin/psql", "-X", "-q", "-A", "-c", "SHOW DATABASES", conninfo("admin")}));
  std::string line;
  std::getline(table, line);
  const auto names = fields(line);
  const auto at = std::find(names.begin(), names.end(), column) - names.begin();
  while (std::getline(table, line)) {
    const auto values = fields(line);
    if (values.front() == name) return values.at(static_cast<std::size_t>(at));
  }
  return {};
}

std::string PgbouncerServer::setting(std::string_view key) const {
  std::istringstream table(console("SHOW CONFIG"));
  std::string line;
  while (std::getline(table, line)) {
    const auto end = line.find('|');
    if (line.substr(0, end) == key) return line.substr(end + 1, line.find('|', end + 1) - end - 1);
  }
  return {};
}

}  // namespace pointsman::test
