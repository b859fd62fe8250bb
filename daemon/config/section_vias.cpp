#include "daemon/config/section_vias.hpp"

#include <cctype>
#include <map>

#include <fmt/format.h>

#include "daemon/config/connection_text.hpp"
#include "daemon/config/redact.hpp"

namespace pointsman {
namespace {

/// The keys of a pgbouncer line's "k=v k='v w'", or why pgbouncer would not take it.
Result<std::map<std::string, std::string>> parse_options(const std::string& text) {
  std::map<std::string, std::string> options;
  std::size_t i = 0;
  const auto skip = [&] {
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
  };
  for (skip(); i < text.size(); skip()) {
    std::string key, value;
    while (i < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_')) {
      key += text[i++];
    }
    skip();
    if (key.empty() || i >= text.size() || text[i] != '=') {
      return Error{"is not a list of settings: write \"dbname=bud pool_size=20\""};
    }
    ++i;
    skip();
    if (i < text.size() && text[i] == '\'') {
      bool closed = false;
      for (++i; i < text.size() && !closed; ++i) {
        if (text[i] != '\'') {
          value += text[i];
        } else if (i + 1 < text.size() && text[i + 1] == '\'') {
          value += text[i++];
        } else {
          closed = true;
        }
      }
      if (!closed) return Error{"has a quote that is not closed"};
    } else {
      while (i < text.size() && !std::isspace(static_cast<unsigned char>(text[i])))
        value += text[i++];
    }
    if (!options.emplace(key, value).second) return Error{fmt::format("gives {} twice", key)};
  }
  return options;
}

void read_options(MapReader& reader, PgbouncerVia& via) {
  via.options = reader.text("options").value_or("");
  const YamlNode* node = reader.find("options");
  const auto wrong = [&](const std::string& why) {
    reject(reader.findings(), *node, reader.path_of("options"), why);
  };
  if (via.options.find_first_of("\r\n") != std::string::npos) {
    return wrong("has a line break: a database is one line of the targets file");
  }
  const auto options = parse_options(via.options);
  if (!options) return wrong(options.error().message);
  for (const char* key : {"host", "port"}) {
    if (options.value().count(key) != 0) {
      wrong(fmt::format("gives {}: host and port are what pointsman writes there", key));
    }
  }
  if (options.value().count("dbname") == 0) {
    via.options =
        fmt::format("dbname={}{}{}", via.database, via.options.empty() ? "" : " ", via.options);
  }
}

/// FACTS section 4: other names stop pgbouncer's load, or are reserved.
void read_database(MapReader& reader, const std::string& route, PgbouncerVia& via) {
  via.database = route;
  if (auto database = reader.text("database")) {
    const auto name = parse_name(*database);
    if (!name) {
      reject(reader.findings(), *reader.find("database"), reader.path_of("database"),
             "is not a name that pgbouncer takes for a database: 1 to 63 of A-Z a-z 0-9 _ . -");
    }
    via.database = std::move(*database);
  }
  if (via.database == "pgbouncer") {
    reader.error("database", "'pgbouncer' is the name of pgbouncer's own console");
  }
}

Via read_pgbouncer_via(MapReader& reader, const std::string& route) {
  PgbouncerVia via;
  if (const auto admin = read_admin_conninfo(reader)) via.admin = admin->text;
  if (reader.require("file",
                     "the targets file that pgbouncer.ini includes: `file: "
                     "/var/lib/pointsman/pgbouncer/targets.ini`")) {
    via.file = reader.absolute_path("file").value_or("");
  }
  read_database(reader, route, via);
  read_options(reader, via);
  if (const YamlNode* node = reader.find("verify")) {
    MapReader verify(reader.findings(), node, reader.path_of("verify"),
                     reader.key_position("verify"));
    via.verify_user =
        verify.required_text("user", "who asks through the pooler: `user: pointsman`").value_or("");
    via.verify_password = Secret(verify.text("password").value_or(""));
    verify.finish();
  }
  reader.finish();
  return via;
}

Via read_haproxy_via(MapReader& reader) {
  HaproxyVia via;
  if (reader.require("socket", "the runtime API's socket: `socket: /run/haproxy/admin.sock`")) {
    via.socket = reader.absolute_path("socket").value_or("");
  }
  via.backend = reader.required_text("backend", "the backend's name").value_or("");
  via.server = reader.required_text("server", "the server's name in the backend").value_or("");
  if (const YamlNode* node = reader.find("verify")) {
    MapReader verify(reader.findings(), node, reader.path_of("verify"),
                     reader.key_position("verify"));
    (void)verify.text("user");
    (void)verify.text("password");
    verify.finish();
  }
  reader.finish();
  return via;
}

Via read_file_via(MapReader& reader) {
  FileVia via;
  if (reader.require("path", "the file to write: `path: /etc/nginx/upstream.conf`")) {
    via.path = reader.absolute_path("path").value_or("");
  }
  if (reader.require("template",
                     "the file that it is made from: `template: /etc/pointsman/upstream.tmpl`")) {
    via.template_file = reader.text("template").value_or("");
  }
  if (const YamlNode* node = reader.find("reload")) {
    MapReader reload(reader.findings(), node, reader.path_of("reload"),
                     reader.key_position("reload"));
    via.reload_unit =
        reload.required_text("unit", "the unit to reload: `unit: nginx.service`").value_or("");
    reload.finish();
  }
  reader.finish();
  return via;
}

void read_via(const YamlNode& node, const std::string& path, const Position& at, MapReader& reader,
              RouteDraft& route) {
  MapReader map(reader.findings(), &node, path, at);
  const YamlNode* pgbouncer = map.find_section("pgbouncer");
  const YamlNode* haproxy = map.find_section("haproxy");
  const YamlNode* file = map.find_section("file");
  map.finish();
  if (!map.node()) return;
  if ((map.has("pgbouncer") ? 1 : 0) + (map.has("haproxy") ? 1 : 0) + (map.has("file") ? 1 : 0) >
      1) {
    map.findings().error(
        node.at, path,
        "one pooler each: write several as a list, `via: [{pgbouncer: ...}, {pgbouncer: ...}]`");
  }
  const std::string& name = route.policy.name.text;
  const auto add = [&](ViaKind kind, Via via, std::string_view key) {
    route.policy.via.push_back(kind);
    route.vias.push_back(std::move(via));
    route.via_at.push_back(map.key_position(key));
  };
  if (map.has("pgbouncer")) {
    MapReader inner(reader.findings(), pgbouncer, map.path_of("pgbouncer"),
                    map.key_position("pgbouncer"));
    add(ViaKind::pgbouncer, read_pgbouncer_via(inner, name), "pgbouncer");
  } else if (map.has("haproxy")) {
    MapReader inner(reader.findings(), haproxy, map.path_of("haproxy"),
                    map.key_position("haproxy"));
    add(ViaKind::haproxy, read_haproxy_via(inner), "haproxy");
    map.warn("haproxy",
             "read, but this version moves pgbouncer only: it watches the candidates and "
             "does not switch this one");
  } else if (map.has("file")) {
    MapReader inner(reader.findings(), file, map.path_of("file"), map.key_position("file"));
    add(ViaKind::file, read_file_via(inner), "file");
    map.warn("file",
             "read, but this version moves pgbouncer only: it watches the candidates and "
             "does not switch this one");
  } else if (map.node()->entries.empty()) {
    map.findings().error(node.at, path,
                         "names no pooler: write {pgbouncer: {admin: ..., file: ...}}");
  }
}

/// `{exec: [argv], timeout: 30s}` or `{http: {url, method, headers, body}, timeout: 30s}`.
void read_hook(MapReader& reader, std::string_view key) {
  const YamlNode* node = reader.find(key);
  if (!node) return;
  MapReader hook(reader.findings(), node, reader.path_of(key), reader.key_position(key));
  if (hook.node()) {
    const auto command = hook.list("exec", "[/usr/local/bin/fence, --now]");
    if (hook.has("exec") && !command.empty() && command.front().first.substr(0, 1) != "/") {
      reject(reader.findings(), *command.front().second, hook.path_of("exec"),
             "is not an absolute path: no PATH is searched");
    }
    if (const YamlNode* http = hook.find("http")) {
      MapReader request(reader.findings(), http, hook.path_of("http"), hook.key_position("http"));
      (void)request.required_text("url", "what to call: `url: \"http://127.0.0.1:9000/fence\"`");
      (void)request.text("method");
      (void)request.find("headers");
      (void)request.text("body");
      request.finish();
    }
    (void)hook.duration("timeout");
    hook.finish();
    if (hook.has("exec") == hook.has("http")) {
      reader.error(key, "write either {exec: [/path/to/command]} or {http: {url: ...}}");
    }
  }
  reader.warn(key, "read, but this version follows only: the hook is never run");
}

}  // namespace

void read_vias(MapReader& reader, RouteDraft& route) {
  const YamlNode* node = reader.require(
      "via", "the pooler to move: `via: {pgbouncer: {admin: ..., file: ..., database: ...}}`");
  if (!node) return;
  const std::string path = reader.path_of("via");
  if (node->kind != YamlNode::Kind::sequence) {
    read_via(*node, path, reader.key_position("via"), reader, route);
    return;
  }
  if (node->items.empty()) reader.error("via", "an empty list: name at least one pooler");
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    read_via(node->items[i], fmt::format("{}[{}]", path, i), node->items[i].at, reader, route);
  }
}

