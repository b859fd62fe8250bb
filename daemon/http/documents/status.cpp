// /v1/status and its sections with more to each entry: /v1/probes, /v1/services, /v1/routes and
// /v1/why/ROUTE.
#include <algorithm>

#include "daemon/http/documents/parts.hpp"

namespace pointsman {
namespace {

void write_serving(JsonWriter& json, const Serving& serving) {
  json.begin_object().key("ok").boolean(serving.ok);
  json.key("reason").text(serving.reason).end_object();
}

void write_probe_policy(JsonWriter& json, const ProbePolicy& policy) {
  json.key("enabled").boolean(policy.enabled);
  json.key("interval_ms").milliseconds(policy.interval);
  json.key("fast_interval_ms").milliseconds(policy.fast_interval);
  json.key("down_interval_ms").milliseconds(policy.down_interval);
  json.key("timeout_ms").milliseconds(policy.timeout);
  json.key("rise").integer(policy.rise).key("fall").integer(policy.fall);
  json.key("labels").begin_object();
  for (const auto& [name, value] : policy.labels) json.key(name).text(value);
  json.end_object();
}

/// Beyond /v1/status: how the last switch ended, and what is under way.
void write_route_more(JsonWriter& json, const RouteView& route, const TimeScale& times) {
  json.key("since").time(times.to_wall(route.since)).key("switching").boolean(route.switching);
  json.key("observe_error").text(route.observe_error).key("last_switch_result");
  if (route.last_switch) {
    json.begin_object().key("outcome").text(to_text(route.last_switch->outcome));
    json.key("message").text(route.last_switch->message).end_object();
  } else {
    json.null();
  }
}

void write_route_policy(JsonWriter& json, const RoutePolicy& policy) {
  json.key("require").text(to_text(policy.require));
  json.key("switch").text(to_text(policy.switch_mode));
  json.key("balance").text(to_text(policy.balance));
  json.key("hold_down_ms").milliseconds(policy.hold_down).key("failback_after_ms");
  if (policy.failback) {
    json.milliseconds(*policy.failback);
  } else {
    json.null();
  }
  json.key("fallback");
  if (policy.fallback) {
    json.text(to_text(Member{*policy.fallback}));
  } else {
    json.null();
  }
}

/// Each candidate with what is known of it now, in order of preference.
void write_candidates(JsonWriter& json, const DocumentInput& input, const RoutePolicy& policy) {
  json.begin_array();
  for (const ProbeName& name : policy.candidates) {
    json.begin_object().key("probe").text(name.text);
    if (const auto probe = input.snapshot.probes.find(name); probe != input.snapshot.probes.end()) {
      write_probe(json, probe->second, input.times);
    }
    json.end_object();
  }
  json.end_array();
}

void write_open_incidents(JsonWriter& json, const DocumentInput& input) {
  std::size_t room = 20;
  json.key("incidents").begin_array();
  for (const Incident* incident : open_incidents(input.snapshot)) {
    if (room-- == 0) break;
    json.begin_object();
    write_incident(json, *incident, input.times);
    json.end_object();
  }
  json.end_array();
}

void write_notifiers(JsonWriter& json, const ShellView& shell) {
  json.key("notifiers").begin_object();
  for (const NotifierView& notifier : shell.notifiers) {
    json.key(notifier.name).begin_object().key("type").text(notifier.type);
    json.key("pending").unsigned_integer(notifier.pending);
    json.key("open").unsigned_integer(notifier.open);
    json.key("sent_total").unsigned_integer(notifier.sent_total);
    json.key("failed_total").unsigned_integer(notifier.failed_total);
    json.key("dropped_total").unsigned_integer(notifier.dropped_total).key("last_sent");
    if (notifier.last_sent) {
      json.time(*notifier.last_sent);
    } else {
      json.null();
    }
    json.key("last_error").text(notifier.last_error).end_object();
  }
  json.end_object();
}

/// The open incident of this route, its own or that of which it is a part; null where there is
/// none.
void write_incident_of(JsonWriter& json, const DocumentInput& input, const RouteName& route,
                       const RouteView& view) {
  const auto own = input.snapshot.incidents.find(view.incident);
  const Incident* found = own == input.snapshot.incidents.end() ? nullptr : own->second.get();
  const std::string member = to_text(Member{route});
  for (const Incident* incident : open_incidents(input.snapshot)) {
    if (found != nullptr) break;
    const auto& members = incident->members;
    const bool part = std::find(members.begin(), members.end(), member) != members.end();
    if (incident->subject == member || part) found = incident;
  }
  if (found == nullptr) {
    json.null();
    return;
  }
  json.begin_object();
  write_incident(json, *found, input.times);
  json.end_object();
}

const RoutePolicy* policy_of(const Snapshot& snapshot, const RouteName& name) {
  if (!snapshot.policy) return nullptr;
  const auto found = snapshot.policy->routes.find(name);
  return found == snapshot.policy->routes.end() ? nullptr : &found->second;
}

}  // namespace

std::string status_document(const DocumentInput& input) {
  const Snapshot& snapshot = input.snapshot;
  const auto& policy = snapshot.policy ? snapshot.policy : input.shell.awaited;
  const Mode mode = policy ? policy->mode : Mode::observe;
  JsonWriter json;
  json.begin_object().key("node").text(input.shell.node).key("version").text(input.shell.version);
  json.key("mode").text(to_text(mode));
  json.key("automation").text(snapshot.automation ? "paused" : "on");
  json.key("overall").text(to_text(snapshot.overall)).key("serving");
  write_serving(json, input.serving);

  json.key("probes").begin_object();
  for (const auto& [name, probe] : snapshot.probes) {
    json.key(name.text).begin_object();
    write_probe(json, probe, input.times);
    json.end_object();
  }
  json.end_object().key("services").begin_object();
  for (const auto& [name, service] : snapshot.services) {
    json.key(name.text).begin_object();
    write_service(json, service, input.times);
    json.end_object();
  }
  json.end_object().key("routes").begin_object();
  for (const auto& [name, route] : snapshot.routes) {
    json.key(name.text).begin_object();
    write_route(json, route, input.times);
    json.end_object();
  }
  write_awaited_routes(json, input);
  json.end_object().key("incidents_open").integer(snapshot.incidents_open);
  write_operation(json, snapshot, input.times);
  write_open_incidents(json, input);
  write_notifiers(json, input.shell);
  json.end_object();
  return json.take_line();
}

std::string probes_document(const DocumentInput& input) {
  const Snapshot& snapshot = input.snapshot;
  JsonWriter json;
  json.begin_object();
  for (const auto& [name, probe] : snapshot.probes) {
    json.key(name.text).begin_object();
    write_probe(json, probe, input.times);
    json.key("flapping").boolean(probe.flapping).key("stale").boolean(probe.stale);
    json.key("next_run").time(input.times.to_wall(probe.next_run));
    if (snapshot.policy) {
      const auto policy = snapshot.policy->probes.find(name);
      if (policy != snapshot.policy->probes.end()) write_probe_policy(json, policy->second);
    }
    json.end_object();
  }
  json.end_object();
  return json.take_line();
}

std::string services_document(const DocumentInput& input) {
  const Snapshot& snapshot = input.snapshot;
  JsonWriter json;
  json.begin_object();
  for (const auto& [name, service] : snapshot.services) {
    json.key(name.text).begin_object();
    write_service(json, service, input.times);
    if (snapshot.policy) {
      const auto policy = snapshot.policy->services.find(name);
      if (policy != snapshot.policy->services.end()) {
        json.key("need").integer(policy->second.need);
        json.key("scope_inferred").boolean(policy->second.scope_inferred);
      }
    }
    json.end_object();
  }
  json.end_object();
  return json.take_line();
}

std::string routes_document(const DocumentInput& input) {
  JsonWriter json;
  json.begin_object();
  for (const auto& [name, route] : input.snapshot.routes) {
    json.key(name.text).begin_object();
    write_route(json, route, input.times);
    write_route_more(json, route, input.times);
    if (const RoutePolicy* policy = policy_of(input.snapshot, name)) {
      write_route_policy(json, *policy);
      json.key("candidates");
      write_names(json, policy->candidates);
    }
    json.end_object();
  }
  write_awaited_routes(json, input);
  json.end_object();
  return json.take_line();
}

std::optional<std::string> why_document(const DocumentInput& input, const RouteName& route) {
  const auto found = input.snapshot.routes.find(route);
  if (found == input.snapshot.routes.end()) return std::nullopt;
  JsonWriter json;
  json.begin_object().key("route").text(route.text);
  write_route(json, found->second, input.times);
  write_route_more(json, found->second, input.times);
  if (const RoutePolicy* policy = policy_of(input.snapshot, route)) {
    write_route_policy(json, *policy);
    json.key("candidates");
    write_candidates(json, input, *policy);
  }
  json.key("incident");
  write_incident_of(json, input, route, found->second);
  json.end_object();
  return json.take_line();
}

}  // namespace pointsman
