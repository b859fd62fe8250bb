// `via: {haproxy: ...}` and `via: {file: ...}`.
#include <set>

#include <fmt/format.h>

#include "daemon/config/redact.hpp"
#include "daemon/config/section_exec.hpp"
#include "daemon/config/section_http.hpp"
#include "daemon/config/section_probes_tls.hpp"
#include "daemon/config/section_units.hpp"
#include "daemon/config/section_vias.hpp"
#include "daemon/config/yaml_source.hpp"
#include "probes/file_template.hpp"

namespace pointsman {
namespace {

/// HAProxy's own rule for the names of backends and servers, which are sent to its runtime API.
bool is_haproxy_name(const std::string& text) {
  constexpr std::string_view others = "-_.:";
  for (const char c : text) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      others.find(c) != std::string_view::npos;
    if (!fine) return false;
  }
  return !text.empty() && text.size() <= 255;
}

void check_haproxy_name(MapReader& reader, const YamlNode& node, std::string_view key,
                        const std::string& text) {
  if (!is_haproxy_name(text)) {
    reject(reader.findings(), node, reader.path_of(key),
           "is not a name that HAProxy takes: letters, digits and - _ . :");
  }
}

void read_servers(MapReader& reader, HaproxyVia& via) {
  (void)reader.require("server",
                       "the server entry that pointsman leads, or several: `server: active`, "
                       "`server: [a, b]`");
  std::set<std::string> seen;
  for (const auto& [text, node] : reader.list("server", "[a, b]")) {
    check_haproxy_name(reader, *node, "server", text);
    if (!seen.insert(text).second) {
      reject(reader.findings(), *node, reader.path_of("server"), "is listed twice");
    }
    via.servers.push_back(text);
  }
  const YamlNode* node = reader.find_section("server");
  if (node && node->kind == YamlNode::Kind::sequence && node->items.empty()) {
    reader.error("server", "empty: name at least one server entry of the backend");
  }
}

std::optional<HaproxyVerifySpec> read_haproxy_verify(MapReader& reader) {
  const YamlNode* node = reader.find("verify");
  if (!node) return std::nullopt;
  MapReader map(reader.findings(), node, reader.path_of("verify"), reader.key_position("verify"));
  HaproxyVerifySpec verify;
  if (map.require("address",
                  "where the application connects to HAProxy: `address: 127.0.0.1:6380`")) {
    verify.address = map.endpoint("address").value_or(Endpoint{});
  }
  verify.user = map.text("user").value_or("");
  verify.password = Secret(map.text("password").value_or(""));
  verify.database = map.text("database").value_or("");
  verify.tls = read_tls(map);
  map.finish();
  return verify;
}

/// The text of the template, which can be filled in; an error of the file is told where the YAML
/// names it.
std::string read_template(MapReader& reader, const std::string& file) {
  const std::string shown = redact_text(file);
  Findings findings;
  auto text = read_text_file(file, findings);
  if (!text) {
    const Diagnostic why = findings.sorted_errors({}).front();
    const std::string line = why.at.line > 0 ? fmt::format(":{}", why.at.line) : "";
    reader.error("template", fmt::format("{}{}: {}", shown, line, why.text));
    return {};
  }
  const auto parsed = FileTemplate::parse(*text, shown);
  if (!parsed) reader.error("template", parsed.error().message);
  return std::move(*text);
}

void read_reload(MapReader& reader, FileVia& via) {
  const YamlNode* node = reader.find("reload");
  if (!node) return;
  MapReader map(reader.findings(), node, reader.path_of("reload"), reader.key_position("reload"));
  auto unit = read_unit_name(map, "unit");
  ExecSpec exec;
  exec.command = read_command(map, "exec", "[/usr/sbin/nginx, -s, reload]");
  if (map.has("exec")) read_exec_surroundings(map, exec);
  map.finish();
  if (map.node() && map.has("unit") == map.has("exec")) {
    reader.error("reload",
                 "write either {unit: nginx.service} or {exec: [/usr/sbin/nginx, -s, reload]}");
  }
  if (unit) via.reload = std::move(*unit);
  if (!exec.command.empty()) via.reload = std::move(exec);
}

/// `http:` is a URL, or a map as of an http probe.
std::optional<HttpSpec> read_verify_http(MapReader& reader) {
  const YamlNode* node = reader.find("http");
  if (!node) return std::nullopt;
  HttpSpec spec;
  const std::string path = reader.path_of("http");
  if (node->kind == YamlNode::Kind::scalar) {
    if (!read_http_url_node(reader, *node, path, spec)) return std::nullopt;
    return spec;
  }
  MapReader map(reader.findings(), node, path, reader.key_position("http"));
  const bool known = read_http_url(map, "what to ask: `url: \"http://127.0.0.1:80/health\"`", spec);
  read_http_request(map, spec);
  if (map.has("status")) spec.status = read_http_statuses(map, "status");
  (void)map.find_section("status");
  spec.body_contains = map.text("body_contains").value_or("");
  read_http_tls(map, known, spec);
  map.finish();
  if (!known) return std::nullopt;
  return spec;
}

void read_file_verify(MapReader& reader, FileVia& via) {
  const YamlNode* node = reader.find("verify");
  if (!node) return;
  MapReader map(reader.findings(), node, reader.path_of("verify"), reader.key_position("verify"));
  const auto tcp = map.endpoint("tcp");
  auto http = read_verify_http(map);
  map.finish();
  if (map.node() && map.has("tcp") == map.has("http")) {
    reader.error("verify",
                 "write either {tcp: \"127.0.0.1:80\"} or {http: \"http://127.0.0.1/health\"}");
  }
  if (tcp) via.verify = *tcp;
  if (http) via.verify = std::move(*http);
}

}  // namespace

Via read_haproxy_via(MapReader& reader) {
  HaproxyVia via;
  if (reader.require("socket", "the runtime API's socket: `socket: /run/haproxy/admin.sock`")) {
    via.socket = reader.absolute_path("socket").value_or("");
  }
  if (auto backend = reader.required_text("backend", "the backend's name")) {
    check_haproxy_name(reader, *reader.find("backend"), "backend", *backend);
    via.backend = std::move(*backend);
  }
  read_servers(reader, via);
  via.verify = read_haproxy_verify(reader);
  via.server_state_file = reader.absolute_path("server_state_file").value_or("");
  reader.finish();
  return via;
}

Via read_file_via(MapReader& reader, SecretUse secrets) {
  FileVia via;
  if (reader.require("path", "the file to write: `path: /etc/nginx/upstream.conf`")) {
    via.path = reader.absolute_path("path").value_or("");
  }
  const YamlNode* node = reader.require(
      "template", "the file that it is made from: `template: /etc/pointsman/upstream.tmpl`");
  via.template_file = node ? reader.absolute_path("template").value_or("") : "";
  if (!via.template_file.empty()) {
    if (via.template_file == via.path) {
      reader.error("template", "the same as `path`: the template would be written over");
    }
    if (secrets == SecretUse::required) {
      via.template_text = read_template(reader, via.template_file);
    }
  }
  read_reload(reader, via);
  read_file_verify(reader, via);
  reader.finish();
  return via;
}

}  // namespace pointsman
