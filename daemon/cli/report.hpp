// The two reports for people, made from a daemon's JSON: `status` and `why ROUTE`. Pure.
#pragma once

#include <string>

#include <boost/json/value.hpp>

#include "daemon/cli/table.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// What is wrong comes first. `status` is the answer of GET /v1/status.
std::string status_report(const boost::json::value& status, WallTime now, const Style& style);
/// For somebody woken at night. `why` is the answer of GET /v1/why/ROUTE.
std::string why_report(const boost::json::value& why, WallTime now, const Style& style);

/// "primary", "replica-1, replica-2" or "nowhere".
std::string targets_text(const boost::json::value& route);
/// "primary (10.0.1.10:5432)", with the number of poolers where there are several entries.
std::string observed_text(const boost::json::value& route);

}  // namespace pointsman
