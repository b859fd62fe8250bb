// /health/detailed, in our shape and in that of draft-inadarei-api-health-check-06.
#include <fmt/format.h>

#include "daemon/http/documents/parts.hpp"

namespace pointsman {
namespace {

void write_response_time(JsonWriter& json, const std::optional<Duration>& time) {
  json.key("response_time_ms");
  if (time) {
    json.milliseconds(*time);
  } else {
    json.null();
  }
}

void write_error(JsonWriter& json, const std::string& trouble) {
  if (!trouble.empty()) json.key("error").text(trouble);
}

void write_probe_member(JsonWriter& json, const ProbeView& probe) {
  write_error(json, trouble_of(probe));
  if (!probe.sample) return;
  for_each_fact(probe.sample->finding.facts,
                [&](std::string_view name, const FactValue& value) { json.key(name).fact(value); });
}

void write_route_member(JsonWriter& json, const RouteView& route) {
  write_error(json, trouble_of(route));
  json.key("targets");
  write_names(json, route.targets);
  json.key("in_effect").boolean(route.in_effect).key("diagnosis").text(route.diagnosis);
}

void write_member(JsonWriter& json, const Snapshot& snapshot, const std::string& member,
                  State state) {
  json.key(member).begin_object().key("status").text(to_text(state));
  write_response_time(json, response_time(snapshot, member));
  if (const auto name = route_of(member)) {
    const auto route = snapshot.routes.find(*name);
    if (route != snapshot.routes.end()) write_route_member(json, route->second);
  } else if (const auto probe = snapshot.probes.find(ProbeName{member});
             probe != snapshot.probes.end()) {
    write_probe_member(json, probe->second);
  }
  json.end_object();
}

void write_notes(JsonWriter& json, const std::vector<std::string>& notes) {
  if (notes.empty()) return;
  json.key("notes").begin_array();
  for (const std::string& note : notes) json.text(note);
  json.end_array();
}

/// The draft knows three; what is not known yet is a warning.
std::string_view draft_status(State state) {
  if (state == State::healthy) return "pass";
  return state == State::unhealthy ? "fail" : "warn";
}

std::string_view component_type(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::postgres:
    case ProbeKind::redis:
      return "datastore";
    case ProbeKind::disk:
    case ProbeKind::memory:
    case ProbeKind::cpu:
    case ProbeKind::unit:
      return "system";
    default:
      return "component";
  }
}

struct Measurement {
  std::string_view name, unit;
  double value = 0;
};

/// Those facts for which the draft has a name of its own, beside the response time.
std::optional<Measurement> draft_measurement(const ProbeView& probe) {
  struct {
    std::optional<Measurement> operator()(const DiskFacts& f) const {
      return Measurement{"utilization", "percent", f.used_ratio * 100};
    }
    std::optional<Measurement> operator()(const MemoryFacts& f) const {
      return Measurement{"utilization", "percent", f.used_ratio * 100};
    }
    std::optional<Measurement> operator()(const CpuFacts& f) const {
      return Measurement{"utilization", "percent", f.busy * 100};
    }
    std::optional<Measurement> operator()(const PostgresFacts& f) const {
      if (!f.connections) return std::nullopt;
      return Measurement{"connections", "", static_cast<double>(*f.connections)};
    }
    std::optional<Measurement> operator()(const RedisFacts& f) const {
      if (!f.clients) return std::nullopt;
      return Measurement{"connections", "", static_cast<double>(*f.clients)};
    }
    std::optional<Measurement> operator()(const std::monostate&) const { return std::nullopt; }
    std::optional<Measurement> operator()(const HttpFacts&) const { return std::nullopt; }
    std::optional<Measurement> operator()(const TcpFacts&) const { return std::nullopt; }
    std::optional<Measurement> operator()(const PgbouncerFacts&) const { return std::nullopt; }
    std::optional<Measurement> operator()(const UnitFacts&) const { return std::nullopt; }
    std::optional<Measurement> operator()(const ExecFacts&) const { return std::nullopt; }
  } measure;
  return probe.sample ? std::visit(measure, probe.sample->finding.facts) : std::nullopt;
}

void write_check(JsonWriter& json, const std::string& name, const ProbeView& probe,
                 const Measurement& measured, const TimeScale& times) {
  json.key(fmt::format("{}:{}", name, measured.name)).begin_array().begin_object();
  json.key("componentId").text(name).key("componentType").text(component_type(probe.kind));
  if (probe.sample) {
    json.key("observedValue").number(measured.value, 3);
    if (!measured.unit.empty()) json.key("observedUnit").text(measured.unit);
    json.key("time").time(times.to_wall(probe.sample->finished));
  }
  json.key("status").text(draft_status(probe.state));
  const std::string trouble = trouble_of(probe);
  if (probe.state != State::healthy && !trouble.empty()) json.key("output").text(trouble);
  json.end_object().end_array();
}

void write_plain_check(JsonWriter& json, const std::string& name, State state, MonoTime since,
                       const TimeScale& times) {
  json.begin_array().begin_object().key("componentId").text(name);
  json.key("componentType").text("component").key("status").text(draft_status(state));
  json.key("time").time(times.to_wall(since)).end_object().end_array();
}

}  // namespace

std::string detailed_document(const DocumentInput& input) {
  const Snapshot& snapshot = input.snapshot;
  JsonWriter json;
  json.begin_object().key("timestamp").time(input.times.to_wall(snapshot.at));
  json.key("overall_status").text(to_text(snapshot.overall)).key("checks").begin_object();
  for (const auto& [name, service] : snapshot.services) {
    json.key(name.text).begin_object().key("status").text(to_text(service.state));
    write_response_time(json, response_time(snapshot, name.text));
    json.key("members").begin_object();
    for (const auto& [member, state] : service.members) write_member(json, snapshot, member, state);
    json.end_object().end_object();
  }
  json.end_object();
  write_notes(json, notes(input));
  json.end_object();
  return json.take_line();
}

std::string health_json_document(const DocumentInput& input) {
  const Snapshot& snapshot = input.snapshot;
  JsonWriter json;
  json.begin_object().key("status").text(draft_status(snapshot.overall));
  json.key("version").text("1").key("releaseId").text(input.shell.version);
  json.key("serviceId").text(input.shell.node);
  json.key("description").text("what this host depends on, as its pointsman sees it");
  write_notes(json, notes(input));
  json.key("checks").begin_object();
  for (const auto& [name, probe] : snapshot.probes) {
    const double latency =
        probe.sample ? std::chrono::duration<double, std::milli>(probe.sample->latency()).count()
                     : 0;
    write_check(json, name.text, probe, {"responseTime", "ms", latency}, input.times);
    if (const auto more = draft_measurement(probe)) {
      write_check(json, name.text, probe, *more, input.times);
    }
  }
  for (const auto& [name, service] : snapshot.services) {
    json.key(fmt::format("{}:service", name.text));
    write_plain_check(json, name.text, service.state, service.since, input.times);
  }
  for (const auto& [name, route] : snapshot.routes) {
    json.key(fmt::format("{}:route", name.text));
    write_plain_check(json, name.text, route.state, route.since, input.times);
  }
  json.end_object().end_object();
  return json.take_line();
}

}  // namespace pointsman
