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
/// The same of all routes that wait, with state "recovering". Nothing where none does.
void write_awaited_routes(JsonWriter& json, const DocumentInput& input);

/// The members of an incident in a list: who, what, since when, and what came of it.
void write_incident(JsonWriter& json, const Incident& incident, const TimeScale& times);
/// When it began: the first failure, else the first that is known of it.
std::optional<MonoTime> began(const Incident& incident);
/// The open ones, the newest first.
std::vector<const Incident*> open_incidents(const Snapshot& snapshot);

/// What operators and ladders have set: "paused", "drained", "flags", "flag_details", "ladders".
void write_operation(JsonWriter& json, const Snapshot& snapshot, const TimeScale& times);

/// The time, or null.
void write_time(JsonWriter& json, const std::optional<MonoTime>& at, const TimeScale& times);

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
