#include "tests/simulation/plan.hpp"

#include <algorithm>

namespace pointsman::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration calm_at_first = 8s, faults_last = 120s;

/// Puts faults into a plan, each with its end in most cases.
class Planner {
 public:
  Planner(const Recipe& recipe, Random& random) : recipe_(recipe), random_(random) {}

  Plan make() {
    const int episodes = 2 + static_cast<int>(random_.below(7));
    Duration at = calm_at_first;
    for (int i = 0; i < episodes && at < faults_last; ++i) {
      add_episode(at);
      at += random_.chance(30) ? random_.between(0ms, 2s) : random_.between(1s, 25s);
    }
    std::stable_sort(plan_.begin(), plan_.end(),
                     [](const Planned& a, const Planned& b) { return a.at < b.at; });
    return std::move(plan_);
  }

 private:
  void add(Duration at, Change change) { plan_.push_back({at, std::move(change)}); }
  Duration a_while() {
    return random_.chance(30) ? random_.between(50ms, 3s) : random_.between(3s, 45s);
  }
  bool ends() { return random_.chance(75); }
  ProbeName server() {
    // The first primary most of all.
    if (random_.chance(50)) return ProbeName(server_names(recipe_).front());
    const auto names = server_names(recipe_);
    return ProbeName(names[random_.below(names.size())]);
  }
  std::string agent() {
    return agent_name(static_cast<int>(random_.below(static_cast<std::uint64_t>(recipe_.agents))));
  }
  RouteName route() {
    return RouteName(recipe_.reads != 0 && random_.chance(30) ? "reads" : "writes");
  }

  void add_episode(Duration at) {
    const auto what = random_.below(100);
    if (what < 38) return server_fails(at);
    if (what < 44) return other_fails(at);
    if (what < 54) return network_fails(at);
    if (what < 60) return pooler_fails(at);
    if (what < 72) return acts_fail(at);
    if (what < 75 && recipe_.fence != 0) return fence_takes_long(at);
    if (what < 82) return agent_dies(at);
    if (what < 88) return clock_fails(at);
    operator_acts(at);
  }

  void server_fails(Duration at) {
    static constexpr Becomes faults[] = {Becomes::down,     Becomes::down,      Becomes::down,
                                         Becomes::stopped,  Becomes::gone,      Becomes::gone,
                                         Becomes::frozen,   Becomes::frozen,    Becomes::slow,
                                         Becomes::starting, Becomes::saturated, Becomes::read_only,
                                         Becomes::lagging,  Becomes::lagging,   Becomes::foreign,
                                         Becomes::primary,  Becomes::standby};
    Becomes fault = faults[random_.below(std::size(faults))];
    // Redis has no system identifier that would tell.
    if (fault == Becomes::foreign && recipe_.redis != 0) fault = Becomes::gone;
    ProbeName name = server();
    // The last one alone: were all of them foreign, nothing of the cluster would be left.
    if (fault == Becomes::foreign) name = ProbeName(server_names(recipe_).back());
    // Somebody else promotes when the primary has died; seldom while it lives.
    if (fault == Becomes::primary && random_.chance(80)) {
      add(at, TargetBecomes{ProbeName(server_names(recipe_).front()), Becomes::down});
      name = ProbeName(server_names(recipe_).back());
      at += random_.between(0ms, 6s);
    }
    add(at, TargetBecomes{name, fault});
    if (fault == Becomes::lagging && random_.chance(60)) {  // and then the primary dies
      add(at + random_.between(1s, 30s),
          TargetBecomes{ProbeName(server_names(recipe_).front()), Becomes::down});
    }
    if (!ends()) return;
    Becomes end = Becomes::up;
    if (fault == Becomes::read_only) end = Becomes::writable;
    if (fault == Becomes::lagging) end = Becomes::current;
    if (fault == Becomes::foreign) end = Becomes::standby;
    if (fault == Becomes::primary || fault == Becomes::standby) return;
    add(at + a_while(), TargetBecomes{name, end});
  }

  void other_fails(Duration at) {
    static constexpr const char* names[] = {"app", "app", "disk", "memory"};
    static constexpr Becomes faults[] = {Becomes::failing, Becomes::failing, Becomes::warning,
                                         Becomes::frozen};
    const ProbeName name(names[random_.below(4)]);
    const Becomes fault = faults[random_.below(4)];
    add(at, TargetBecomes{name, fault});
    if (!ends()) return;
    const Duration over = at + a_while();
    add(over, TargetBecomes{name, fault == Becomes::frozen ? Becomes::up : Becomes::passing});
  }

  void network_fails(Duration at) {
    std::string from = random_.chance(60) ? agent() : server().text;
    std::string to = server().text;
    if (from == to) return;
    if (random_.chance(50)) std::swap(from, to);
    const Duration over = at + a_while();
    const bool both = random_.chance(50), heals = ends();
    add(at, Cut{from, to});
    if (both) add(at, Cut{to, from});
    if (heals) add(over, Cut{from, to, true});
    if (heals && both) add(over, Cut{to, from, true});
  }

  void pooler_fails(Duration at) {
    PoolerChanges fault;
    fault.agent = agent();
    fault.route = route();
    fault.state = static_cast<PoolerBecomes>(1 + random_.below(pooler_becomes_count - 1));
    if (fault.state == PoolerBecomes::resumed) fault.state = PoolerBecomes::down;
    if (fault.state == PoolerBecomes::edited) fault.to = server();
    add(at, fault);
    if (!ends()) return;
    fault.state = fault.state == PoolerBecomes::down ? PoolerBecomes::up : PoolerBecomes::resumed;
    fault.to = ProbeName();
    add(at + a_while(), fault);
  }

