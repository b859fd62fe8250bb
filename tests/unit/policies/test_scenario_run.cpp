// Scenarios as values: what is expected and is so, what is not, what must never be and is.
#include <catch2/catch.hpp>

#include "policies/simulation/history.hpp"
#include "policies/simulation/scenario_run.hpp"
#include "policies/simulation/world.hpp"
#include "world.hpp"

using namespace pointsman;
using namespace pointsman::testing;
using sim::Becomes;
using sim::Condition;
using sim::TargetBecomes;

namespace {

constexpr MonoTime beginning = sim::World::start;

std::shared_ptr<const PolicySet> policy() {
  PolicySet set = bud_policy();
  PromotePolicy promote;
  promote.when = {"primary_dead"};
  promote.sole_promoter = true;
  set.routes[RouteName("bud")].promote = promote;
  ProbePolicy disk = probe_policy("disk", ProbeKind::disk);
  set.probes[disk.name] = disk;
  ServicePolicy host;
  host.name = ServiceName("host");
  host.members = {ProbeName("disk")};
  host.scope = Scope::node;
  set.services[host.name] = host;
  LadderPolicy ladder;
  ladder.name = LadderName("disk");
  ladder.when = {ProbeName("disk"), State::unhealthy, 1s};
  StepPolicy ask;
  ask.kind = StepKind::approve;
  ask.name = "clean up?";
  ask.hold = 1min;
  StepPolicy flag;
  flag.kind = StepKind::set_flag;
  flag.name = "page";
  flag.until_recovered = true;
  ladder.steps = {ask, flag};
  set.recovery[ladder.name] = ladder;
  set.notify[NotifierName("oncall")] = {NotifierName("oncall"), true, true};
  return std::make_shared<const PolicySet>(std::move(set));
}

struct Draft : sim::Scenario {
  Draft() { end = beginning + 2min; }
  Draft& at(Duration when, sim::Change change) {
    changes.push_back({beginning + when, std::move(change)});
    return *this;
  }
  Draft& expect(Duration when, Duration within, Condition condition) {
    expectations.push_back({std::move(condition), beginning + when, within});
    return *this;
  }
  Draft& never(Condition condition) {
    prohibitions.push_back({std::move(condition), beginning, std::nullopt});
    return *this;
  }
};

/// What failed, in words, one line each.
std::string failures_of(const sim::Scenario& scenario) {
  std::string text;
  for (const auto& failure : sim::run_scenario(scenario, policy()).failures) {
    text += failure.text + "\n";
  }
  return text;
}

const sim::Change primary_dies = TargetBecomes{ProbeName("primary"), Becomes::down};
const sim::Change disk_fails = TargetBecomes{ProbeName("disk"), Becomes::failing};
const sim::Change disk_is_well = TargetBecomes{ProbeName("disk"), Becomes::passing};

Condition leads_to(const char* target) {
  return {sim::RouteLeads{RouteName("bud"), {ProbeName(target)}}, "x:1:1"};
}

}  // namespace

TEST_CASE("scenario: what is so is so, of every kind") {
  Draft draft;
  draft.at(20s, primary_dies)
      .expect(15s, 0s, leads_to("primary"))
      .expect(15s, 0s, {sim::StateIs{RouteName("bud"), State::healthy}, ""})
      .expect(15s, 0s, {sim::StateIs{ServiceName("database"), State::healthy}, ""})
      .expect(15s, 0s, {sim::StateIs{ProbeName("primary"), State::healthy}, ""})
      .expect(15s, 0s, {sim::OverallIs{State::healthy}, ""})
      .expect(15s, 0s, {sim::Serves{true}, ""})
      .expect(15s, 0s, {sim::FlagIs{FlagName("page"), false}, ""})
      .expect(15s, 0s, {sim::IncidentsOpen{0}, ""})
      .expect(20s, 30s, {sim::RouteDiagnosed{RouteName("bud"), "primary_dead"}, ""})
      .expect(20s, 30s, {sim::Happened{"act", "", "promote replica"}, ""})
      .expect(20s, 40s, leads_to("replica-1"))
      .expect(20s, 40s, {sim::Happened{"alert", "oncall", "firing"}, ""})
      .never({sim::RouteDiagnosed{RouteName("bud"), "split_brain"}, ""});
  const auto result = sim::run_scenario(draft, policy());
  CHECK(failures_of(draft) == "");
  CHECK(result.checked == 13);
  CHECK(!result.timeline.empty());
}

