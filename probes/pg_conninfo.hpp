// A conninfo taken apart, and the addresses that it leads to: before a connection is made.
//
// What libpq would look up by itself (names, PGHOST) is done here, since libpq would block the
// loop. Holds secrets in its options: never printed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "policies/model/result.hpp"
#include "probes/pg_connection.hpp"

namespace pointsman {

/// One host of the list, before its name is resolved. `hostaddr` where the user gave one.
struct PgHost {
  std::string host, hostaddr, port;  ///< empty: libpq's default
  bool is_unix() const { return host.empty() || host.front() == '/' || host.front() == '@'; }
};

struct PgOptions {
  std::vector<std::pair<std::string, std::string>> common;  ///< all but host, hostaddr and port
  std::vector<PgHost> hosts;                                ///< at least one
};

/// The error quotes no secret.
Result<PgOptions> read_options(const PgTarget& target);

}  // namespace pointsman
