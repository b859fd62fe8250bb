#include "policies/simulation/replay_source.hpp"

#include <algorithm>

namespace pointsman {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// How far apart the same run, look or act may lie in the record and in the replay.
constexpr Duration usual_slack = milliseconds{600};
constexpr Duration look_slack = seconds{6};
constexpr Duration act_slack = seconds{10};
/// What an act takes that was never made.
constexpr Duration act_time = milliseconds{100};
/// A probe of which nothing was recorded for this many of its intervals, and so long, was not run.
constexpr int hole_intervals = 4;
constexpr Duration hole_least = seconds{60};

Duration step_of(const SampleRun& run) {
  return run.count > 1 ? (run.to - run.from) / static_cast<std::int64_t>(run.count - 1)
                       : Duration{0};
}

bool is_hole(const SampleRun& before, const SampleRun& after) {
  return after.from - before.to > std::max(hole_least, hole_intervals * step_of(before));
}

Event finished(const SwitchRoute& act) {
  return ActionFinished{act.id, act.route, ActionOutcome::ok, "taken to have succeeded",
                        Verified::query};
}

/// How an act ends that was not made then.
struct Assumed {
  std::optional<Event> operator()(const SwitchRoute& act) const { return finished(act); }
  std::optional<Event> operator()(const PromoteServer& act) const {
    return ActionFinished{act.id, act.route, ActionOutcome::unknown,
                          "the record can not say what would have come of it"};
  }
  std::optional<Event> operator()(const SwitchOver& act) const {
    return ActionFinished{act.id, act.route, ActionOutcome::failed,
                          "the record can not say what would have come of it"};
  }
  std::optional<Event> operator()(const RunHook& act) const { return ok(act); }
  std::optional<Event> operator()(const DemoteServer& act) const { return ok(act); }
  std::optional<Event> operator()(const ReconnectRoute& act) const { return ok(act); }
  std::optional<Event> operator()(const RunStep& act) const {
    return StepFinished{act.id, act.ladder, ActionOutcome::ok, "taken to have succeeded"};
  }
  template <class Other>
  std::optional<Event> operator()(const Other&) const {
    return std::nullopt;
  }

 private:
  template <class Act>
  static Event ok(const Act& act) {
    return ActionFinished{act.id, act.route, ActionOutcome::ok, "taken to have succeeded"};
  }
};

/// A recorded answer, with the number that the act has in the replay.
struct Renumber {
  const Effect& effect;
  void operator()(ActionFinished& answer) const { answer.id = id(); }
  void operator()(StepFinished& answer) const { answer.id = id(); }
  template <class Other>
  void operator()(Other&) const {}

 private:
  ActionId id() const {
    return std::visit(
        [](const auto& act) {
          if constexpr (requires { act.id; }) {
            return act.id;
          } else {
            return ActionId{};
          }
        },
        effect);
  }
};

}  // namespace

MonoTime SampleCursor::start_of(std::size_t run, std::uint64_t index) const {
  return runs_[run].from + step_of(runs_[run]) * static_cast<std::int64_t>(index);
}

Sample SampleCursor::sample(const ProbeName& probe, std::size_t run, std::uint64_t index) const {
  const SampleRun& found = runs_[run];
  const bool is_last = index + 1 == found.count;
  const double share =
      found.count > 1 ? static_cast<double>(index) / static_cast<double>(found.count - 1) : 1.0;
  const MonoTime started = is_last ? found.to : start_of(run, index);
  return {probe, started, started + found.took,
          is_last ? found.last : between(found.first, found.last, share)};
}

/// Leaves out those that began before `at`.
void SampleCursor::skip_before(MonoTime at) {
  while (run_ < runs_.size() && runs_[run_].to < at) {
    last_ = {run_, runs_[run_].count - 1};
    ++run_;
    index_ = 0;
  }
  if (run_ == runs_.size() || start_of(run_, index_) >= at) return;
  const Duration step = step_of(runs_[run_]);
  if (step <= Duration{0}) return;
  const auto steps = (at - runs_[run_].from + step - Duration{1}) / step;
  index_ = std::min<std::uint64_t>(static_cast<std::uint64_t>(steps), runs_[run_].count - 1);
  if (index_ > 0) last_ = {run_, index_ - 1};
}

std::optional<Sample> SampleCursor::answer(const ProbeName& probe, MonoTime at, Duration slack) {
  skip_before(at - slack);
  if (run_ == runs_.size()) return std::nullopt;
  const bool in_a_hole = last_ && last_->first != run_ && is_hole(runs_[last_->first], runs_[run_]);
  if (last_ && !in_a_hole && start_of(run_, index_) > at + slack) {
    Sample again = sample(probe, last_->first, last_->second);
    const Duration took = again.latency();
    again.started = at;
    again.finished = at + took;
    return again;
  }
  Sample taken = sample(probe, run_, index_);
  last_ = {run_, index_};
  if (++index_ == runs_[run_].count) {
    ++run_;
    index_ = 0;
  }
  return taken;
}

std::optional<Sample> SampleCursor::pass_to(const ProbeName& probe, MonoTime at,
                                            std::uint64_t& passed) {
  passed = 0;
  const std::size_t run_before = run_;
  const std::uint64_t index_before = index_;
  skip_before(at);
  for (std::size_t run = run_before; run < run_; ++run) passed += runs_[run].count;
  passed += index_;
  passed -= std::min(passed, index_before);
  if (passed == 0 || !last_) return std::nullopt;
  return sample(probe, last_->first, last_->second);
}

