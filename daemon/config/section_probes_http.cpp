// The http probe, and TLS for all who have it.
#include <openssl/evp.h>

#include <cctype>
#include <charconv>
#include <filesystem>
#include <regex>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include <fmt/format.h>

#include "daemon/config/connection_text.hpp"
#include "daemon/config/draft.hpp"
#include "daemon/config/redact.hpp"
#include "daemon/config/section_probes_tls.hpp"

namespace pointsman {
namespace {

constexpr const char* url_example = "what to ask: `url: \"http://127.0.0.1:8000/health\"`";

std::string base64(const std::string& text) {
  std::string result((text.size() + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(result.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  result.resize(static_cast<std::size_t>(length));
  return result;
}

bool is_token(const std::string& text) {
  for (const char c : text) {
    const bool fine = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                      std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    if (!fine) return false;
  }
  return !text.empty();
}

bool iequals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

void read_url(MapReader& reader, HttpSpec& spec, ProbeDraft& draft) {
  draft.address_unknown = true;
  const auto text = reader.required_text("url", url_example);
  if (!text) return;
  const YamlNode& node = *reader.find("url");
  const auto wrong = [&](const std::string& why) {
    reject(reader.findings(), node, reader.path_of("url"), why);
  };
  const auto parsed = parse_url(*text);
  if (!parsed) return wrong(parsed.error().message + ", such as http://127.0.0.1:8000/health");
  const Url& url = parsed.value();
  if (url.scheme != "http" && url.scheme != "https") {
    return wrong("is not a URL of http: or https:, such as http://127.0.0.1:8000/health");
  }
  if (url.host.empty()) return wrong("names no host");
  // What is printed of it must not tell what came from a reference.
  spec.url = node.secret ? redact_value(node.written) : redact_text(*text);
  spec.host = url.host;
  spec.port = url.port.value_or(url.scheme == "https" ? 443 : 80);
  spec.target = url.target.empty()          ? "/"
                : url.target.front() == '/' ? url.target
                                            : "/" + url.target;
  if (url.scheme == "https") spec.tls = TlsSpec{};
  if (!url.user.empty() || url.has_password) {
    spec.headers.emplace_back("Authorization",
                              Secret("Basic " + base64(url.user + ":" + url.password)));
  }
  draft.policy.endpoint = Endpoint{.host = spec.host, .port = spec.port};
  draft.local = is_local_host(spec.host);
  draft.address_unknown = false;
}

void read_headers(MapReader& reader, HttpSpec& spec) {
  const YamlNode* node = reader.find("headers");
  if (!node) return;
  MapReader headers(reader.findings(), node, reader.path_of("headers"),
                    reader.key_position("headers"));
  if (!headers.node()) return;
  for (const auto& entry : headers.node()->entries) {
    const std::string path = headers.path_of(entry.key);
    auto value = scalar_text(reader.findings(), entry.value, path, "text");
    if (!is_token(entry.key)) {
      reader.findings().error(entry.key_at, path, "is not the name of an HTTP header");
    } else if (value && value->find_first_of("\r\n") != std::string::npos) {
      reader.findings().error(entry.value.at, path,
                              "a header is one line: a line break stands in it");
    } else if (value && iequals(entry.key, "Authorization") && !spec.headers.empty() &&
               spec.headers.front().first == "Authorization") {
      reader.findings().error(entry.key_at, path,
                              "given twice: the url holds a user and password too");
    } else if (value) {
      spec.headers.emplace_back(entry.key, Secret(std::move(*value)));
    }
  }
}

std::vector<StatusRange> read_statuses(MapReader& reader, std::string_view key) {
  std::vector<StatusRange> ranges;
  const std::string path = reader.path_of(key);
  for (const auto& [text, node] : reader.list(key, "[200-299, 304]")) {
    const auto range = read_value(reader.findings(), *node, path, "a status", &parse_status);
    if (range) ranges.push_back(*range);
  }
  if (const YamlNode* node = reader.find(key);
      node && node->kind == YamlNode::Kind::sequence && node->items.empty()) {
    reader.error(key, "an empty list matches nothing: leave the key out");
  }
  return ranges;
}

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
      spec.json.push_back({.pointer = entry.key, .value = "null"});
    } else if (scalar_text(reader.findings(), entry.value, path, "text, a number, true or false")) {
      spec.json.push_back({.pointer = entry.key, .value = json_text(entry.value)});
    }
  }
}

void read_body_expectations(MapReader& reader, HttpSpec& spec) {
  spec.body_contains = reader.text("body_contains").value_or("");
  spec.body_matches = reader.text("body_matches").value_or("");
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
  read_url(reader, spec, draft);
  if (auto method = reader.text("method")) {
    if (!is_token(*method)) {
      reject(reader.findings(), *reader.find("method"), reader.path_of("method"),
             "is not an HTTP method: write GET, HEAD or POST");
    }
    spec.method = std::move(*method);
  }
  read_headers(reader, spec);
  spec.body = Secret(reader.text("body").value_or(""));
  if (reader.has("status")) spec.status = read_statuses(reader, "status");
  (void)reader.find_section("status");
  spec.warn_status = read_statuses(reader, "warn_status");
  read_body_expectations(reader, spec);
  read_json(reader, spec);
  if (const auto tls = read_tls(reader)) {
    if (!draft.address_unknown && !spec.tls) {
      reader.error("tls", "given, but the url does not ask for TLS: write https: instead of http:");
    }
    spec.tls = tls;
  }
  if (const auto expiry = read_cert_expiry(reader)) {
    spec.cert_warn = expiry->warn;
    spec.cert_fail = expiry->fail;
  }
  spec.redirects = static_cast<int>(reader.integer("redirects", 0, 10).value_or(0));
  spec.ip = reader
                .choice<IpVersion>(
                    "ip", {{"any", IpVersion::any}, {"4", IpVersion::v4}, {"6", IpVersion::v6}})
                .value_or(IpVersion::any);
  draft.spec = std::move(spec);
}

}  // namespace pointsman
