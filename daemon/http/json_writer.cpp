#include "daemon/http/json_writer.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "probes/clock.hpp"

namespace pointsman {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// Length of the UTF-8 sequence that starts at `at`, or 0 when there is none that is well formed.
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  std::size_t length = 0;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(at + 1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool out_of_range = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return overlong || out_of_range ? 0 : length;
}

void append_escaped(std::string& out, std::string_view text) {
  std::size_t plain_from = 0;
  std::size_t at = 0;
  const auto flush = [&](std::size_t skip) {
    out.append(text.substr(plain_from, at - plain_from));
    at += skip;
    plain_from = at;
  };
  while (at < text.size()) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"' || c == '\\') {
      flush(0);
      out += '\\';
      ++at;
    } else if (c < 0x20 || c == 0x7F) {
      flush(1);
      if (c == '\n') {
        out += "\\n";
      } else if (c == '\t') {
        out += "\\t";
      } else {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
      }
    } else if (const std::size_t length = utf8_length(text, at); length == 0) {
      flush(1);
      out += replacement;
    } else {
      at += length;
    }
  }
  flush(0);
}

}  // namespace

void JsonWriter::separate() {
  if (need_comma_) out_ += ',';
  need_comma_ = true;
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  out_ += '{';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  out_ += '}';
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  out_ += '[';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  out_ += ']';
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  text(name);
  out_ += ':';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::text(std::string_view value) {
  separate();
  out_ += '"';
  append_escaped(out_, value);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
  separate();
  fmt::format_to(std::back_inserter(out_), "{}", value);
  return *this;
}

JsonWriter& JsonWriter::unsigned_integer(std::uint64_t value) {
  separate();
  fmt::format_to(std::back_inserter(out_), "{}", value);
  return *this;
}

JsonWriter& JsonWriter::number(double value, int decimals) {
  if (!std::isfinite(value)) return null();
  separate();
  const std::size_t start = out_.size();
  fmt::format_to(std::back_inserter(out_), "{:.{}f}", value, decimals);
  if (out_.find('.', start) != std::string::npos) {
    out_.erase(out_.find_last_not_of('0') + 1);
    if (out_.back() == '.') out_.pop_back();
  }
  if (std::string_view(out_).substr(start) == "-0") out_.erase(start, 1);
  return *this;
}

JsonWriter& JsonWriter::milliseconds(Duration value) {
  return number(std::chrono::duration<double, std::milli>(value).count(), 3);
}

JsonWriter& JsonWriter::time(WallTime value) {
  return text(to_rfc3339(value));
}

JsonWriter& JsonWriter::null() {
  separate();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::details(const std::vector<std::pair<std::string, std::string>>& details) {
  begin_object();
  for (auto at = details.begin(); at != details.end(); ++at) {
    const auto same = [&](const auto& other) { return other.first == at->first; };
    if (std::find_if(details.begin(), at, same) != at) continue;  // told with the first
    std::string all = at->second;
    for (auto later = std::find_if(at + 1, details.end(), same); later != details.end();
         later = std::find_if(later + 1, details.end(), same)) {
      all += "; " + later->second;
    }
    key(at->first).text(all);
  }
  return end_object();
}

JsonWriter& JsonWriter::fact(const FactValue& value) {
  struct {
    JsonWriter& json;
    void operator()(bool v) const { json.boolean(v); }
    void operator()(std::int64_t v) const { json.integer(v); }
    void operator()(std::uint64_t v) const { json.unsigned_integer(v); }
    void operator()(double v) const { json.number(v); }
    void operator()(const std::string& v) const { json.text(v); }
    void operator()(WallTime v) const { json.time(v); }
  } visitor{*this};
  std::visit(visitor, value);
  return *this;
}

JsonWriter& JsonWriter::value(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return null();
    case boost::json::kind::bool_:
      return boolean(value.get_bool());
    case boost::json::kind::int64:
      return integer(value.get_int64());
    case boost::json::kind::uint64:
      return unsigned_integer(value.get_uint64());
    case boost::json::kind::double_:
      return number(value.get_double());
    case boost::json::kind::string:
      return text(std::string_view(value.get_string().data(), value.get_string().size()));
    case boost::json::kind::array:
      begin_array();
      for (const auto& element : value.get_array()) this->value(element);
      return end_array();
    case boost::json::kind::object:
      begin_object();
      for (const auto& member : value.get_object()) {
        key(std::string_view(member.key().data(), member.key().size()));
        this->value(member.value());
      }
      return end_object();
  }
  return null();
}

std::string JsonWriter::take_line() {
  out_ += '\n';
  need_comma_ = false;
  return std::exchange(out_, {});
}

}  // namespace pointsman
