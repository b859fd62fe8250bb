// Connection strings and URLs of probes and poolers, taken apart; errors never quote what they
// hold.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/config/map_reader.hpp"
#include "probes/pg_connection.hpp"
#include "probes/secret.hpp"

namespace pointsman {

struct Conninfo {
  Secret text;
  ConninfoParts parts;
};

/// A libpq URI or keyword string; an error is noted when libpq would not take it.
std::optional<Conninfo> read_conninfo(MapReader& reader, std::string_view key,
                                      std::string_view example);

/// The admin console of a pgbouncer: a conninfo whose database is the console's.
std::optional<Conninfo> read_admin_conninfo(MapReader& reader);

/// Where the server of a conninfo is, or why that cannot be said ("names several hosts").
Result<Endpoint> conninfo_endpoint(const ConninfoParts& parts);

struct Url {
  std::string scheme, host, user, password, path, target;
  std::optional<std::uint16_t> port;
  bool has_password = false;
};
/// `text` as a URL; user, password and path decoded, `target` (path and query) as it stands.
Result<Url> parse_url(std::string_view text);

}  // namespace pointsman
