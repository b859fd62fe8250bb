// The reports for people, made from a daemon's JSON: `status`, `why ROUTE`, `incidents [ID]` and
// the lines of `events`. Pure.
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

/// `incidents` is the answer of GET /v1/incidents.
std::string incidents_report(const boost::json::value& incidents, WallTime now, const Style& style);
/// The story, on one page. `incident` is the answer of GET /v1/incidents/ID.
std::string incident_report(const boost::json::value& incident, WallTime now, const Style& style);
/// One event of /v1/events, and its line feed.
std::string event_line(const boost::json::value& event, const Style& style);

/// "primary", "replica-1, replica-2" or "nowhere".
std::string targets_text(const boost::json::value& route);
/// "primary (10.0.1.10:5432)", with the number of poolers where there are several entries.
std::string observed_text(const boost::json::value& route);
/// " by uid 1000: moving racks", as far as it is known.
std::string because_text(const boost::json::value& act);

}  // namespace pointsman
