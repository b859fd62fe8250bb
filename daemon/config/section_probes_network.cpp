// postgres, redis, tcp and pgbouncer: how each talks to its server.
#include <charconv>

#include <fmt/format.h>

#include "daemon/config/connection_text.hpp"
#include "daemon/config/draft.hpp"
#include "daemon/config/section_probes_tls.hpp"

namespace pointsman {
namespace {

constexpr const char* postgres_example =
    "where the server is: `url: postgresql://pointsman@10.0.1.10:5432/bud`";
constexpr const char* unix_socket =
    "it is reached through a unix socket; `address: HOST:PORT` beside its url says where poolers "
    "find it";
constexpr const char* redis_example = "where the server is: `url: redis://10.0.1.20:6379/0`";

/// redis://[user[:password]@]host[:port][/database], rediss://..., unix:/path.
bool read_redis_url(MapReader& reader, const std::string& text, RedisSpec& spec) {
  const YamlNode& node = *reader.find("url");
  const auto wrong = [&](const std::string& why) {
    reject(reader.findings(), node, reader.path_of("url"), why);
    return false;
  };
  const auto parsed = parse_url(text);
  if (!parsed) return wrong(parsed.error().message);
  const Url& url = parsed.value();
  spec.username = url.user;
  spec.password = Secret(url.password);
  if (url.scheme == "unix") {
    if (url.path.empty() || url.path.front() != '/')
      return wrong("names no socket: write unix:/run/redis/redis.sock");
    spec.unix_socket = url.path;
    return true;
  }
  if (url.scheme != "redis" && url.scheme != "rediss") {
    return wrong(
        "is not a Redis URL: write redis://HOST:6379/0, rediss://HOST:6379/0 or unix:/PATH");
  }
  if (url.host.empty()) return wrong("names no host");
  if (url.scheme == "rediss") spec.tls = TlsSpec{};
  spec.host = url.host;
  spec.port = url.port.value_or(6379);
  const std::string database = url.path.size() > 1 ? url.path.substr(1) : "0";
  const char* end = database.data() + database.size();
  const auto read = std::from_chars(database.data(), end, spec.database);
  if (read.ec != std::errc{} || read.ptr != end || spec.database < 0) {
    return wrong("names no database number after the last '/': write redis://HOST:6379/0");
  }
  return true;
}

void read_redis_memory(MapReader& reader, RedisSpec& spec) {
  const YamlNode* node = reader.find("memory");
  if (!node) return;
  MapReader memory(reader.findings(), node, reader.path_of("memory"),
                   reader.key_position("memory"));
  spec.memory_warn = memory.percent("warn");
  spec.memory_fail = memory.percent("fail");
  memory.finish();
  if (spec.memory_warn && spec.memory_fail && *spec.memory_warn >= *spec.memory_fail) {
    memory.error("warn", "not below `fail`: it could never warn");
  }
}

/// "host:port", or "unix:/path" for a socket.
void read_tcp_address(MapReader& reader, TcpSpec& spec, ProbeDraft& draft) {
  draft.address_unknown = true;
  constexpr const char* example = "what to connect to: `address: 10.0.1.30:443` or unix:/PATH";
  const auto text = reader.required_text("address", example);
  if (!text) return;
  if (text->compare(0, 5, "unix:") == 0) {
    const auto path = parse_absolute_path(std::string_view(*text).substr(5));
    if (!path) {
      reject(reader.findings(), *reader.find("address"), reader.path_of("address"),
             "names no socket: write unix:/run/some.sock");
      return;
    }
    spec.unix_socket = path.value();
    draft.local = true;
    draft.address_unknown = false;
    draft.no_address = unix_socket;
    return;
  }
  const auto endpoint = reader.endpoint("address");
  if (!endpoint) return;
  spec.host = endpoint->host;
  spec.port = endpoint->port;
  draft.policy.endpoint = endpoint;
  draft.local = is_local_host(endpoint->host);
  draft.address_unknown = false;
}

}  // namespace

void read_postgres(MapReader& reader, ProbeDraft& draft) {
  PostgresSpec spec;
  draft.address_unknown = true;
  const auto conninfo = read_conninfo(reader, "url", postgres_example);
  if (conninfo) {
    spec.conninfo = conninfo->text;
    draft.address_unknown = false;
    draft.local = conninfo->parts.host.empty() || is_local_host(conninfo->parts.host);
    const auto endpoint = conninfo_endpoint(conninfo->parts);
    if (endpoint) {
      draft.policy.endpoint = endpoint.value();
    } else {
      draft.no_address = "its url " + endpoint.error().message;
    }
  }
  if (auto password = reader.text("password")) {
    if (conninfo && conninfo->parts.has_password) {
      reader.error("password", "given twice: the url holds one too; leave one of them out");
    }
    spec.password = Secret(std::move(*password));
  }
  spec.expect = reader
                    .choice<PostgresExpect>("expect", {{"any", PostgresExpect::any},
                                                       {"writable", PostgresExpect::writable},
                                                       {"standby", PostgresExpect::standby}})
                    .value_or(PostgresExpect::any);
  spec.max_lag = draft.policy.max_lag = reader.lag("max_lag");
  spec.query = reader.text("query").value_or("");
  spec.session =
      reader
          .choice<SessionUse>("session", {{"kept", SessionUse::kept}, {"fresh", SessionUse::fresh}})
          .value_or(SessionUse::kept);
  draft.spec = std::move(spec);
}

void read_redis(MapReader& reader, ProbeDraft& draft) {
  RedisSpec spec;
  draft.address_unknown = true;
  const auto url = reader.required_text("url", redis_example);
  if (url && read_redis_url(reader, *url, spec)) {
    draft.address_unknown = false;
    draft.local = !spec.unix_socket.empty() || is_local_host(spec.host);
    if (spec.unix_socket.empty()) {
      draft.policy.endpoint = Endpoint{.host = spec.host, .port = spec.port};
    } else {
      draft.no_address = unix_socket;
    }
  }
  if (auto username = reader.text("username")) {
    if (!spec.username.empty()) reader.error("username", "given twice: the url holds one too");
    spec.username = std::move(*username);
  }
  if (auto password = reader.text("password")) {
    if (!spec.password.empty()) reader.error("password", "given twice: the url holds one too");
    spec.password = Secret(std::move(*password));
  }
  spec.check = reader
                   .choice<RedisCheck>("check", {{"ping", RedisCheck::ping},
                                                 {"roundtrip", RedisCheck::roundtrip},
                                                 {"role", RedisCheck::role}})
                   .value_or(RedisCheck::ping);
  spec.expect = reader
                    .choice<RedisExpect>("expect", {{"any", RedisExpect::any},
                                                    {"master", RedisExpect::master},
                                                    {"replica", RedisExpect::replica}})
                    .value_or(RedisExpect::any);
  spec.max_lag = reader.duration("max_lag");
  if (spec.max_lag) draft.policy.max_lag = *spec.max_lag;
  read_redis_memory(reader, spec);
  if (const auto tls = read_tls(reader)) {
    if (url && !draft.address_unknown && !spec.tls) {
      reader.error("tls",
                   "given, but the url does not ask for TLS: write rediss: instead of redis:");
    }
    spec.tls = tls;
  }
  draft.spec = std::move(spec);
}

void read_tcp(MapReader& reader, ProbeDraft& draft) {
  TcpSpec spec;
  read_tcp_address(reader, spec, draft);
  spec.send = reader.text("send").value_or("");
  spec.expect = reader.text("expect").value_or("");
  spec.tls = read_tls(reader);
  if (const auto expiry = read_cert_expiry(reader)) {
    spec.cert_warn = expiry->warn;
    spec.cert_fail = expiry->fail;
    spec.cert_given = true;
    if (!spec.tls)
      reader.error("cert_expiry", "there is no certificate without TLS: add `tls: {}`");
  }
  draft.spec = std::move(spec);
}

void read_pgbouncer(MapReader& reader, ProbeDraft& draft) {
  PgbouncerSpec spec;
  if (const auto admin = read_admin_conninfo(reader)) {
    spec.admin = admin->text;
    draft.local = admin->parts.host.empty() || is_local_host(admin->parts.host);
  }
  if (const YamlNode* node = reader.find("max_wait")) {
    MapReader wait(reader.findings(), node, reader.path_of("max_wait"),
                   reader.key_position("max_wait"));
    spec.max_wait_warn = wait.duration("warn");
    spec.max_wait_fail = wait.duration("fail");
    wait.finish();
    if (spec.max_wait_warn && spec.max_wait_fail && *spec.max_wait_warn >= *spec.max_wait_fail) {
      wait.error("warn", "not below `fail`: it could never warn");
    }
  }
  spec.max_waiting = reader.integer("max_waiting", 0, 1'000'000);
  draft.spec = std::move(spec);
}

}  // namespace pointsman
