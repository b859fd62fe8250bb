#include "policies/simulation/recorder.hpp"

#include <algorithm>
#include <utility>

namespace pointsman {
namespace {

struct ActNumber {
  std::uint64_t operator()(const SwitchRoute& act) const { return number(act.id); }
  std::uint64_t operator()(const PromoteServer& act) const { return number(act.id); }
  std::uint64_t operator()(const RunHook& act) const { return number(act.id); }
  std::uint64_t operator()(const DemoteServer& act) const { return number(act.id); }
  std::uint64_t operator()(const SwitchOver& act) const { return number(act.id); }
  std::uint64_t operator()(const ReconnectRoute& act) const { return number(act.id); }
  std::uint64_t operator()(const RunStep& act) const { return number(act.id); }
  template <class Other>
  std::uint64_t operator()(const Other&) const {
    return 0;
  }
  static std::uint64_t number(ActionId id) { return static_cast<std::uint64_t>(id); }
};

}  // namespace

std::vector<RecordedRow> Recorder::take(MonoTime at, const Event& event) {
  if (const auto* taken = std::get_if<SampleTaken>(&event)) {
    take_sample(at, taken->sample);
  } else if (const auto* observed = std::get_if<RouteObserved>(&event)) {
    take_observation(at, *observed);
  } else if (const auto* loaded = std::get_if<PolicyLoaded>(&event)) {
    detail_until_ = at + detail_time;
    candidates_.clear();
    for (const auto& [name, route] : loaded->policy->routes) {
      candidates_.insert(route.candidates.begin(), route.candidates.end());
    }
    if (!began_) {
      rows_.push_back({next_key_++, at + shift_, at + shift_, "", LifeBegan{}});
    }
    began_ = true;
  } else if (!std::holds_alternative<Wake>(event) &&
             !std::holds_alternative<MemoryRestored>(event) &&
             !std::holds_alternative<RequestNoted>(event)) {
    put_event(at, event);
  }
  return std::exchange(rows_, {});
}

std::vector<RecordedRow> Recorder::take(MonoTime at, const Effect& effect) {
  if (std::string signature = act_signature(effect); !signature.empty()) {
    detail_until_ = at + detail_time;
    ActOrdered ordered{std::visit(ActNumber{}, effect), std::move(signature)};
    rows_.push_back({next_key_++, at + shift_, at + shift_, "", std::move(ordered)});
  }
  return std::exchange(rows_, {});
}

std::vector<RecordedRow> Recorder::flush() {
  for (auto& [name, probe] : probes_) {
    if (probe.open.key != 0) hand_out(probe.open, name.text, true);
  }
  for (auto& [name, open] : routes_) {
    if (open.key != 0) hand_out(open, name.text, true);
  }
  return std::exchange(rows_, {});
}

/// Times within an event move with it.
void Recorder::put_event(MonoTime at, Event event) {
  if (auto* pause = std::get_if<AutomationSet>(&event); pause && pause->until) {
    *pause->until += shift_;
  }
  if (auto* flag = std::get_if<FlagSet>(&event); flag && flag->until) *flag->until += shift_;
  detail_until_ = at + detail_time;
  rows_.push_back({next_key_++, at + shift_, at + shift_, "", std::move(event)});
}

bool Recorder::is_calm(Probe& probe, const Sample& sample, MonoTime at) {
  const bool is_candidate = candidates_.contains(sample.probe);
  // After a first pass the instants of those that follow decide nothing: it is healthy at once.
  const bool starts_well = !probe.seen && sample.finding.outcome == Outcome::pass;
  if (!starts_well && (!probe.seen || !says_the_same(probe.last, sample.finding))) {
    probe.detail_until = at + detail_time;
    if (is_candidate) detail_until_ = at + detail_time;
  }
  return at >= probe.detail_until && (!is_candidate || at >= detail_until_);
}

bool Recorder::may_be_single(Probe& probe, MonoTime at) {
  const auto more = (at - probe.refilled) / detail_refill;
  if (more > 0) {
    probe.rows_left = static_cast<int>(std::min<std::int64_t>(detail_rows, probe.rows_left + more));
    probe.refilled += more * detail_refill;
  }
  if (probe.rows_left == 0) return false;
  --probe.rows_left;
  return true;
}

void Recorder::take_sample(MonoTime at, const Sample& sample) {
  if (probes_.size() >= max_subjects && !probes_.contains(sample.probe)) return;
  Probe& probe = probes_[sample.probe];
  if (!probe.seen) probe.refilled = at;
  const bool calm = is_calm(probe, sample, at);
  if (!calm && !may_be_single(probe, at)) return;
  const bool is_first = !std::exchange(probe.seen, true);
  probe.last = sample.finding;
  SampleRun one{sample.started + shift_, sample.started + shift_, 1,
                sample.latency(),        sample.finding,          sample.finding};
  if (!calm) {
    if (probe.open.key != 0) hand_out(probe.open, sample.probe.text, true);
    probe.open = {};
    rows_.push_back({next_key_++, one.from, one.to, sample.probe.text, std::move(one)});
    return;
  }
  if (probe.open.key == 0) {
    probe.open = {next_key_++, std::move(one), at};
    if (is_first) hand_out(probe.open, sample.probe.text, true);  // a kill must not lose it
    return;
  }
  SampleRun& run = probe.open.run;
  run.to = one.to;
  run.took = one.took;
  run.last = std::move(one.last);
  ++run.count;
  if (at - probe.open.handed_out >= refresh) {
    probe.open.handed_out = at;
    hand_out(probe.open, sample.probe.text, false);
  }
}

void Recorder::take_observation(MonoTime at, const RouteObserved& observed) {
  if (routes_.size() >= max_subjects && !routes_.contains(observed.route)) return;
  Open<ObservedRun>& open = routes_[observed.route];
  std::vector<PoolerObservation> poolers = observed.poolers;
  for (PoolerObservation& pooler : poolers) pooler.pools.clear();  // figures that always change
  if (open.key != 0 && open.run.poolers == poolers) {
    open.run.to = at + shift_;
    if (at - open.handed_out < refresh) return;
    open.handed_out = at;
    return hand_out(open, observed.route.text, false);
  }
  if (open.key != 0) hand_out(open, observed.route.text, true);
  detail_until_ = at + detail_time;
  open = {next_key_++, {at + shift_, at + shift_, std::move(poolers)}, at};
  hand_out(open, observed.route.text, true);
}

template <class Run>
void Recorder::hand_out(Open<Run>& open, const std::string& subject, bool urgent) {
  rows_.push_back({open.key, open.run.from, open.run.to, subject, open.run, urgent});
}

}  // namespace pointsman
