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

/// One entry of `via:`, `map` is its `{KIND: {...}}`.
void read_via(MapReader& map, RouteDraft& route, SecretUse secrets) {
  const YamlNode* pgbouncer = map.find_section("pgbouncer");
  const YamlNode* haproxy = map.find_section("haproxy");
  const YamlNode* file = map.find_section("file");
  map.finish();
  if (!map.node()) return;
  if ((map.has("pgbouncer") ? 1 : 0) + (map.has("haproxy") ? 1 : 0) + (map.has("file") ? 1 : 0) >
      1) {
    map.findings().error(
        map.node()->at, map.path(),
        "one pooler each: write several as a list, `via: [{pgbouncer: ...}, {pgbouncer: ...}]`");
  }
  const auto inner = [&map](const YamlNode* node, std::string_view key) {
    return MapReader(map.findings(), node, map.path_of(key), map.key_position(key));
  };
  const auto add = [&](ViaKind kind, Via via, std::string_view key) {
    route.policy.via.push_back(kind);
    route.vias.push_back(std::move(via));
    route.via_at.push_back(map.key_position(key));
  };
  if (map.has("pgbouncer")) {
    MapReader reader = inner(pgbouncer, "pgbouncer");
    add(ViaKind::pgbouncer, read_pgbouncer_via(reader, route.policy.name.text), "pgbouncer");
  } else if (map.has("haproxy")) {
    MapReader reader = inner(haproxy, "haproxy");
    add(ViaKind::haproxy, read_haproxy_via(reader), "haproxy");
  } else if (map.has("file")) {
    MapReader reader = inner(file, "file");
    add(ViaKind::file, read_file_via(reader, secrets), "file");
  } else if (map.node()->entries.empty()) {
    map.findings().error(map.node()->at, map.path(),
                         "names no pooler: write {pgbouncer: {admin: ..., file: ...}}");
  }
}

}  // namespace

void read_vias(MapReader& reader, RouteDraft& route, SecretUse secrets) {
  const YamlNode* node = reader.require(
      "via", "the pooler to move: `via: {pgbouncer: {admin: ..., file: ..., database: ...}}`");
  if (!node) return;
  const std::string path = reader.path_of("via");
  if (node->kind != YamlNode::Kind::sequence) {
    MapReader map(reader.findings(), node, path, reader.key_position("via"));
    read_via(map, route, secrets);
    return;
  }
  if (node->items.empty()) reader.error("via", "an empty list: name at least one pooler");
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    MapReader map(reader.findings(), &node->items[i], fmt::format("{}[{}]", path, i),
                  node->items[i].at);
    read_via(map, route, secrets);
  }
}

}  // namespace pointsman
