#include "tests/simulation/run.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "policies/route_words.hpp"
#include "tests/simulation/bounds.hpp"

namespace pointsman::sim {
namespace {

using namespace std::chrono_literals;

const RouteName writes{"writes"};
constexpr Duration slice = 500ms;
/// The world's late acts come so long after their deadline at most.
constexpr Duration late_acts = 10s;
/// The deadline of a hook, and of a planned change beside its promotion.
constexpr Duration longest_hook = 30s;

bool changes_servers(const Effect& effect) {
  return std::holds_alternative<PromoteServer>(effect) ||
         std::holds_alternative<SwitchOver>(effect) || std::holds_alternative<RunHook>(effect) ||
         std::holds_alternative<DemoteServer>(effect);
}

class Run {
 public:
  Run(const Case& one, const Watch& also)
      : case_(one), also_(also), world_(setup_of(one.recipe, one.seed)), checkers_(world_) {
    world_.watch = [this](const Entry& entry) { see(entry); };
  }

  Result go() {
    for (const Planned& planned : case_.plan) world_.at(World::start + planned.at, planned.change);
    const Duration faults = case_.plan.empty() ? 10s : case_.plan.back().at + 5s;
    if (!pass(faults)) return result();
    heal();
    if (!acts_end()) return result();
    heal_servers();
    if (!pass(time_to_heal(case_.recipe))) return result();
    if (!served("though nothing has failed for " + std::to_string(time_to_heal(case_.recipe) / 1s) +
                " s")) {
      return result();
    }
    if (case_.last != Last::nothing) fail_once_more();
    return result();
  }

 private:
  void see(const Entry& entry) {
    checkers_.see(entry);
    if (also_) also_(entry);
    if (const auto* done = std::get_if<Done>(&entry.what)) {
      if (done->kind == ActKind::promote) ++tally_.promotions;
      if (done->kind == ActKind::switch_route) ++tally_.switches;
      if (done->kind == ActKind::step) ++tally_.steps;
    }
    if (const auto* change = std::get_if<Change>(&entry.what)) {
      if (std::holds_alternative<AgentKilled>(*change)) ++tally_.kills;
      if (std::holds_alternative<Commanded>(*change)) ++tally_.requests;
    }
    const auto* effect = std::get_if<Effect>(&entry.what);
    if (effect && std::holds_alternative<PromoteServer>(*effect)) promotions_.push_back(entry.at);
    if (effect && changes_servers(*effect)) asked_ = entry.at;
    const auto* record = effect ? std::get_if<Record>(effect) : nullptr;
    const auto* memory = record ? std::get_if<RouteMemory>(&record->memory) : nullptr;
    if (memory) newest_ = std::max(newest_, memory->timeline);
    const auto* event = std::get_if<Event>(&entry.what);
    const auto* finished = event ? std::get_if<ActionFinished>(event) : nullptr;
    if (finished) newest_ = std::max(newest_, finished->timeline.value_or(0));
    const auto* sampled = event ? std::get_if<SampleTaken>(event) : nullptr;
    const auto* pg = sampled ? std::get_if<PostgresFacts>(&sampled->sample.finding.facts) : nullptr;
    if (pg) newest_ = std::max(newest_, pg->timeline.value_or(0));
  }

  /// False: a rule was broken.
  bool pass(Duration duration) {
    const MonoTime end = world_.now() + duration;
    while (world_.now() < end) {
      world_.run_until(std::min(world_.now() + slice, end));
      if (!checkers_.violations().empty()) return false;
    }
    return true;
  }

  /// What was asked of the servers (to fence, to promote, ...) may still come: only then can
  /// whoever mends them. Ends, since an agent may promote only so often.
  bool acts_end() {
    const Duration longest = longest_hook + std::chrono::seconds{case_.recipe.promote_timeout};
    MonoTime end = world_.now() + std::chrono::seconds{case_.recipe.promote_timeout} + late_acts;
    while (world_.now() < end) {
      if (!pass(end - world_.now())) return false;
      if (asked_) end = std::max(end, *asked_ + longest + late_acts);
    }
    return true;
  }

  bool served(const std::string& when) {
    std::vector<Violation> found = find_unserved(world_);
    if (found.empty()) return true;
    unserved_ = std::move(found.front());
    unserved_->text += "; " + when;
    return false;
  }

  /// All faults but those of the databases end, and nobody holds anything.
  void heal() {
    for (const Planned& planned : case_.plan) {
      const auto* cut = std::get_if<Cut>(&planned.change);
      if (cut && !cut->healed) world_.apply(Cut{cut->from, cut->to, true});
    }
    for (int i = 0; i < act_kind_count; ++i) world_.apply(ActsEnd{static_cast<ActKind>(i)});
    for (const char* name : {"app", "disk", "memory"}) {
      world_.apply(TargetBecomes{ProbeName(name), Becomes::up});
      world_.apply(TargetBecomes{ProbeName(name), Becomes::passing});
    }
    int number = 0;
    for (const std::string& agent : world_.agents()) {
      world_.apply(AgentStarted{agent});
      for (const auto& [route, policy] : world_.policy(agent).routes) {
        world_.apply(PoolerChanges{agent, route, PoolerBecomes::up});
        world_.apply(PoolerChanges{agent, route, PoolerBecomes::resumed});
      }
      world_.apply(PolicyChanges{agent, policy_of(case_.recipe, number++)});
      world_.apply(Commanded{agent, AutomationSet{false, "", "uid 0", std::nullopt}});
      world_.apply(
          Commanded{agent, FlagSet{FlagName("maintenance"), false, "", "uid 0", std::nullopt}});
    }
  }

