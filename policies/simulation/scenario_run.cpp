#include "policies/simulation/scenario_run.hpp"

#include <algorithm>
#include <optional>

#include "policies/explain.hpp"
#include "policies/simulation/history.hpp"
#include "policies/simulation/scenario_check.hpp"
#include "policies/simulation/world.hpp"

namespace pointsman::sim {
namespace {

/// The timeline, written as the world tells.
struct Writer {
  std::vector<TimelineLine>& timeline;
  Duration at;

  void operator()(const Change& change) const {
    const bool person = std::holds_alternative<Commanded>(change);
    timeline.push_back({at, person ? "operator" : "world", "", "", to_text(change)});
  }
  void operator()(const Event&) const {}
  void operator()(const Done&) const {}
  void operator()(const Effect& effect) const {
    if (const auto* record = std::get_if<Record>(&effect)) {
      timeline.push_back({at, scenario_agent, std::string(pointsman::to_text(record->kind)),
                          record->subject, record->text, record->details});
    } else if (const auto* alert = std::get_if<SendAlert>(&effect)) {
      timeline.push_back(
          {at, scenario_agent, "alert", alert->alert.notifier.text,
           std::string(pointsman::to_text(alert->alert.state)) + ": " + alert->alert.summary});
    } else if (std::string signature = act_signature(effect); !signature.empty()) {
      timeline.push_back({at, scenario_agent, "act", "", std::move(signature)});
    }
  }
};

class Run {
 public:
  Run(const Scenario& scenario, const std::shared_ptr<const PolicySet>& policy)
      : scenario_(scenario), world_(setup(scenario, policy)) {
    world_.watch = [this](const Entry& entry) {
      std::visit(Writer{result_.timeline, entry.at - World::start}, entry.what);
    };
    for (const Expectation& one : scenario.expectations) expected_.push_back({&one});
    for (const Prohibition& one : scenario.prohibitions) prohibited_.push_back({&one});
    changes_ = scenario.changes;
    std::stable_sort(changes_.begin(), changes_.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
  }

  ScenarioResult run() {
    std::size_t next = 0;
    for (MonoTime now = World::start; now < scenario_.end;) {
      MonoTime until = std::min(now + look_interval, scenario_.end);
      if (next < changes_.size()) until = std::min(until, changes_[next].at);
      until = std::min(until, next_expectation(now));
      world_.run_until(until);
      now = until;
      look(now);
      for (; next < changes_.size() && changes_[next].at <= now; ++next) apply(changes_[next]);
    }
    for (Expected& one : expected_) {
      if (!one.settled) fail(one.wanted->condition, "expected", scenario_.end);
    }
    std::stable_sort(result_.failures.begin(), result_.failures.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    result_.checked = expected_.size() + prohibited_.size();
    return std::move(result_);
  }

 private:
  struct Expected {
    const Expectation* wanted;
    bool settled = false;
  };
  struct Prohibited {
    const Prohibition* unwanted;
    bool told = false;
    std::optional<std::size_t> first{};  ///< of the timeline, since it is looked for
  };

  static Setup setup(const Scenario& scenario, const std::shared_ptr<const PolicySet>& policy) {
    Setup setup;
    setup.agents = {AgentSetup{scenario_agent, policy}};
    setup.seed = scenario.seed;
    setup.cluster = scenario.cluster;
    return setup;
  }

  MonoTime next_expectation(MonoTime now) const {
    MonoTime next = MonoTime::max();
    for (const Expected& one : expected_) {
      for (const MonoTime at : {one.wanted->at, one.wanted->at + one.wanted->within}) {
        if (at > now) next = std::min(next, at);
      }
    }
    return next;
  }

  void apply(const PlannedChange& change) {
    if (const auto* known = std::get_if<Change>(&change.what)) return world_.apply(*known);
    const auto seen = world_.snapshot(scenario_agent);
    if (!seen) return;
    for (const auto& [name, ladder] : seen->ladders) {
      if (ladder.approval == ActionId{}) continue;
      const bool approved = std::get<AnswerApproval>(change.what).approved;
      world_.apply(Commanded{scenario_agent, StepApproved{ladder.approval, approved, "operator"}});
    }
  }

  void look(MonoTime now) {
    const auto seen = world_.snapshot(scenario_agent);
    seen_ = seen.get();
    for (Expected& one : expected_) {
      const Expectation& wanted = *one.wanted;
      if (one.settled || now < wanted.at) continue;
      if (holds(wanted.condition, view(0))) {
        one.settled = true;
      } else if (now >= wanted.at + wanted.within) {
        one.settled = true;
        fail(wanted.condition, "expected", now);
      }
    }
    for (Prohibited& one : prohibited_) {
      const Prohibition& unwanted = *one.unwanted;
      if (now < unwanted.from || (unwanted.until && now > *unwanted.until)) continue;
      if (!one.first) one.first = unwanted.from == World::start ? 0 : result_.timeline.size();
      if (one.told || !holds(unwanted.condition, view(*one.first))) continue;
      one.told = true;
      fail(unwanted.condition, "never", now);
    }
    seen_ = nullptr;
  }

  void fail(const Condition& condition, const std::string& rule, MonoTime now) {
    const std::string what = rule + ": " + to_text(condition);
    const std::string found = rule == "never" && !std::holds_alternative<Happened>(condition.what)
                                  ? "it did"
                                  : instead(condition, view(0));
    result_.failures.push_back({condition.where, now - World::start, what + "; " + found});
  }

  ScenarioView view(std::size_t first) const { return {seen_, result_.timeline, first}; }

  const Scenario& scenario_;
  ScenarioResult result_;
  World world_;
  std::vector<PlannedChange> changes_;
  std::vector<Expected> expected_;
  std::vector<Prohibited> prohibited_;
  const Snapshot* seen_ = nullptr;
};

}  // namespace

ScenarioResult run_scenario(const Scenario& scenario,
                            const std::shared_ptr<const PolicySet>& policy) {
  return Run(scenario, policy).run();
}

}  // namespace pointsman::sim
