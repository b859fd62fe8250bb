#include "daemon/config/section_http.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>

#include "daemon/config/connection_text.hpp"
#include "daemon/config/redact.hpp"
#include "daemon/config/section_probes_tls.hpp"

namespace pointsman {
namespace {

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

}  // namespace

bool read_http_url_node(MapReader& reader, const YamlNode& node, const std::string& path,
                        HttpSpec& spec) {
  const auto wrong = [&](const std::string& why) {
    reject(reader.findings(), node, path, why);
    return false;
  };
  const auto text = scalar_text(reader.findings(), node, path, "a URL");
  if (!text) return false;
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
  spec.target_secret = node.secret;
  if (url.scheme == "https") spec.tls = TlsSpec{};
  if (!url.user.empty() || url.has_password) {
    spec.headers.emplace_back("Authorization",
                              Secret("Basic " + base64(url.user + ":" + url.password)));
  }
  return true;
}

bool read_http_url(MapReader& reader, std::string_view example, HttpSpec& spec) {
  if (!reader.required_text("url", example)) return false;
  return read_http_url_node(reader, *reader.find("url"), reader.path_of("url"), spec);
}

void read_http_request(MapReader& reader, HttpSpec& spec) {
  if (auto method = reader.text("method")) {
    if (!is_token(*method)) {
      reject(reader.findings(), *reader.find("method"), reader.path_of("method"),
             "is not an HTTP method: write GET, HEAD or POST");
    }
    spec.method = std::move(*method);
  }
  read_headers(reader, spec);
  spec.body = Secret(reader.text("body").value_or(""));
}

void read_http_tls(MapReader& reader, bool url_is_known, HttpSpec& spec) {
  const auto tls = read_tls(reader);
  if (!tls) return;
  if (url_is_known && !spec.tls) {
    reader.error("tls", "given, but the url does not ask for TLS: write https: instead of http:");
  }
  spec.tls = tls;
}

std::vector<StatusRange> read_http_statuses(MapReader& reader, std::string_view key) {
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

}  // namespace pointsman
