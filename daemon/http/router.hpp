// Which resource a request's target names. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/http/request.hpp"

namespace pointsman {

enum class Resource {
  health,
  livez,
  readyz,
  detailed,
  metrics,
  status,
  probes,
  services,
  routes,
  incidents,
  incident,  ///< with its id as the name
  events,
  requests,
  request,  ///< with its id as the name
  slos,
  config,
  why,   ///< with the route as the name
  flag,  ///< with the flag as the name
  reload,
  command,  ///< what changes something, with its name: "switch", "flags/set"
  none,
};

struct Place {
  Resource resource = Resource::none;
  std::string name;
};

/// The path of any form of target ("/health?x=1", "http://host/health", "/he%61lth"),
/// percent-decoded segment by segment: an encoded slash does not part segments. Empty: it is
/// malformed.
std::optional<Place> find_place(std::string_view target);

/// The value of `name` in the target's query ("?since=7"), percent-decoded; nothing when it is not
/// there. Malformed escapes: empty.
std::optional<std::string> query_value(std::string_view target, std::string_view name);

/// Decimal digits and nothing else; below 2^63.
std::optional<std::uint64_t> read_decimal(std::string_view text);

/// May everybody ask for it (SPEC 5)?
bool is_open_to_all(Resource resource);

/// The question that is asked most, told apart without the above.
inline bool is_health_question(const Request& request) {
  namespace http = beast::http;
  return request.target == "/health" && request.hosts <= 1 &&
         (request.method == http::verb::get || request.method == http::verb::head);
}

}  // namespace pointsman
