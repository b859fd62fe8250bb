// The engine and its probes: what a sample changes, when the next run is due, and when samples are
// not trusted.
#include "policies/engine.hpp"

#include <algorithm>

#include "policies/explain.hpp"
#include "policies/schedule.hpp"

namespace pointsman {
namespace {

void count_sample(ProbeCounters& counters, const Sample& sample) {
  ++counters.samples[{sample.finding.outcome, sample.finding.reason}];
  const double seconds = std::chrono::duration<double>(sample.latency()).count();
  counters.duration_sum_seconds += seconds;
  const auto* bound = std::lower_bound(std::begin(duration_bounds_seconds),
                                       std::end(duration_bounds_seconds), seconds);
  ++counters.duration_buckets[bound - std::begin(duration_bounds_seconds)];
}

void take_conclusive(ProbeEntry& entry, const Sample& sample) {
  entry.conclusive = sample;
  if (sample.finding.outcome != Outcome::fail) {
    entry.last_good = sample.started;
    entry.first_failure.reset();
  } else if (!entry.first_failure) {
    entry.first_failure = sample.started;
  }
}

/// A pass that came late is a warning.
void judge_latency(const ProbePolicy& policy, Sample& sample) {
  if (!policy.warn_latency || sample.finding.outcome != Outcome::pass) return;
  if (sample.latency() <= *policy.warn_latency) return;
  sample.finding.outcome = Outcome::warn;
  sample.finding.reason = Reason::slow;
  sample.finding.message = "took " + print_duration(sample.latency()) + ", warns over " +
                           print_duration(*policy.warn_latency);
}

}  // namespace

void Engine::on(const SampleTaken& event) {
  const auto it = probes_.find(event.sample.probe);
  if (it == probes_.end() || !it->second.in_flight) return;  // of a probe that a reload took away
  ProbeEntry& entry = it->second;
  Sample sample = event.sample;
  if (distrust_since_ && sample.started < *distrust_since_) {
    sample.finding.outcome = Outcome::inconclusive;
    sample.finding.reason = Reason::unreliable;
    sample.finding.message = "taken while our own loop was late or suspended";
  }
  judge_latency(entry.policy, sample);
  count_sample(entry.counters, sample);
  entry.in_flight = false;
  entry.ran_since = sample.started;
  const bool conclusive = sample.finding.outcome != Outcome::inconclusive;
  if (conclusive) take_conclusive(entry, sample);
  entry.last = sample;
  const State before = entry.check.state();
  if (entry.check.take(entry.policy, sample, now_)) probe_changed(entry, before);

  if (const auto routes = routes_of_.find(entry.policy.name); routes != routes_of_.end()) {
    for (const RouteName& name : routes->second) {
      RouteKeeper& keeper = routes_.at(name);
      keeper.take_sample(context_for(keeper), entry.policy.name);
    }
  }
  schedule_after(entry, sample.started);
  end_distrust_when_all_ran();
  evaluate_routes_of(entry.policy.name);
}

void Engine::repeat_sample(const Sample& last, std::uint64_t times) {
  const auto it = probes_.find(last.probe);
  if (it == probes_.end() || times == 0) return;
  ProbeEntry& entry = it->second;
  if (last.finding.outcome != Outcome::inconclusive) {
    take_conclusive(entry, last);
    entry.check.repeat(times, last.started);
  }
  entry.last = last;
  entry.ran_since = last.started;
  entry.runs += times;
  entry.in_flight = false;
  now_ = std::max(now_, last.finished);
  schedule_after(entry, last.started);
}

void Engine::on(const SessionEnded& event) {
  const auto it = probes_.find(event.probe);
  if (it == probes_.end()) return;
  run_at_once(it->second);
  if (const auto routes = routes_of_.find(event.probe); routes != routes_of_.end()) {
    for (const RouteName& name : routes->second) {
      RouteKeeper& keeper = routes_.at(name);
      keeper.take_session_end(context_for(keeper), event.probe, event.how);
    }
  }
  evaluate_routes_of(event.probe);
}

void Engine::on(const LoopDistrusted& event) {
  const Duration jump = event.clock_jump < Duration::zero() ? -event.clock_jump : event.clock_jump;
  if (std::max({event.late, event.suspended, jump}) <= distrust_limit) return;
  distrust_since_ = now_;
  effects_.push_back(Record{RecordKind::distrust,
                            "self",
                            "samples are not trusted until every probe has run again",
                            {{"late", print_duration(event.late)},
                             {"suspended", print_duration(event.suspended)},
                             {"clock_jump", print_duration(event.clock_jump)}},
                            {}});
  // Those that routes wait for run first; the others keep their phase.
  for (auto& [name, entry] : probes_) {
    if (entry.policy.enabled && routes_of_.contains(name)) run_at_once(entry);
  }
  for (auto& [name, keeper] : routes_) evaluate_route(keeper);
}

void Engine::schedule(ProbeEntry& entry, MonoTime at) {
  due_.erase({entry.next_run, entry.policy.name});
  entry.next_run = on_grid(at);
  due_.emplace(entry.next_run, entry.policy.name);
}

void Engine::schedule_after(ProbeEntry& entry, MonoTime start) {
  if (entry.run_again) {
    entry.run_again = false;
    schedule(entry, now_);
    return;
  }
  Pace pace = entry.check.state() == State::unhealthy ? Pace::down : Pace::settled;
  if (entry.troubled_routes > 0 || entry.check.pending(entry.policy)) pace = Pace::fast;
  schedule(entry, std::max(next_run(entry.policy, pace, entry.runs, start), now_));
}

void Engine::run_at_once(ProbeEntry& entry) {
  if (!entry.policy.enabled) return;
  if (entry.in_flight) {
    entry.run_again = true;
  } else {
    schedule(entry, now_ - wake_grain);  // the grid must not hold it back
  }
}

void Engine::run_due() {
  while (!due_.empty() && due_.begin()->first <= now_) {
    ProbeEntry& entry = probes_.at(due_.begin()->second);
    due_.erase(due_.begin());
    entry.in_flight = true;
    entry.last_start = now_;
    ++entry.runs;
    effects_.push_back(RunProbe{entry.policy.name});
  }
}

void Engine::probe_changed(const ProbeEntry& entry, State before) {
  services_dirty_ = true;
  const State after = entry.check.state();
  std::string text = std::string(to_text(before)) + " to " + std::string(to_text(after));
  if (entry.check.flapping()) text += ", held because it flaps";
  if (entry.check.stale()) text += ", its last sample is too old";
  effects_.push_back(Record{RecordKind::probe_state,
                            entry.policy.name.text,
                            std::move(text),
                            {{"sample", describe_sample(entry.last ? &*entry.last : nullptr, now_)},
                             {"streak", std::to_string(entry.check.streak())}},
                            {}});
}

void Engine::end_distrust_when_all_ran() {
  if (!distrust_since_) return;
  for (const auto& [name, entry] : probes_) {
    if (entry.policy.enabled && (!entry.ran_since || *entry.ran_since < *distrust_since_)) return;
  }
  distrust_since_.reset();
  for (auto& [name, keeper] : routes_) evaluate_route(keeper);
}

}  // namespace pointsman
