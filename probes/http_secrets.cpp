#include "probes/http_secrets.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include <boost/beast/core/string.hpp>

#include "probes/exec.hpp"

namespace pointsman {
namespace {

/// Headers that are no secret, and whose words an answer needs to be understood.
constexpr std::array<std::string_view, 5> open_headers{"Content-Type", "Accept", "Host",
                                                       "User-Agent", "Accept-Language"};

using Values = std::set<std::string>;

bool is_open(const std::string& header) {
  return std::any_of(open_headers.begin(), open_headers.end(),
                     [&](std::string_view open) { return boost::beast::iequals(open, header); });
}

/// Of tokens as they are made: base64 and its kin, names, parts of a JWT.
bool is_of_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0 ||
         std::string_view("-._~+/").find(c) != std::string_view::npos;
}

void add_word(Values& values, std::string_view word) {
  if (word.size() >= min_redacted) values.emplace(word);
}

/// Of a JSON document the member's name, of a template what is filled in: an answer that says which
/// field is missing is worth reading.
bool is_name(std::string_view after) {
  const bool quoted = after.starts_with('"');
  if (quoted) after.remove_prefix(1);
  after.remove_prefix(std::min(after.find_first_not_of(" \t"), after.size()));
  return quoted ? after.starts_with(':') : after.starts_with("}}");
}

/// The whole and its words.
void add(Values& values, std::string_view text) {
  add_word(values, text);
  std::size_t begin = 0;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    if (at < text.size() && is_of_word(text[at])) continue;
    if (!is_name(text.substr(at))) add_word(values, text.substr(begin, at - begin));
    begin = at + 1;
  }
}

void add_path(Values& values, std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  // Whatever its length: an answer does not need it.
  for (const std::string_view whole : {target, path}) {
    if (whole.size() > 1) values.emplace(whole);
  }
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    add_word(values, path.substr(at, end - at));
    at = end + 1;
  }
}

}  // namespace

std::vector<Secret> request_secrets(const HttpSpec& spec, bool with_path,
                                    const std::vector<Secret>& more) {
  Values values;
  for (const auto& [name, value] : spec.headers) {
    if (!is_open(name)) add(values, value.reveal());
  }
  add(values, spec.body.reveal());
  for (const Secret& value : more) add(values, value.reveal());
  const auto query = spec.target.find('?');
  if (query != std::string::npos) add(values, std::string_view(spec.target).substr(query + 1));
  if (with_path) add_path(values, spec.target);

  std::vector<Secret> secrets;
  for (const std::string& value : values) secrets.emplace_back(value);
  std::stable_sort(secrets.begin(), secrets.end(), [](const Secret& a, const Secret& b) {
    return a.reveal().size() > b.reveal().size();
  });
  return secrets;
}

std::string echoed_line(std::string_view body, const std::vector<Secret>& secrets) {
  // Redacted first: a line that is cut short could end within a secret.
  return printable_first_line(redact(std::string(body.substr(0, max_echo)), secrets));
}

}  // namespace pointsman
