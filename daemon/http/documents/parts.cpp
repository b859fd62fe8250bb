#include "daemon/http/documents/parts.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace pointsman {
namespace {

void write_sample(JsonWriter& json, const std::optional<Sample>& sample, const TimeScale& times) {
  if (!sample) {
    json.null();
    return;
  }
  json.begin_object();
  json.key("at").time(times.to_wall(sample->finished));
  json.key("outcome").text(to_text(sample->finding.outcome));
  json.key("reason").text(to_text(sample->finding.reason));
  json.key("message").text(sample->finding.message);
  json.key("latency_ms").milliseconds(sample->latency());
  json.end_object();
}

void write_observed(JsonWriter& json, const std::vector<ObservedTarget>& observed) {
  json.begin_array();
  for (const ObservedTarget& one : observed) {
    json.begin_object().key("target");
    if (one.target) {
      json.text(one.target->text);
    } else {
      json.null();
    }
    json.key("address").text(to_text(one.address));
    json.key("servers").integer(one.servers).end_object();
  }
  json.end_array();
}

std::string because(const std::string& by, const std::string& reason) {
  return fmt::format("{}{}{}", by.empty() ? "" : " by " + by, reason.empty() ? "" : ": ", reason);
}

void add_operation_notes(std::vector<std::string>& all, const DocumentInput& input) {
  const Snapshot& snapshot = input.snapshot;
  if (const auto& paused = snapshot.automation) {
    all.push_back("automation is paused" + because(paused->by, paused->reason));
  }
  if (const auto& drain = snapshot.drain) {
    all.push_back("the node is drained" + because(drain->by, drain->reason));
  }
  for (const auto& [name, flag] : snapshot.flags) {
    all.push_back(fmt::format("the flag {} is set{}", name.text, because(flag.by, flag.reason)));
  }
  for (const Incident* incident : open_incidents(snapshot)) {
    if (!incident->needs_human || incident->acknowledged) continue;
    all.push_back(fmt::format("incident {} ({}) needs a person{}{}",
                              static_cast<std::uint64_t>(incident->id), incident->subject,
                              incident->asked.empty() ? "" : ": ", incident->asked));
  }
  for (const auto& [name, ladder] : snapshot.ladders) {
    if (ladder.approval == ActionId{}) continue;
    all.push_back(fmt::format("the ladder {} waits for approval {}: {}", name.text,
                              static_cast<std::uint64_t>(ladder.approval), ladder.step_text));
  }
}

/// A name where the route leads to one target, a list where it is balanced over several.
void write_where(JsonWriter& json, const std::vector<ProbeName>& names) {
  if (names.size() == 1) {
    json.text(names.front().text);
  } else {
    write_names(json, names);
  }
}

void write_last_switch(JsonWriter& json, const std::optional<SwitchView>& last,
                       const TimeScale& times) {
  if (!last) {
    json.null();
    return;
  }
  json.begin_object().key("at").time(times.to_wall(last->at)).key("from");
  write_where(json, last->from);
  json.key("to");
  write_where(json, last->to);
  json.key("cause").text(to_text(last->cause)).key("took_ms").milliseconds(last->took);
  json.end_object();
}

void write_route(JsonWriter& json, const RouteView& route, const TimeScale& times,
                 std::string_view state) {
  json.key("via").begin_array();
  for (const ViaKind kind : route.via) json.text(to_text(kind));
  json.end_array();
  json.key("state").text(state).key("targets");
  write_names(json, route.targets);
  json.key("observed");
  write_observed(json, route.observed);
  json.key("in_effect").boolean(route.in_effect).key("verified").text(to_text(route.verified));
  json.key("epoch").unsigned_integer(route.epoch).key("diagnosis").text(route.diagnosis);
  json.key("why").text(route.why).key("guards");
  write_guards(json, route.guards, times);
  json.key("last_switch");
  write_last_switch(json, route.last_switch, times);
}

}  // namespace

void write_time(JsonWriter& json, const std::optional<MonoTime>& at, const TimeScale& times) {
  if (at) {
    json.time(times.to_wall(*at));
  } else {
    json.null();
  }
}

void write_names(JsonWriter& json, const std::vector<ProbeName>& names) {
  json.begin_array();
  for (const ProbeName& name : names) json.text(name.text);
  json.end_array();
}

void write_guards(JsonWriter& json, const std::vector<Guard>& guards, const TimeScale& times) {
  json.begin_array();
  for (const Guard& guard : guards) {
    json.begin_object().key("name").text(guard.name).key("allow").boolean(guard.allow);
    json.key("value").text(guard.value).key("limit").text(guard.limit).key("until");
    write_time(json, guard.until, times);
    json.end_object();
  }
  json.end_array();
}

