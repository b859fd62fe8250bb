// /metrics: the names of SPEC section 11 that apply so far; metrics_operation.cpp has the rest.
#include <algorithm>
#include <string>
#include <vector>

#include "daemon/http/documents/documents.hpp"
#include "daemon/http/documents/metric_families.hpp"
#include "daemon/http/documents/metric_sections.hpp"

namespace pointsman {
namespace {

constexpr State all_states[] = {State::unknown, State::healthy, State::degraded, State::unhealthy};

double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

void add_probe_states(MetricFamilies& all, const Snapshot& snapshot) {
  auto family = all.gauge("probe_state", "1 for the state that the probe is in, 0 for the others.");
  for (const auto& [name, probe] : snapshot.probes) {
    for (const State state : all_states) {
      family.gauge({{"probe", name.text}, {"type", to_text(probe.kind)}, {"state", to_text(state)}},
                   probe.state == state ? 1 : 0);
    }
  }
}

void add_probe_samples(MetricFamilies& all, const Snapshot& snapshot) {
  auto count = all.counter("probe_samples_total", "Samples taken, by outcome and reason.");
  for (const auto& [name, probe] : snapshot.probes) {
    for (const auto& [key, samples] : probe.counters.samples) {
      count.counter(
          {{"probe", name.text}, {"outcome", to_text(key.first)}, {"reason", to_text(key.second)}},
          samples);
    }
  }
  auto duration = all.histogram("probe_duration_seconds", "How long the probe's runs took.");
  for (const auto& [name, probe] : snapshot.probes) {
    duration.durations({{"probe", name.text}}, probe.counters.duration_buckets,
                       probe.counters.duration_sum_seconds);
  }
}

void add_last_samples(MetricFamilies& all, const Snapshot& snapshot, const TimeScale& times) {
  auto last = all.gauge("probe_last_sample_timestamp_seconds", "When the last sample was taken.");
  for (const auto& [name, probe] : snapshot.probes) {
    if (probe.sample) last.gauge({{"probe", name.text}}, times.to_wall(probe.sample->finished));
  }
  auto phase = all.gauge("probe_phase_seconds", "How long each phase of the last run took.");
  for (const auto& [name, probe] : snapshot.probes) {
    if (!probe.sample) continue;
    const auto add = [&, &probe_name = name](std::string_view what,
                                             const std::optional<Duration>& took) {
      if (took) phase.gauge({{"probe", probe_name.text}, {"phase", what}}, seconds(*took));
    };
    if (const auto* http = std::get_if<HttpFacts>(&probe.sample->finding.facts)) {
      add("dns", http->dns);
      add("connect", http->connect);
      add("tls", http->tls);
      add("first_byte", http->first_byte);
      add("total", http->total);
    } else if (const auto* tcp = std::get_if<TcpFacts>(&probe.sample->finding.facts)) {
      add("connect", tcp->connect);
    }
  }
}

/// A fact as a number. Roles are one fact each ("role_primary"), 1 for the one that it has; other
/// texts have no number, instants have a family of their own.
struct FactGauges {
  MetricFamilies::Family& facts;
  MetricFamilies::Family& expiry;
  const std::string& probe;
  std::string_view name;