TEST_CASE("scenario: a ladder, its question and its flag") {
  Draft draft;
  draft.at(20s, disk_fails)
      .expect(20s, 1min, {sim::LadderIs{LadderName("disk"), "approval"}, ""})
      .expect(60s, 20s, {sim::FlagIs{FlagName("page"), true}, ""})
      .expect(60s, 0s, {sim::Serves{false}, ""})
      .expect(90s, 20s, {sim::FlagIs{FlagName("page"), false}, ""})
      .at(90s, disk_is_well);
  draft.changes.push_back({beginning + 60s, sim::AnswerApproval{true}});
  CHECK(failures_of(draft) == "");
}

TEST_CASE("scenario: what is not so fails, and says what is instead") {
  Draft draft;
  draft.expect(15s, 1s, leads_to("replica-1"))
      .expect(15s, 0s, {sim::RouteDiagnosed{RouteName("bud"), "primary_dead"}, ""})
      .expect(15s, 0s, {sim::RouteDiagnosed{RouteName("nowhere"), "ok"}, ""})
      .expect(15s, 0s, {sim::RouteLeads{RouteName("nowhere"), {}}, ""})
      .expect(15s, 0s, {sim::StateIs{ProbeName("disk"), State::unhealthy}, ""})
      .expect(15s, 0s, {sim::StateIs{ServiceName("nobody"), State::healthy}, ""})
      .expect(15s, 0s, {sim::OverallIs{State::unhealthy}, ""})
      .expect(15s, 0s, {sim::Serves{false}, ""})
      .expect(15s, 0s, {sim::FlagIs{FlagName("page"), true}, ""})
      .expect(15s, 0s, {sim::LadderIs{LadderName("disk"), "step"}, ""})
      .expect(15s, 0s, {sim::IncidentsOpen{3}, ""})
      .expect(15s, 0s, {sim::Happened{"alert", "oncall", "firing"}, ""});
  const std::string text = failures_of(draft);
  for (const char* part :
       {"expected: route bud leads to replica-1; it leads to primary; diagnosis ok",
        "the diagnosis of route bud is primary_dead; it is ok",
        "the diagnosis of route nowhere is ok; there is no such route",
        "route nowhere leads to nobody; there is no such route", "disk is unhealthy; it is healthy",
        "nobody is healthy; it is unknown", "overall is unhealthy; it is healthy",
        "this host gets no traffic; it gets traffic", "flag page is set; it is not",
        "ladder disk is step; it is idle", "3 incidents are open; 0 are",
        "alert of oncall that says 'firing'; nothing of it has happened"}) {
    INFO(part << " in\n" << text);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("scenario: what must never be fails once, when it is") {
  Draft draft;
  draft.at(20s, primary_dies)
      .never({sim::Happened{"act", "", "promote"}, ""})
      .never({sim::StateIs{RouteName("bud"), State::unhealthy}, ""});
  const std::string text = failures_of(draft);
  CHECK(text.find("never: act that says 'promote'; it said: promote replica-1") !=
        std::string::npos);
  CHECK(text.find("never: route:bud is unhealthy; it did") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
}

TEST_CASE("scenario: of a dead daemon nothing holds but what has happened") {
  Draft draft;
  draft.at(20s, sim::AgentKilled{sim::scenario_agent})
      .expect(30s, 0s, {sim::OverallIs{State::healthy}, ""})
      .expect(30s, 0s, {sim::Happened{"overall_state", "", ""}, ""});
  draft.changes.push_back({beginning + 40s, sim::AnswerApproval{false}});
  const std::string text = failures_of(draft);
  CHECK(text.find("overall is healthy; the daemon is dead") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
}

TEST_CASE("scenario: what is forbidden for a while may be before and after") {
  Draft draft;
  draft.at(20s, disk_fails).at(50s, disk_is_well);
  const Condition drained{sim::StateIs{ProbeName("disk"), State::unhealthy}, ""};
  draft.prohibitions.push_back({drained, beginning + 5s, beginning + 15s});
  CHECK(failures_of(draft) == "");
  draft.prohibitions.push_back({drained, beginning + 40s, beginning + 45s});
  CHECK(failures_of(draft) == "never: disk is unhealthy; it did\n");
}

TEST_CASE("acts are told by what they do to what, whatever their number") {
  const SwitchTarget a{ProbeName("a"), {}}, b{ProbeName("b"), {}};
  SwitchRoute move;
  move.route = RouteName("bud");
  move.to = {a, b};
  CHECK(act_signature(move) == "switch bud to a, b");
  move.cause = SwitchCause::verify;
  CHECK(act_signature(move) == "verify bud to a, b");
  PromoteServer promote;
  promote.route = RouteName("bud");
  promote.to = a;
  CHECK(act_signature(promote) == "promote a for bud");
  RunHook hook;
  hook.route = RouteName("bud");
  CHECK(act_signature(hook) == "fence for bud");
  DemoteServer demote;
  demote.route = RouteName("cache");
  demote.server = b;
  CHECK(act_signature(demote) == "demote b for cache");
  SwitchOver over;
  over.route = RouteName("bud");
  over.to = a;
  CHECK(act_signature(over) == "switch over bud to a");
  CHECK(act_signature(ReconnectRoute{ActionId{1}, RouteName("bud")}) == "reconnect bud");
  RunStep step;
  step.ladder = LadderName("database");
  step.policy.kind = StepKind::restart_unit;
  step.policy.name = "app.service";
  CHECK(act_signature(step) == "restart_unit app.service of database");
  step.policy.kind = StepKind::promote;
  step.policy.name = "";
  step.policy.route = RouteName("bud");
  CHECK(act_signature(step) == "promote bud of database");
  CHECK(act_signature(RunProbe{ProbeName("a")}).empty());
}

TEST_CASE("scenario: every change is told in words of its own") {
  std::set<std::string> words;
  std::vector<sim::Change> changes;
  for (int i = 0; i < sim::becomes_count; ++i) {
    changes.push_back(TargetBecomes{ProbeName("a"), static_cast<Becomes>(i)});
  }
  for (int i = 0; i < sim::pooler_becomes_count; ++i) {
    changes.push_back(
        sim::PoolerChanges{"", RouteName("r"), static_cast<sim::PoolerBecomes>(i), ProbeName("a")});
  }
  for (int i = 0; i < sim::act_kind_count; ++i) {
    for (int j = 0; j < sim::act_ends_count; ++j) {
      changes.push_back(sim::ActsEnd{static_cast<sim::ActKind>(i), static_cast<sim::ActEnds>(j)});
    }
  }
  for (int i = 0; i < sim::clock_fault_count; ++i) {
    changes.push_back(sim::ClockFails{"p", static_cast<sim::ClockFault>(i), 3s});
  }
  changes.push_back(TargetBecomes{ProbeName("a"), Becomes::up, pass()});
  changes.push_back(sim::Cut{"a", "b"});
  changes.push_back(sim::Cut{"a", "b", true});
  changes.push_back(sim::ActsEnd{sim::ActKind::step, sim::ActEnds::well, "ladder", 5s});
  changes.push_back(sim::PoolerChanges{"p", RouteName("r"), sim::PoolerBecomes::edited});
  changes.push_back(sim::AgentKilled{"p"});
  changes.push_back(sim::AgentKilled{"p", 5s, 2});
  changes.push_back(sim::AgentKilled{"p", 5s, 2, true});
  changes.push_back(sim::AgentStarted{"p"});
  changes.push_back(sim::PolicyChanges{"p", policy()});
  SwitchRequested asked;
  asked.route = RouteName("bud");
  changes.push_back(sim::Commanded{"p", asked});
  asked.to = ProbeName("replica-1");
  changes.push_back(sim::Commanded{"p", asked});
  changes.push_back(sim::Commanded{"p", SwitchCancelled{}});
  changes.push_back(sim::Commanded{"p", AutomationSet{true, "", "", std::nullopt}});
  changes.push_back(sim::Commanded{"p", AutomationSet{false, "", "", std::nullopt}});
  changes.push_back(sim::Commanded{"p", FlagSet{FlagName("f"), true, "", "", std::nullopt}});
  changes.push_back(sim::Commanded{"p", FlagSet{FlagName("f"), false, "", "", std::nullopt}});
  changes.push_back(sim::Commanded{"p", DrainSet{true, "", ""}});
  changes.push_back(sim::Commanded{"p", DrainSet{false, "", ""}});
  changes.push_back(sim::Commanded{"p", IncidentAcknowledged{}});
  changes.push_back(sim::Commanded{"p", StepApproved{ActionId{1}, true, ""}});
  changes.push_back(sim::Commanded{"p", StepApproved{ActionId{1}, false, ""}});
  for (const sim::Change& change : changes) {
    const std::string text = sim::to_text(change);
    CHECK(!text.empty());
    words.insert(text);
  }
  CHECK(words.size() > changes.size() - 8);  // some differ in what is not told
}