void write_probe(JsonWriter& json, const ProbeView& probe, const TimeScale& times) {
  json.key("type").text(to_text(probe.kind)).key("state").text(to_text(probe.state));
  json.key("since").time(times.to_wall(probe.since)).key("sample");
  write_sample(json, probe.sample, times);
  json.key("streak").integer(probe.streak).key("facts").begin_object();
  if (probe.sample) {
    for_each_fact(probe.sample->finding.facts, [&](std::string_view name, const FactValue& value) {
      json.key(name).fact(value);
    });
  }
  json.end_object();
}

void write_service(JsonWriter& json, const ServiceView& service, const TimeScale& times) {
  json.key("state").text(to_text(service.state));
  json.key("since").time(times.to_wall(service.since));
  json.key("critical").boolean(service.critical).key("scope").text(to_text(service.scope));
  json.key("members").begin_object();
  for (const auto& [member, state] : service.members) json.key(member).text(to_text(state));
  json.end_object();
}

void write_route(JsonWriter& json, const RouteView& route, const TimeScale& times) {
  write_route(json, route, times, to_text(route.state));
}

void write_awaited_routes(JsonWriter& json, const DocumentInput& input) {
  if (!input.shell.awaited || input.snapshot.policy) return;
  for (const auto& [name, policy] : input.shell.awaited->routes) {
    RouteView route;
    route.via = policy.via;
    route.diagnosis = "unknown";
    route.why = "what the daemon left half done when it ended is looked at first";
    json.key(name.text).begin_object();
    write_route(json, route, input.times, "recovering");
    json.end_object();
  }
}

std::vector<std::string> notes(const DocumentInput& input) {
  std::vector<std::string> all;
  const ShellView& shell = input.shell;
  if (!input.serving.ok) all.push_back("/health answers 503: " + input.serving.reason);
  if (!shell.journal_writable) {
    all.push_back("the journal can not be written: " + shell.journal_error);
  }
  if (!shell.last_reload_ok) all.push_back("the last reload failed: " + shell.last_reload_error);
  if (input.snapshot.distrusted) {
    all.push_back("samples are not trusted until every probe has run again");
  }
  add_operation_notes(all, input);
  for (const NotifierView& notifier : shell.notifiers) {
    if (notifier.last_error.empty()) continue;
    all.push_back(fmt::format("the notifier {} does not get through, {} wait: {}", notifier.name,
                              notifier.pending, notifier.last_error));
  }
  return all;
}

std::string trouble_of(const ProbeView& probe) {
  if (!probe.sample) return "it has not run yet";
  const Finding& finding = probe.sample->finding;
  if (probe.stale) return "its last sample is too old to be believed";
  if (finding.outcome != Outcome::pass) {
    const std::string_view reason = to_text(finding.reason);
    return finding.message.empty() ? std::string(reason)
                                   : fmt::format("{}: {}", reason, finding.message);
  }
  if (probe.state == State::healthy) return {};
  return probe.flapping ? "it passes now, but has changed too often of late"
                        : "it passes now, but not for long enough yet";
}

std::string trouble_of(const RouteView& route) {
  if (!route.observe_error.empty()) return route.observe_error;
  return route.state == State::healthy ? std::string{} : route.why;
}

std::optional<RouteName> route_of(const std::string& member) {
  constexpr std::string_view prefix = "route:";
  if (member.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
  return RouteName{member.substr(prefix.size())};
}

std::optional<Duration> response_time(const Snapshot& snapshot, const std::string& member) {
  const auto of_probe = [&](const ProbeName& name) -> std::optional<Duration> {
    const auto probe = snapshot.probes.find(name);
    if (probe == snapshot.probes.end() || !probe->second.sample) return std::nullopt;
    return probe->second.sample->latency();
  };
  std::optional<Duration> slowest;
  const auto take = [&](const std::optional<Duration>& one) {
    if (one && (!slowest || *one > *slowest)) slowest = one;
  };
  if (const auto name = route_of(member)) {
    const auto route = snapshot.routes.find(*name);
    if (route == snapshot.routes.end()) return std::nullopt;
    for (const ProbeName& target : route->second.targets) take(of_probe(target));
    return slowest;
  }
  if (snapshot.probes.count(ProbeName{member}) > 0) return of_probe(ProbeName{member});
  const auto service = snapshot.services.find(ServiceName{member});
  if (service == snapshot.services.end()) return std::nullopt;
  // Ends: daemon/config refuses a service that contains itself.
  for (const auto& inner : service->second.members) take(response_time(snapshot, inner.first));
  return slowest;
}

}  // namespace pointsman