  /// They all run, and one primary is left.
  void heal_servers() {
    std::vector<ProbeName> names;
    for (const std::string& name : server_names(case_.recipe)) names.emplace_back(name);
    for (const ProbeName& name : names) {
      for (const Becomes state : {Becomes::up, Becomes::current, Becomes::writable}) {
        world_.apply(TargetBecomes{name, state});
      }
    }
    for (const ProbeName& name : names) {
      if (world_.servers().newest_primary(name) != name) {
        world_.apply(TargetBecomes{name, Becomes::standby});
      }
    }
    // A person who mends a cluster leaves no timeline behind that is older than one that was used.
    const ProbeName primary = world_.servers().newest_primary(names.front());
    if (!primary.empty() && world_.servers().get(primary).timeline >= newest_) return;
    for (std::size_t i = 0; i < 100; ++i) {
      const ProbeName& next = names[i % names.size()];
      world_.apply(TargetBecomes{next, Becomes::primary});
      const ProbeName now = world_.servers().newest_primary(next);
      for (const ProbeName& name : names) {
        if (name != now) world_.apply(TargetBecomes{name, Becomes::standby});
      }
      if (!now.empty() && world_.servers().get(now).timeline >= newest_) return;
    }
  }

  /// The primary fails, out of calm: by when does each agent's route work again?
  void fail_once_more() {
    const auto recent = std::count_if(promotions_.begin(), promotions_.end(), [this](MonoTime at) {
      return world_.now() - at < 1h + 1min;
    });
    if (case_.last != Last::follow && recent >= promotions_per_hour)
      return;  // the limit of an hour holds the next
    const ProbeName primary =
        world_.servers().newest_primary(ProbeName(server_names(case_.recipe).front()));
    const Becomes state = case_.last == Last::gone     ? Becomes::gone
                          : case_.last == Last::frozen ? Becomes::frozen
                                                       : Becomes::down;
    ++tally_.last_faults;
    const MonoTime failed = world_.now();
    world_.apply(TargetBecomes{primary, state});
    if (case_.last == Last::follow) {
      for (const std::string& name : server_names(case_.recipe)) {
        if (ProbeName(name) == primary) continue;
        world_.apply(TargetBecomes{ProbeName(name), Becomes::primary});
        break;
      }
    }
    for (int i = case_.recipe.agents - 1; i >= 0; --i) waits_.insert({worst_time(case_, i), i});
    for (const auto& [bound, agent] : waits_) {
      if (!pass(failed + bound - world_.now())) return;
      const Pooler& pooler = world_.pooler(agent_name(agent), writes);
      const bool works =
          pooler.leads.size() == 1 && world_.servers().get(pooler.leads.front()).writable();
      if (works) continue;
      const auto snapshot = world_.snapshot(agent_name(agent));
      const RouteView& view = snapshot->routes.at(writes);
      unserved_ = Violation{world_.now(), agent_name(agent), "too_late",
                            "route writes does not work " + std::to_string(bound / 1ms) +
                                " ms after its primary failed, the worst that check tells: " +
                                std::string(view.diagnosis) + ", " + view.why};
      return;
    }
  }

  Result result() const {
    Result result;
    result.tally = tally_;
    if (!checkers_.violations().empty()) {
      result.violation = checkers_.violations().front();
    } else {
      result.violation = unserved_;
    }
    return result;
  }

  const Case& case_;
  const Watch& also_;
  World world_;
  Checkers checkers_;
  Tally tally_;
  std::uint32_t newest_ = 0;          ///< timeline that anyone has seen
  std::vector<MonoTime> promotions_;  ///< that were asked for
  std::optional<MonoTime> asked_;     ///< when the servers were last asked to change
  std::set<std::pair<Duration, int>> waits_;
  std::optional<Violation> unserved_;
};

}  // namespace

Tally& Tally::operator+=(const Tally& other) {
  promotions += other.promotions;
  switches += other.switches;
  steps += other.steps;
  kills += other.kills;
  requests += other.requests;
  last_faults += other.last_faults;
  return *this;
}

Last random_last(const Recipe& recipe, Random& random) {
  if (recipe.promotes == 0) return Last::follow;
  return static_cast<Last>(1 + random.below(recipe.when_frozen != 0 ? 3 : 2));
}

Case random_case(std::uint64_t seed) {
  Random random(seed);
  Case one;
  one.seed = seed;
  one.recipe = random_recipe(random);
  one.plan = random_plan(one.recipe, random);
  if (!random.chance(40)) one.last = random_last(one.recipe, random);
  return one;
}

Result run_case(const Case& one, const Watch& also) {
  return Run(one, also).go();
}

Case shrink(Case one, const std::string& rule) {
  const auto breaks = [&](const Plan& plan) {
    Case shorter = one;
    shorter.plan = plan;
    const Result result = run_case(shorter);
    return result.violation && result.violation->rule == rule;
  };
  Plan prefix;
  for (const Planned& planned : one.plan) {
    if (breaks(prefix)) break;
    prefix.push_back(planned);
  }
  if (breaks(prefix)) one.plan = std::move(prefix);
  for (std::size_t i = one.plan.size(); i-- > 0;) {
    Plan without = one.plan;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    if (breaks(without)) one.plan = std::move(without);
  }
  return one;
}

}  // namespace pointsman::sim
