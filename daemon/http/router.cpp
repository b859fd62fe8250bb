#include "daemon/http/router.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

namespace pointsman {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Nothing: a '%' without two hexadecimal digits, or a control character.
std::optional<std::string> percent_decode(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int byte = static_cast<unsigned char>(text[i]);
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      byte = high * 16 + low;
      i += 2;
    }
    if (byte < 0x20 || byte == 0x7F) return std::nullopt;
    plain += static_cast<char>(byte);
  }
  return plain;
}

/// "/v1/why/bud" of any form of target; starts with a slash.
std::string_view path_of(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  const auto scheme = target.find("://");
  if (!target.empty() && target.front() != '/' && scheme != std::string_view::npos) {
    const auto slash = target.find('/', scheme + 3);
    return slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  return target;
}

Resource find_resource(const std::vector<std::string>& segments) {
  static const std::vector<std::pair<std::vector<std::string>, Resource>> fixed{
      {{"health"}, Resource::health},
      {{"health", "detailed"}, Resource::detailed},
      {{"livez"}, Resource::livez},
      {{"readyz"}, Resource::readyz},
      {{"metrics"}, Resource::metrics},
      {{"v1", "status"}, Resource::status},
      {{"v1", "probes"}, Resource::probes},
      {{"v1", "services"}, Resource::services},
      {{"v1", "routes"}, Resource::routes},
      {{"v1", "incidents"}, Resource::incidents},
      {{"v1", "slos"}, Resource::slos},
      {{"v1", "config"}, Resource::config},
      {{"v1", "reload"}, Resource::reload},
      {{"v1", "events"}, Resource::events},
      {{"v1", "requests"}, Resource::requests},
  };
  for (const auto& [path, resource] : fixed) {
    if (path == segments) return resource;
  }
  return Resource::none;
}

constexpr std::array<std::string_view, 12> command_names{
    "switch",    "switch/cancel", "pause", "resume",  "drain",  "undrain",
    "flags/set", "flags/clear",   "ack",   "approve", "refuse", "notify/test"};

/// Empty: it is none.
std::string command_of(const std::vector<std::string>& segments) {
  if (segments.size() < 2 || segments.size() > 3 || segments[0] != "v1") return {};
  const std::string name = segments.size() == 2 ? segments[1] : segments[1] + "/" + segments[2];
  const bool known =
      std::find(command_names.begin(), command_names.end(), name) != command_names.end();
  return known ? name : std::string{};
}

}  // namespace

std::optional<Place> find_place(std::string_view target) {
  const std::string_view path = path_of(target);
  if (path.empty() || path.front() != '/') return std::nullopt;

  std::vector<std::string> segments;
  for (std::size_t begin = 1; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    auto segment = percent_decode(path.substr(begin, end - begin));
    if (!segment) return std::nullopt;
    segments.push_back(std::move(*segment));
    begin = end + 1;
  }

  const bool named = !segments.empty() && !segments.back().empty();
  if (segments.size() == 2 && named && segments[0] == "flags") {
    return Place{Resource::flag, segments[1]};
  }
  if (segments.size() == 3 && named && segments[0] == "v1") {
    if (segments[1] == "why") return Place{Resource::why, segments[2]};
    if (segments[1] == "incidents") return Place{Resource::incident, segments[2]};
    if (segments[1] == "requests") return Place{Resource::request, segments[2]};
  }
  if (std::string command = command_of(segments); !command.empty()) {
    return Place{Resource::command, std::move(command)};
  }
  return Place{find_resource(segments), {}};
}

std::optional<std::string> query_value(std::string_view target, std::string_view name) {
  target = target.substr(0, target.find('#'));
  const auto mark = target.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  for (std::size_t begin = mark + 1; begin <= target.size();) {
    const std::size_t end = std::min(target.find('&', begin), target.size());
    const std::string_view pair = target.substr(begin, end - begin);
    const auto equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) {
      return percent_decode(pair.substr(std::min(equals + 1, pair.size()))).value_or("");
    }
    begin = end + 1;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> read_decimal(std::string_view text) {
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = read.ec == std::errc{} && read.ptr == text.data() + text.size();
  if (!whole || number >> 63 != 0) return std::nullopt;
  return number;
}

bool is_open_to_all(Resource resource) {
  return resource == Resource::health || resource == Resource::livez ||
         resource == Resource::readyz;
}

}  // namespace pointsman
