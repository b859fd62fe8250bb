// The documents that the HTTP server gives out, rendered from one snapshot.
//
// Pure functions: the same input gives the same text, so that golden files can hold it. No clock:
// times come as a TimeScale. Shapes are SPEC section 5 and 11; README.md says what is beyond it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "daemon/http/process_stats.hpp"
#include "daemon/http/source.hpp"
#include "policies/model/snapshot.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// How monotonic instants are printed: what the wall clock showed at one of them.
struct TimeScale {
  MonoTime mono{};
  WallTime wall{};

  WallTime to_wall(MonoTime at) const {
    return wall + std::chrono::floor<WallClock::duration>(at - mono);
  }
};

struct DocumentInput {
  const Snapshot& snapshot;
  const ShellView& shell;
  const Serving& serving;  ///< as /health says it
  const TimeScale& times;
};

std::string status_document(const DocumentInput& input);    ///< /v1/status
std::string probes_document(const DocumentInput& input);    ///< /v1/probes
std::string services_document(const DocumentInput& input);  ///< /v1/services
std::string routes_document(const DocumentInput& input);    ///< /v1/routes
/// /v1/why/ROUTE; nothing when there is no such route.
std::optional<std::string> why_document(const DocumentInput& input, const RouteName& route);
inline constexpr std::size_t usual_incidents = 100, most_incidents = 1000, most_events = 1000;
/// /v1/incidents: the open ones first, the newest first among each; at most `limit`.
std::string incidents_document(const DocumentInput& input, std::size_t limit = usual_incidents);
/// /v1/incidents/ID and /v1/requests/ID; nothing when there is no such.
std::optional<std::string> incident_document(const DocumentInput& input, IncidentId id);
std::optional<std::string> request_document(const DocumentInput& input, RequestId id);
std::string requests_document(const DocumentInput& input);  ///< /v1/requests, the newest first
std::string detailed_document(const DocumentInput& input);  ///< /health/detailed
/// The same in the shape of draft-inadarei-api-health-check-06 (application/health+json).
std::string health_json_document(const DocumentInput& input);
/// /metrics, for a Prometheus scraper (text format 0.0.4).
std::string metrics_document(const DocumentInput& input, const ProcessStats& process);

}  // namespace pointsman
