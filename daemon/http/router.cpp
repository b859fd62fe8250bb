#include "daemon/http/router.hpp"

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
      {{"health"}, Resource::health},       {{"health", "detailed"}, Resource::detailed},
      {{"livez"}, Resource::livez},         {{"readyz"}, Resource::readyz},
      {{"metrics"}, Resource::metrics},     {{"v1", "status"}, Resource::status},
      {{"v1", "probes"}, Resource::probes}, {{"v1", "services"}, Resource::services},
      {{"v1", "routes"}, Resource::routes}, {{"v1", "incidents"}, Resource::incidents},
      {{"v1", "slos"}, Resource::slos},     {{"v1", "config"}, Resource::config},
      {{"v1", "reload"}, Resource::reload},
  };
  for (const auto& [path, resource] : fixed) {
    if (path == segments) return resource;
  }
  return Resource::none;
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
  }
  return Place{find_resource(segments), {}};
}

bool is_open_to_all(Resource resource) {
  return resource == Resource::health || resource == Resource::livez ||
         resource == Resource::readyz;
}

}  // namespace pointsman
