// Pieces that several documents are made of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/http/documents/documents.hpp"
#include "daemon/http/json_writer.hpp"

namespace pointsman {

/// "type", "state", "since", "sample", "streak", "facts": the members of a probe in /v1/status.
void write_probe(JsonWriter& json, const ProbeView& probe, const TimeScale& times);
/// "state", "since", "critical", "scope", "members".
void write_service(JsonWriter& json, const ServiceView& service, const TimeScale& times);
/// "via" to "last_switch": the members of a route in /v1/status.
void write_route(JsonWriter& json, const RouteView& route, const TimeScale& times);

void write_names(JsonWriter& json, const std::vector<ProbeName>& names);
void write_guards(JsonWriter& json, const std::vector<Guard>& guards, const TimeScale& times);

/// What a person should know besides the states: the journal, a failed reload, distrust, /health.
std::vector<std::string> notes(const DocumentInput& input);

/// What is wrong with it, in one line; empty when nothing is.
std::string trouble_of(const ProbeView& probe);
std::string trouble_of(const RouteView& route);

/// How long the last answer took: of a probe, of the probe that a route leads to, of the slowest
/// member of a service. `member` as in ServiceView::members. Nothing where nothing has answered.
std::optional<Duration> response_time(const Snapshot& snapshot, const std::string& member);

/// The route that a member names ("route:bud"), if it names one.
std::optional<RouteName> route_of(const std::string& member);

}  // namespace pointsman
