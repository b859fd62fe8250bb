// The http probe, and TLS for all who have it.
#include <cctype>
#include <charconv>
#include <filesystem>
#include <regex>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include <fmt/format.h>

#include "daemon/config/draft.hpp"
#include "daemon/config/redact.hpp"
#include "daemon/config/section_http.hpp"
#include "daemon/config/section_probes_tls.hpp"

namespace pointsman {
namespace {

constexpr const char* url_example = "what to ask: `url: \"http://127.0.0.1:8000/health\"`";

/// A scalar as JSON text: what stands without quotes and looks like a number, true, false or null
/// is it.
std::string json_text(const YamlNode& node) {
  if (!node.quoted) {
    if (node.text == "true" || node.text == "false" || node.text == "null") return node.text;
    double number = 0;
    const char* end = node.text.data() + node.text.size();
    const auto read = std::from_chars(node.text.data(), end, number);
    if (read.ec == std::errc{} && read.ptr == end && !node.text.empty() &&
        (std::isdigit(static_cast<unsigned char>(node.text.back())) != 0)) {
      return node.text;
    }
  }
  return boost::json::serialize(boost::json::string(node.text));
}

void read_json(MapReader& reader, HttpSpec& spec) {
  const YamlNode* node = reader.find("json");
  if (!node) return;
  MapReader json(reader.findings(), node, reader.path_of("json"), reader.key_position("json"));
  if (!json.node()) return;
  for (const auto& entry : json.node()->entries) {
    const std::string path = json.path_of(entry.key);
    if (!entry.key.empty() && entry.key.front() != '/') {
      reader.findings().error(
          entry.key_at, path,
          fmt::format("a JSON pointer begins with '/': write \"/{}\"", redact_text(entry.key)));
    } else if (entry.value.kind == YamlNode::Kind::null) {
      spec.json.push_back({.pointer = entry.key, .value = "null", .secret = false});
    } else if (scalar_text(reader.findings(), entry.value, path, "text, a number, true or false")) {
      spec.json.push_back(
          {.pointer = entry.key, .value = json_text(entry.value), .secret = entry.value.secret});
    }
  }
}

void read_body_expectations(MapReader& reader, HttpSpec& spec) {
  spec.body_contains = reader.text("body_contains").value_or("");
  spec.body_matches = reader.text("body_matches").value_or("");
  for (const char* key : {"body_contains", "body_matches"}) {
    const YamlNode* node = reader.find(key);
    if (node && node->secret) spec.body_secret = true;
  }
  if (spec.body_matches.empty()) return;
  try {
    const std::regex pattern(spec.body_matches, std::regex::ECMAScript);
  } catch (const std::regex_error& error) {
    reject(reader.findings(), *reader.find("body_matches"), reader.path_of("body_matches"),
           "is not a regular expression (ECMAScript)");
  }
}

void warn_of_missing_file(MapReader& reader, std::string_view key, const std::string& file) {
  std::error_code error;
  if (!file.empty() && !std::filesystem::exists(file, error) && !error) {
    reader.warn(key, "no such file yet: until it is there, the probe cannot judge");
  }
}

}  // namespace

std::optional<TlsSpec> read_tls(MapReader& reader) {
  const YamlNode* node = reader.find("tls");
  if (!node) return std::nullopt;
  MapReader tls(reader.findings(), node, reader.path_of("tls"), reader.key_position("tls"));
  TlsSpec spec;
  spec.ca = tls.absolute_path("ca").value_or("");
  spec.cert = tls.absolute_path("cert").value_or("");
  spec.key = tls.absolute_path("key").value_or("");
  spec.server_name = tls.text("server_name").value_or("");
  spec.verify = tls.boolean("verify").value_or(true);
  tls.finish();
  if (tls.has("cert") != tls.has("key")) {
    tls.error(tls.has("cert") ? "cert" : "key", "`cert` and `key` go together: give both or none");
  }
  warn_of_missing_file(tls, "ca", spec.ca);
  warn_of_missing_file(tls, "cert", spec.cert);
  warn_of_missing_file(tls, "key", spec.key);
  if (!spec.verify)
    tls.warn("verify", "whoever answers is believed: certificates are not verified");
  return spec;
}

std::optional<CertExpiry> read_cert_expiry(MapReader& reader) {
  const YamlNode* node = reader.find("cert_expiry");
  if (!node) return std::nullopt;
  MapReader map(reader.findings(), node, reader.path_of("cert_expiry"),
                reader.key_position("cert_expiry"));
  CertExpiry expiry;
  if (const auto warn = map.duration("warn")) expiry.warn = *warn;
  if (const auto fail = map.duration("fail", Duration{0})) expiry.fail = *fail;
  map.finish();
  if (expiry.warn <= expiry.fail) {
    map.error(map.has("warn") ? "warn" : "fail",
              fmt::format("`warn` ({}) has to be longer than `fail` ({}), or it could never warn",
                          yaml_duration(expiry.warn), yaml_duration(expiry.fail)));
  }
  return expiry;
}

void read_http(MapReader& reader, ProbeDraft& draft) {
  HttpSpec spec;
  draft.address_unknown = !read_http_url(reader, url_example, spec);
  if (!draft.address_unknown) {
    draft.policy.endpoint = Endpoint{.host = spec.host, .port = spec.port};
    draft.local = is_local_host(spec.host);
  }
  read_http_request(reader, spec);
  if (reader.has("status")) spec.status = read_http_statuses(reader, "status");
  (void)reader.find_section("status");
  spec.warn_status = read_http_statuses(reader, "warn_status");
  read_body_expectations(reader, spec);
  read_json(reader, spec);
  read_http_tls(reader, !draft.address_unknown, spec);
  if (const auto expiry = read_cert_expiry(reader)) {
    spec.cert_warn = expiry->warn;
    spec.cert_fail = expiry->fail;
    spec.cert_given = true;
  }
  spec.redirects = static_cast<int>(reader.integer("redirects", 0, 10).value_or(0));
  spec.ip = reader
                .choice<IpVersion>(
                    "ip", {{"any", IpVersion::any}, {"4", IpVersion::v4}, {"6", IpVersion::v6}})
                .value_or(IpVersion::any);
  draft.spec = std::move(spec);
}

}  // namespace pointsman