std::vector<MonoTime> SampleCursor::changes() const {
  std::vector<MonoTime> found;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const bool hole = i > 0 && is_hole(runs_[i - 1], runs_[i]);
    if (hole) found.push_back(runs_[i - 1].to);
    const bool anew = i == 0 || hole || !says_the_same(runs_[i - 1].last, runs_[i].first);
    if (anew) found.push_back(runs_[i].from);
  }
  if (!runs_.empty()) found.push_back(runs_.back().to);
  return found;
}

ReplaySource::ReplaySource(const HistoryLife& life, std::shared_ptr<const PolicySet> policy)
    : life_(life), policy_(std::move(policy)), matched_(life.acts.size(), false) {
  for (const auto& [name, runs] : life.samples) {
    if (policy_->probes.contains(name)) cursors_.emplace(name, SampleCursor(runs));
  }
}

std::optional<Answer> ReplaySource::run(const RunProbe& effect, MonoTime now) {
  const auto cursor = cursors_.find(effect.probe);
  if (cursor == cursors_.end()) return std::nullopt;
  const Duration slack = std::max(usual_slack, policy_->probes.at(effect.probe).interval / 8);
  const auto sample = cursor->second.answer(effect.probe, now, slack);
  if (!sample) return std::nullopt;
  return Answer{std::max(now, sample->finished), SampleTaken{*sample}};
}

/// A switch that was made then, and not in the replay: from here on the pooler is a simulated one,
/// which stays where it was.
void ReplaySource::leave_the_record(const RouteName& route, MonoTime now) {
  const std::string mark = "switch " + route.text + " to ";
  Pooler& pooler = poolers_[route];
  for (std::size_t i = 0; i < life_.acts.size(); ++i) {
    const RecordedAct& act = life_.acts[i];
    if (act.at >= now) break;
    if (matched_[i] || act.signature.rfind(mark, 0) != 0) continue;
    if (!pooler.own && !pooler.shown.empty()) pooler.own = pooler.shown;
    matched_[i] = act.at + act_slack < now;  // until then the replay may still order it too
  }
}

Answer ReplaySource::observe(const ObserveRoute& effect, MonoTime now) {
  Pooler& pooler = poolers_[effect.route];
  const auto recorded = life_.observed.find(effect.route);
  leave_the_record(effect.route, now);
  if (pooler.own || recorded == life_.observed.end()) {
    PoolerObservation seen;
    seen.reachable = seen.listed = true;
    if (pooler.own) seen.addresses = *pooler.own;
    seen.file = FileState::as_wanted;
    const auto policy = policy_->routes.find(effect.route);
    const std::size_t poolers = policy == policy_->routes.end() ? 1 : policy->second.via.size();
    return {now + milliseconds{1},
            RouteObserved{effect.route, std::vector<PoolerObservation>(poolers, seen)}};
  }
  const auto& runs = recorded->second;
  // A look that was asked for after the last one that saw this saw the next.
  while (pooler.run + 1 < runs.size() && now >= runs[pooler.run].to &&
         runs[pooler.run + 1].from <= now + look_slack) {
    ++pooler.run;
  }
  const ObservedRun& run = runs[pooler.run];
  if (!run.poolers.empty()) pooler.shown = run.poolers.front().addresses;
  return {std::max(now, run.from), RouteObserved{effect.route, run.poolers}};
}

/// The same act, not yet given to another, that was ordered within a few seconds of now.
const RecordedAct* ReplaySource::match(const std::string& signature, MonoTime now) {
  for (std::size_t i = 0; i < life_.acts.size(); ++i) {
    const RecordedAct& act = life_.acts[i];
    if (act.at > now + act_slack) break;
    if (matched_[i] || act.at < now - act_slack || act.signature != signature) continue;
    matched_[i] = true;
    return &act;
  }
  return nullptr;
}

Answer ReplaySource::simulated(const SwitchRoute& order, MonoTime now) {
  std::vector<Endpoint> to;
  for (const SwitchTarget& target : order.to) to.push_back(target.endpoint);
  poolers_[order.route].own = std::move(to);
  return {now + act_time, finished(order)};
}

std::optional<Answer> ReplaySource::act(const Effect& effect, MonoTime now) {
  const std::string signature = act_signature(effect);
  if (signature.empty()) return std::nullopt;
  const auto* order = std::get_if<SwitchRoute>(&effect);
  if (const RecordedAct* recorded = match(signature, now)) {
    if (order) poolers_[order->route].own.reset();
    if (!recorded->answer) return std::nullopt;
    Event answer = *recorded->answer;
    std::visit(Renumber{effect}, answer);
    return Answer{std::max(now, recorded->ended.value_or(now)), std::move(answer)};
  }
  if (order && order->cause != SwitchCause::verify) return simulated(*order, now);
  auto assumed = std::visit(Assumed{}, effect);
  if (!assumed) return std::nullopt;
  return Answer{now + act_time, std::move(*assumed)};
}

std::vector<std::pair<Sample, std::uint64_t>> ReplaySource::pass_to(MonoTime at) {
  std::vector<std::pair<Sample, std::uint64_t>> passed;
  for (auto& [name, cursor] : cursors_) {
    std::uint64_t count = 0;
    if (auto sample = cursor.pass_to(name, at, count)) passed.emplace_back(*sample, count);
  }
  return passed;
}

std::vector<MonoTime> ReplaySource::changes() const {
  std::vector<MonoTime> found;
  for (const auto& [name, cursor] : cursors_) {
    const auto of_probe = cursor.changes();
    found.insert(found.end(), of_probe.begin(), of_probe.end());
  }
  for (const auto& [name, runs] : life_.observed) {
    for (const ObservedRun& run : runs) found.push_back(run.from);
  }
  for (const RecordedAct& act : life_.acts) found.push_back(act.at);
  for (const auto& [at, event] : life_.events) found.push_back(at);
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace pointsman
