// The times that `check` computes hold in the simulated world, whenever in an interval the failure
// comes: never sooner than best, never later than worst, and typical lies among what was seen.
#include <catch2/catch.hpp>

#include "policies/bounds.hpp"
#include "policies/simulation/world.hpp"
#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

/// What the simulated network, probes and poolers take besides: a bound is about the schedule.
constexpr Duration slack = 60ms;
constexpr int phases = 40;
/// Of bud_policy's probes, each 5 s.
constexpr Duration settled_sweep = 5250ms;

PolicySet driving() {
  PolicySet set = bud_policy();
  for (auto& [name, probe] : set.probes) {
    probe.interval = probe.down_interval = 2s;
    probe.fast_interval = 500ms;
    probe.timeout = 1s;
  }
  RoutePolicy& bud = set.routes[RouteName("bud")];
  bud.promote = PromotePolicy{};
  bud.promote->when = {"primary_dead", "primary_frozen"};
  bud.promote->sole_promoter = true;
  bud.observe_interval = 2s;
  bud.observe_fast_interval = 500ms;
  return set;
}

BoundsInput input_of(const PolicySet& set) {
  BoundsInput input{set};
  for (const auto& [name, probe] : set.probes) {
    if (probe.kind == ProbeKind::postgres) input.watched[name] = Watched::yes;
  }
  return input;
}

/// When, after a change, something was first recorded.
struct Wanted {
  RecordKind kind;
  std::string subject, part;
};

struct Seen {
  Duration least{Duration::max()}, most{};
  int times = 0;
  void add(Duration one) {
    least = std::min(least, one);
    most = std::max(most, one);
    ++times;
  }
};

struct Trial {
  PolicySet set;
  std::vector<sim::Change> before{};  ///< 20 s earlier, and not measured from
  sim::Change change;
  Wanted wanted;
  sim::ClusterSetup cluster{};
  Duration patience{100s};
  Duration sweep{2100ms};  ///< the longest interval and its jitter: the failure comes all over it
};

/// The failure at many moments of an interval.
Seen measure(const Trial& trial) {
  Seen seen;
  for (int phase = 0; phase < phases; ++phase) {
    sim::Setup setup;
    setup.agents = {{"agent", std::make_shared<const PolicySet>(trial.set)}};
    setup.seed = static_cast<std::uint64_t>(phase);
    setup.cluster = trial.cluster;
    sim::World world(std::move(setup));
    const MonoTime at = sim::World::start + 70s + phase * trial.sweep / phases;
    std::optional<MonoTime> found;
    world.watch = [&](const sim::World::Entry& entry) {
      const auto* effect = std::get_if<Effect>(&entry.what);
      const auto* record = effect ? std::get_if<Record>(effect) : nullptr;
      if (!record || found || entry.at < at) return;
      if (record->kind == trial.wanted.kind && record->subject == trial.wanted.subject &&
          record->text.find(trial.wanted.part) != std::string::npos) {
        found = entry.at;
      }
    };
    for (const sim::Change& one : trial.before) world.at(at - 20s, one);
    world.at(at, trial.change);
    world.run_until(at + trial.patience);
    if (found) seen.add(*found - at);
  }
  return seen;
}

/// Where a session hears of it at once all are quicker than what is typical without one.
enum class Typical { among, above };

void check_within(const Seen& seen, const Span& bound, Typical typical = Typical::among) {
  const auto ms = [](Duration d) { return d / 1ms; };
  INFO("seen " << ms(seen.least) << " to " << ms(seen.most) << " ms, bound " << ms(bound.best)
               << ", " << ms(bound.typical) << ", " << ms(bound.worst) << " ms");
  CHECK(seen.times == phases);
  CHECK(seen.least >= bound.best);
  CHECK(seen.most <= bound.worst + slack);
  CHECK(seen.least <= bound.typical + slack);
  CHECK((typical == Typical::above || seen.most + slack >= bound.typical));
}

sim::Change becomes(const char* target, sim::Becomes state) {
  return sim::TargetBecomes{ProbeName(target), state};
}

RouteTiming bud_timing(const PolicySet& set) {
  return route_timing(set.routes.at(RouteName("bud")), input_of(set));
}

}  // namespace

TEST_CASE("bounds: a dead and a silent server are called down in time") {
  const PolicySet set = driving();
  const ProbeTiming timing = bud_timing(set).target;
  const Wanted down{RecordKind::probe_state, "primary", "to unhealthy"};
  check_within(measure({set, {}, becomes("primary", sim::Becomes::down), down}), timing.dead_down,
               Typical::above);
  check_within(measure({set, {}, becomes("primary", sim::Becomes::gone), down}),
               timing.silent_down);
}