void read_promotion(MapReader& reader, const Draft& draft) {
  if (const YamlNode* node = reader.find("promote")) {
    MapReader promote(reader.findings(), node, reader.path_of("promote"),
                      reader.key_position("promote"));
    const std::vector<std::string> diagnoses{"primary_dead", "primary_frozen", "master_dead",
                                             "master_frozen"};
    for (const auto& [text, item] : promote.list("when", "[primary_dead, primary_frozen]")) {
      bool known = false;
      for (const auto& diagnosis : diagnoses) known = known || diagnosis == text;
      if (!known) {
        reject(reader.findings(), *item, promote.path_of("when"), not_one_of(diagnoses, text));
      }
    }
    (void)promote.lag("max_lag");
    (void)promote.duration("timeout");
    (void)promote.duration("restart_grace", Duration{0});
    const bool sole = promote.boolean("sole_promoter").value_or(false);
    promote.finish();
    if (!sole && !draft.has_fleet) {
      reader.error("promote",
                   "two hosts that promote without agreeing split the brain: add a `fleet:`, "
                   "or `sole_promoter: true` where this is the one host that promotes");
    }
    reader.warn("promote", "read, but this version follows only: it will not promote");
  }
  for (const char* hook : {"fence", "demote", "undemote", "after_promote"}) read_hook(reader, hook);
}

}  // namespace pointsman
