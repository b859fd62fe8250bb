#include "daemon/notify/text.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

namespace pointsman {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view ellipsis = "\xE2\x80\xA6";  // one unit

/// The length of the valid UTF-8 sequence at the start; 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  if (first >= 0xC2 && first < 0xE0) length = 2;
  if (first >= 0xE0 && first < 0xF0) length = 3;
  if (first >= 0xF0 && first < 0xF5) length = 4;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  const bool wrong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
                     (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F);
  return wrong ? 0 : length;
}

/// One character of valid UTF-8, taken off the front.
std::string_view take_character(std::string_view& text) {
  const std::size_t length = sequence_length(text);
  const std::string_view character = text.substr(0, length == 0 ? 1 : length);
  text.remove_prefix(character.size());
  return character;
}

std::size_t units_of(std::string_view character) {
  return character.size() == 4 ? 2 : 1;
}

std::string_view slack_form(std::string_view character) {
  if (character == "&") return "&amp;";
  if (character == "<") return "&lt;";
  if (character == ">") return "&gt;";
  return character;
}

}  // namespace

std::string clean_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    const std::string_view character = take_character(text);
    const auto first = static_cast<unsigned char>(character[0]);
    const bool control = (first < 0x20 && first != '\n' && first != '\t') || first == 0x7F;
    if (length == 0)
      out += replacement;
    else if (!control)
      out += character;
  }
  return out;
}

std::size_t utf16_units(std::string_view text) {
  std::size_t units = 0;
  while (!text.empty()) units += units_of(take_character(text));
  return units;
}

std::string cut_text(std::string_view text, std::size_t units) {
  if (utf16_units(text) <= units) return std::string(text);
  std::string out;
  std::size_t used = 1;
  while (!text.empty()) {
    const std::string_view character = take_character(text);
    used += units_of(character);
    if (used > units) break;
    out += character;
  }
  return units == 0 ? std::string() : out.append(ellipsis);
}

std::string json_escape(std::string_view text) {
  const std::string quoted = boost::json::serialize(boost::json::string(text));
  return quoted.substr(1, quoted.size() - 2);
}

std::string slack_escape(std::string_view text, std::size_t units) {
  std::string out;
  std::size_t used = 0, fits = 0;  // fits: the bytes after which an ellipsis still fits
  while (!text.empty()) {
    const std::string_view character = take_character(text);
    const std::string_view form = slack_form(character);
    const std::size_t more = form.size() == character.size() ? units_of(character) : form.size();
    if (used + more > units) return out.substr(0, fits).append(ellipsis);
    out += form;
    used += more;
    if (used + 1 <= units) fits = out.size();
  }
  return out;
}

std::string label_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    name.push_back(letter || (digit && !name.empty()) ? c : '_');
  }
  return name.empty() ? "_" : name;
}

std::string fingerprint_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3u;
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace pointsman