TEST_CASE("bounds: a well server is healthy again in time") {
  PolicySet set = bud_policy();
  set.probes[ProbeName("app")] = probe_policy("app", ProbeKind::http);
  const ProbeTiming timing = probe_timing(set.probes.at(ProbeName("app")), Watched::no);
  const sim::Change failing = becomes("app", sim::Becomes::failing);
  Trial trial{set,
              {failing},
              becomes("app", sim::Becomes::passing),
              {RecordKind::probe_state, "app", "to healthy"}};
  trial.sweep = settled_sweep;
  check_within(measure(trial), timing.up);
}

TEST_CASE("bounds: a promotion is done and used in time, however the primary failed") {
  const PolicySet set = driving();
  const DriveTiming drive = *bud_timing(set).drive;
  const Wanted used{RecordKind::route, "bud", "leads to replica"};
  check_within(measure({set, {}, becomes("primary", sim::Becomes::down), used}), drive.dead);
  check_within(measure({set, {}, becomes("primary", sim::Becomes::gone), used}), drive.lost);
  sim::ClusterSetup tuned;
  tuned.receiver_timeout = tuned_receiver_timeout;
  check_within(measure({set, {}, becomes("primary", sim::Becomes::gone), used, tuned}),
               drive.lost_tuned);
  check_within(measure({set, {}, becomes("primary", sim::Becomes::frozen), used, tuned}),
               {drive.frozen.best, drive.frozen.typical,
                std::max(drive.frozen.worst, drive.lost_tuned.worst)});
}

TEST_CASE("bounds: whom somebody promotes is followed in time") {
  PolicySet set = driving();
  set.routes[RouteName("bud")].promote.reset();
  const Wanted used{RecordKind::route, "bud", "leads to replica-2"};
  const auto primary_down = becomes("primary", sim::Becomes::down);
  check_within(measure({set, {primary_down}, becomes("replica-2", sim::Becomes::primary), used}),
               bud_timing(set).followed, Typical::above);
}

TEST_CASE("bounds: a ladder begins, and has tried all in vain, in time") {
  PolicySet set = bud_policy();
  set.probes[ProbeName("app")] = probe_policy("app", ProbeKind::http);
  LadderPolicy ladder;
  ladder.name = LadderName("app");
  ladder.when = {ProbeName("app"), State::unhealthy, 15s};
  StepPolicy restart;
  restart.kind = StepKind::restart_unit;
  restart.name = "app.service";
  ladder.steps = {restart, restart};
  ladder.verify_within = 12s;
  ladder.retry_after = 5s;
  ladder.fingerprint = "app";
  set.recovery[ladder.name] = ladder;
  const LadderTiming timing = ladder_timing(ladder, input_of(set));
  const sim::Change failing = becomes("app", sim::Becomes::failing);
  const auto seen = [&](RecordKind kind, const char* part) {
    Trial trial{set, {}, failing, {kind, "app", part}};
    trial.sweep = settled_sweep;
    return measure(trial);
  };
  check_within(seen(RecordKind::probe_state, "to unhealthy"), timing.noticed);
  check_within(seen(RecordKind::ladder, "step 1 of 2"), timing.begun);
  check_within(seen(RecordKind::ladder, "exhausted"), timing.exhausted);
}

TEST_CASE("bounds: a ladder over a route whose promotion hangs begins in time, and not sooner") {
  PolicySet set = driving();
  set.routes[RouteName("bud")].hooks.insert(HookKind::fence);
  LadderPolicy ladder;
  ladder.name = LadderName("bud");
  ladder.when = {RouteName("bud"), State::unhealthy, 5s};
  StepPolicy step;
  step.kind = StepKind::exec;
  step.name = "collect";
  ladder.steps = {step};
  ladder.fingerprint = "bud";
  set.recovery[ladder.name] = ladder;
  constexpr Duration fence_timeout = 30s;
  BoundsInput input = input_of(set);
  const Span unheld = ladder_timing(ladder, input).noticed + ladder.when.hold;
  input.fence_timeouts[RouteName("bud")] = fence_timeout;
  const Span bound = ladder_timing(ladder, input).begun;
  // The fence succeeds at the last moment, and then nobody answers to the promotion.
  const std::vector<sim::Change> before{
      sim::ActsEnd{sim::ActKind::fence, sim::ActEnds::well, "", fence_timeout - 1s},
      sim::ActsEnd{sim::ActKind::promote, sim::ActEnds::hanging}};
  const Seen seen = measure({set,
                             before,
                             becomes("primary", sim::Becomes::down),
                             {RecordKind::ladder, "bud", "step 1 of 1"}});
  CHECK(seen.times == phases);
  CHECK(seen.least > unheld.worst + 20s);
  CHECK(seen.most <= bound.worst + slack);
}