  void operator()(bool v) const { add(v ? 1 : 0); }
  void operator()(std::int64_t v) const { add(static_cast<double>(v)); }
  void operator()(std::uint64_t v) const { add(static_cast<double>(v)); }
  void operator()(double v) const { add(v); }
  void operator()(WallTime v) const {
    if (name == "cert_expires") expiry.gauge({{"probe", probe}}, v);
  }
  void operator()(const std::string& v) const {
    if (name == "role") facts.gauge({{"probe", probe}, {"fact", "role_" + v}}, 1);
  }
  void add(double value) const { facts.gauge({{"probe", probe}, {"fact", name}}, value); }
};

void add_facts(MetricFamilies& all, const Snapshot& snapshot) {
  auto facts = all.gauge("probe_fact", "What the last sample found, where it is a number.");
  auto expiry = all.gauge("tls_cert_expiry_timestamp_seconds",
                          "When the certificate that the probe was shown expires.");
  for (const auto& [name, probe] : snapshot.probes) {
    if (!probe.sample) continue;
    for_each_fact(probe.sample->finding.facts,
                  [&, &probe_name = name](std::string_view fact, const FactValue& value) {
                    std::visit(FactGauges{facts, expiry, probe_name.text, fact}, value);
                  });
  }
}

void add_services(MetricFamilies& all, const DocumentInput& input) {
  auto family =
      all.gauge("service_state", "1 for the state that the service is in, 0 for the others.");
  const auto add = [&](std::string_view service, State is) {
    for (const State state : all_states) {
      family.gauge({{"service", service}, {"state", to_text(state)}}, is == state ? 1 : 0);
    }
  };
  for (const auto& [name, service] : input.snapshot.services) add(name.text, service.state);
  auto overall = all.gauge("overall_state", "1 for the state of the whole, 0 for the others.");
  for (const State state : all_states) {
    overall.gauge({{"state", to_text(state)}}, input.snapshot.overall == state ? 1 : 0);
  }
  all.gauge("serving", "1 while /health answers 200.").gauge({}, input.serving.ok ? 1 : 0);
}

void add_routes(MetricFamilies& all, const Snapshot& snapshot) {
  auto target = all.gauge("route_target", "1 for each candidate that the route should lead to.");
  auto effect = all.gauge("route_in_effect", "1 while the route is seen to lead where it should.");
  auto denied = all.gauge("guard_denied", "1 while the guard holds an automatic act.");
  auto denials = all.counter("guard_denials_total", "Acts that the guard has held.");
  auto switches = all.counter("route_switches_total", "Switches that have ended.");
  auto took = all.histogram("route_switch_duration_seconds", "How long the switches took.");
  for (const auto& [name, route] : snapshot.routes) {
    std::vector<ProbeName> candidates = route.targets;
    if (snapshot.policy) {
      const auto policy = snapshot.policy->routes.find(name);
      if (policy != snapshot.policy->routes.end()) candidates = policy->second.candidates;
    }
    for (const ProbeName& candidate : candidates) {
      const bool wanted =
          std::find(route.targets.begin(), route.targets.end(), candidate) != route.targets.end();
      target.gauge({{"route", name.text}, {"target", candidate.text}}, wanted ? 1 : 0);
    }
    effect.gauge({{"route", name.text}}, route.in_effect ? 1 : 0);
    for (const Guard& guard : route.guards) {
      denied.gauge({{"route", name.text}, {"guard", guard.name}}, guard.allow ? 0 : 1);
    }
    for (const auto& [guard, times] : route.counters.denied) {
      denials.counter({{"route", name.text}, {"guard", guard}}, times);
    }
    for (const auto& [key, times] : route.counters.switches) {
      switches.counter(
          {{"route", name.text}, {"cause", to_text(key.first)}, {"result", to_text(key.second)}},
          times);
    }
    took.durations({{"route", name.text}}, route.counters.duration_buckets,
                   route.counters.duration_sum_seconds);
  }
}

void add_shell(MetricFamilies& all, const ShellView& shell) {
  all.gauge("event_loop_lag_seconds", "How late the daemon's own loop ran when last measured.")
      .gauge({}, seconds(shell.loop_lag));
  all.counter("journal_errors_total", "Writes of the journal that failed.")
      .counter({}, shell.journal_errors_total);
  all.counter("journal_dropped_total",
              "Events that were given up since the journal was unwritable.")
      .counter({}, shell.journal_dropped_total);
  all.gauge("config_last_reload_successful", "1 when the last reading of the configuration was.")
      .gauge({}, shell.last_reload_ok ? 1 : 0);
  all.gauge("build_info", "Always 1; its labels say what is running.")
      .gauge({{"version", shell.version}, {"commit", shell.commit}}, 1);
}

void add_process(MetricFamilies& all, const ProcessStats& process) {
  using prometheus::MetricType;
  const auto gauge = [&](const char* name, const char* help, const auto& value) {
    auto family = all.standard(name, help, MetricType::Gauge);
    if (value) family.gauge({}, static_cast<double>(*value));
  };
  auto cpu = all.standard("process_cpu_seconds_total",
                          "Total user and system CPU time spent in seconds.", MetricType::Counter);
  if (process.cpu_seconds) cpu.counter({}, *process.cpu_seconds);
  gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
        process.start_time_seconds);
  gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", process.virtual_bytes);
  gauge("process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.",
        process.virtual_bytes_most);
  gauge("process_resident_memory_bytes", "Resident memory size in bytes.", process.resident_bytes);
  gauge("process_open_fds", "Number of open file descriptors.", process.open_descriptors);
  gauge("process_max_fds", "Maximum number of open file descriptors.", process.descriptors_most);
  gauge("process_threads", "Number of OS threads in the process.", process.threads);
}

}  // namespace

std::string metrics_document(const DocumentInput& input, const ProcessStats& process) {
  MetricFamilies all;
  add_probe_states(all, input.snapshot);
  add_probe_samples(all, input.snapshot);
  add_last_samples(all, input.snapshot, input.times);
  add_facts(all, input.snapshot);
  add_services(all, input);
  add_routes(all, input.snapshot);
  add_acts(all, input.snapshot);
  add_incidents(all, input.snapshot);
  add_ladders(all, input.snapshot);
  add_notifiers(all, input.shell);
  add_shell(all, input.shell);
  add_process(all, process);
  return all.take_text();
}

}  // namespace pointsman