  void acts_fail(Duration at) {
    static constexpr ActKind kinds[] = {
        ActKind::promote, ActKind::promote,     ActKind::switch_route,
        ActKind::step,    ActKind::switch_over, ActKind::fence,
        ActKind::demote,  ActKind::observe,     ActKind::after_promote};
    ActsEnd fault;
    fault.kind = kinds[random_.below(std::size(kinds))];
    fault.how = static_cast<ActEnds>(random_.below(act_ends_count));
    if (random_.chance(20)) fault.takes = random_.between(100ms, 4s);
    add(at, fault);
    // Where there is no act there is nothing to go wrong: often something has to be done then.
    if (random_.chance(60)) {
      add(at + random_.between(0ms, 4s),
          TargetBecomes{ProbeName(server_names(recipe_).front()),
                        random_.chance(70) ? Becomes::down : Becomes::frozen});
    }
    if (fault.kind == ActKind::step && random_.chance(60)) {
      add(at + random_.between(0ms, 4s), TargetBecomes{ProbeName("app"), Becomes::failing});
    }
    if (ends()) add(at + a_while(), ActsEnd{fault.kind});
  }

  /// Time for the primary to come back, for people and for kills, while the fence is under way.
  void fence_takes_long(Duration at) {
    ActsEnd fault;
    fault.kind = ActKind::fence;
    fault.takes = random_.between(500ms, 6s);
    add(at, fault);
    const ProbeName primary(server_names(recipe_).front());
    at += random_.between(0ms, 2s);
    add(at, TargetBecomes{primary, random_.chance(60) ? Becomes::down : Becomes::frozen});
    if (random_.chance(60)) {
      add(at + random_.between(500ms, 10s), TargetBecomes{primary, Becomes::up});
    }
    if (random_.chance(40)) operator_acts(at + random_.between(500ms, 10s));
  }

  void agent_dies(Duration at) {
    AgentKilled fault;
    fault.agent = random_.chance(60) ? agent_name(0) : agent();
    if (random_.chance(70)) fault.after_effects = 1 + static_cast<int>(random_.below(14));
    fault.back_after = random_.between(50ms, 15s);
    fault.reboots = random_.chance(25);
    add(at, fault);
    if (random_.chance(70)) {  // in the middle of something
      const bool app = recipe_.app_ladder != 0 && random_.chance(50);
      add(at + random_.between(0ms, 2s),
          TargetBecomes{app ? ProbeName("app") : ProbeName(server_names(recipe_).front()),
                        app ? Becomes::failing : Becomes::down});
    }
  }

  void clock_fails(Duration at) {
    ClockFails fault;
    fault.agent = agent();
    fault.how = static_cast<ClockFault>(random_.below(clock_fault_count));
    fault.by = random_.between(100ms, 10s);
    if (fault.how == ClockFault::jumps && random_.chance(50)) fault.by = -fault.by;
    add(at, fault);
  }

  void operator_acts(Duration at) {
    Commanded c;
    c.agent = random_.chance(60) ? agent_name(0) : agent();
    const std::string by = "uid 1000";
    switch (random_.below(8)) {
      case 0:
      case 1:
        c.command = AutomationSet{true, "", by, std::nullopt};
        if (random_.chance(50)) c.lasts = a_while();
        add(at, c);
        if (ends()) {
          c.lasts.reset();
          c.command = AutomationSet{false, "", by, std::nullopt};
          add(at + a_while(), c);
        }
        return;
      case 2:
        c.command = FlagSet{FlagName("maintenance"), true, "", by, std::nullopt};
        if (random_.chance(50)) c.lasts = a_while();
        add(at, c);
        if (ends()) {
          c.lasts.reset();
          c.command = FlagSet{FlagName("maintenance"), false, "", by, std::nullopt};
          add(at + a_while(), c);
        }
        return;
      case 3: {
        for (int i = 0; i < recipe_.agents; ++i) {
          if (agent_name(i) != c.agent) continue;
          add(at, PolicyChanges{c.agent, policy_of(recipe_, i, Mode::observe)});
          if (ends()) add(at + a_while(), PolicyChanges{c.agent, policy_of(recipe_, i)});
        }
        return;
      }
      case 4:
        c.command = IncidentAcknowledged{IncidentId{1 + random_.below(6)}, by, ""};
        add(at, c);
        return;
      case 5:
        for (std::uint64_t id = 1; id < 40; ++id) {  // it is not known which one waits
          c.command = StepApproved{ActionId{id}, random_.chance(70), by};
          add(at, c);
        }
        return;
      default: {
        SwitchRequested ask;
        ask.request = RequestId{++requests_};
        ask.route = RouteName("writes");
        if (random_.chance(70)) ask.to = server();
        ask.dry_run = random_.chance(10);
        ask.allow_data_loss = random_.chance(30);
        ask.unfenced = random_.chance(20);
        ask.by = by;
        c.command = ask;
        add(at, c);
        if (random_.chance(30)) {
          c.command = SwitchCancelled{ask.request};
          add(at + random_.between(0ms, 300ms), c);
        }
      }
    }
  }

  const Recipe& recipe_;
  Random& random_;
  Plan plan_;
  std::uint64_t requests_ = 0;
};

}  // namespace

Plan random_plan(const Recipe& recipe, Random& random) {
  return Planner(recipe, random).make();
}

}  // namespace pointsman::sim
