#include "daemon/config/redact.hpp"

#include <array>
#include <cctype>
#include <charconv>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <fmt/format.h>

#include "daemon/config/yaml_tree.hpp"

namespace pointsman {
namespace {

constexpr std::string_view hidden = "***";

constexpr std::array<std::string_view, 10> secret_words{
    "password", "passwd", "pwd",     "token",      "secret",
    "api_key",  "apikey", "api-key", "passphrase", "authorization"};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

bool ends_with_secret_word(std::string_view name) {
  for (const auto word : secret_words) {
    if (name.size() >= word.size() && name.substr(name.size() - word.size()) == word) return true;
  }
  return false;
}

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

/// password = 'a b' and password=x: the value up to its closing quote, else to the next blank.
std::string redact_assignments(std::string_view text) {
  std::string result;
  std::size_t i = 0;
  while (i < text.size()) {
    if (text[i] != '=') {
      result += text[i++];
      continue;
    }
    std::size_t name_end = result.size();
    while (name_end > 0 && is_space(result[name_end - 1])) --name_end;
    std::size_t name_start = name_end;
    while (name_start > 0 && is_word(result[name_start - 1])) --name_start;
    result += text[i++];
    if (!ends_with_secret_word(lower(result.substr(name_start, name_end - name_start)))) continue;
    while (i < text.size() && is_space(text[i])) ++i;
    if (text.compare(i, 2, "${") == 0) continue;  // a reference: it only names the secret
    if (i < text.size() && text[i] == '\'') {
      for (++i; i < text.size() && text[i] != '\''; ++i) {
        if (text[i] == '\\') ++i;
      }
      if (i < text.size()) ++i;
    }
    while (i < text.size() && !is_space(text[i])) ++i;
    result += hidden;
  }
  return result;
}

/// user:SECRET@host, with or without a scheme: all between the first ':' and the last '@' of a
/// word.
std::string redact_word(std::string_view word) {
  const std::size_t at = word.rfind('@');
  if (at == std::string_view::npos) return std::string(word);
  std::size_t start = word.find("//");
  start = start == std::string_view::npos || start > at ? 0 : start + 2;
  const std::size_t colon = word.find(':', start);
  if (colon == std::string_view::npos || colon >= at) return std::string(word);
  const std::string_view inner = word.substr(colon + 1, at - colon - 1);
  const bool only_reference = inner.substr(0, 2) == "${" && inner.find('}') + 1 == inner.size();
  return fmt::format("{}:{}{}", word.substr(0, colon), only_reference ? inner : hidden,
                     word.substr(at));
}

std::string redact_credentials(std::string_view text) {
  std::string result;
  std::size_t i = 0;
  while (i < text.size()) {
    std::size_t end = i;
    while (end < text.size() && !is_space(text[end])) ++end;
    // A blank in a URL's password is wrong, and no reason to show the password.
    if (text.substr(i, end - i).find("://") != std::string_view::npos) end = text.size();
    result += redact_word(text.substr(i, end - i));
    while (end < text.size() && is_space(text[end])) result += text[end++];
    i = end;
  }
  return result;
}

std::string_view last_key(std::string_view path) {
  while (!path.empty() && path.back() == ']') path = path.substr(0, path.rfind('['));
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

/// The path of a webhook's URL is what lets in whoever knows it.
bool is_notifier_url(std::string_view path) {
  return path.substr(0, 7) == "notify." && last_key(path) == "url";
}

bool stands_under_secret(std::string_view path) {
  if (is_secret_key(last_key(path)) || is_notifier_url(path)) return true;
  return path.find(".headers.") != std::string_view::npos ||
         path.find(".env.") != std::string_view::npos;
}

boost::json::value scalar_json(const YamlNode& node) {
  if (node.secret) return boost::json::string(redact_value(node.written));
  if (!node.quoted) {
    if (node.text == "true") return true;
    if (node.text == "false") return false;
    std::int64_t number = 0;
    const char* end = node.text.data() + node.text.size();
    const auto read = std::from_chars(node.text.data(), end, number);
    if (read.ec == std::errc{} && read.ptr == end) return number;
  }
  return boost::json::string(redact_text(node.text));
}

boost::json::value to_json(const YamlNode& node, bool secret) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return nullptr;
    case YamlNode::Kind::scalar:
      return secret ? boost::json::value(boost::json::string(hidden)) : scalar_json(node);
    case YamlNode::Kind::sequence: {
      boost::json::array array;
      for (const auto& item : node.items) array.push_back(to_json(item, secret));
      return array;
    }
    case YamlNode::Kind::map: {
      boost::json::object object;
      for (const auto& entry : node.entries) {
        object[redact_text(entry.key)] = to_json(entry.value, secret || is_secret_key(entry.key));
      }
      return object;
    }
  }
  return nullptr;
}

/// Of notify's URLs scheme and host only.
void cut_notifier_urls(boost::json::value& root) {
  boost::json::object* sections = root.if_object();
  boost::json::value* notify = sections ? sections->if_contains("notify") : nullptr;
  if (!notify || !notify->is_object()) return;
  for (auto& notifier : notify->get_object()) {
    boost::json::object* keys = notifier.value().if_object();
    boost::json::value* url = keys ? keys->if_contains("url") : nullptr;
    if (!url || !url->is_string()) continue;
    const std::string text(url->get_string().c_str());
    const std::size_t host = text.find("://");
    const std::size_t path = host == std::string::npos ? 0 : text.find('/', host + 3);
    if (path != std::string::npos && path + 1 < text.size()) {
      *url = boost::json::string(text.substr(0, path) + "/" + std::string(hidden));
    }
  }
}

}  // namespace

std::string redact_text(std::string_view text) {
  return redact_credentials(redact_assignments(text));
}

bool is_secret_key(std::string_view key) {
  const std::string name = lower(key);
  return ends_with_secret_word(name) || name == "headers" || name == "env" || name == "body" ||
         name == "routing_key" || name == "hmac";
}

std::string show(const YamlNode& node, std::string_view path) {
  if (stands_under_secret(path)) return "what is given here";
  constexpr std::size_t longest = 60;
  std::string text = redact_text(node.written);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  if (text.size() > longest) {
    std::size_t end = longest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    text = text.substr(0, end) + "...";
  }
  return "'" + text + "'";
}

std::string redact_value(std::string_view written) {
  std::string result;
  std::size_t i = 0;
  while (i < written.size()) {
    const std::size_t start = written.find("${", i);
    const std::size_t end = start == std::string_view::npos ? start : written.find('}', start);
    if (end == std::string_view::npos) break;
    result += written.substr(i, start - i);
    result += hidden;
    i = end + 1;
  }
  result += written.substr(i);
  return redact_text(result);
}

boost::json::value redacted_json(const YamlNode& node) {
  boost::json::value root = to_json(node, false);
  cut_notifier_urls(root);
  return root;
}

}  // namespace pointsman
