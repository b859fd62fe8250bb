// A small world for tests of ladders: the subject is as the test says, steps end when the test says
// so, time is virtual. It breaks on two steps at a time and on a step that starts when it may not.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policies/recovery.hpp"

namespace pointsman::testing {

using namespace std::chrono_literals;

inline StepPolicy step_of(StepKind kind, const std::string& name) {
  StepPolicy step;
  step.kind = kind;
  step.name = name;
  step.timeout = 20s;
  const bool of_route =
      kind == StepKind::reconnect || kind == StepKind::switch_route || kind == StepKind::promote;
  if (of_route) step.route = RouteName(name);
  return step;
}

/// Three remedies for the service `database`.
inline LadderPolicy database_ladder() {
  LadderPolicy ladder;
  ladder.name = LadderName("database");
  ladder.when = {ServiceName("database"), State::unhealthy, 15s};
  ladder.steps = {step_of(StepKind::reconnect, "bud"), step_of(StepKind::switch_route, "bud"),
                  step_of(StepKind::restart_unit, "app.service")};
  ladder.escalate = {NotifierName("oncall")};
  ladder.fingerprint = "database 1";
  return ladder;
}

struct LadderWorld {
  PolicySet policy;
  Recovery recovery;
  IncidentBook book;
  std::vector<Effect> effects;
  std::vector<RunStep> steps;  ///< all that were asked for
  std::vector<Record> records;
  std::map<LadderName, LadderMemory> memories;  ///< as the journal has them
  std::uint64_t last_action_id = 0;
  MonoTime now{1h};
  Mode mode = Mode::act;
  bool paused = false, maintenance = false, trusted = true, switching = false;
  State state = State::healthy;
  std::map<LadderName, State> states;  ///< where a ladder's subject differs

  explicit LadderWorld(std::vector<LadderPolicy> ladders = {database_ladder()}) {
    for (LadderPolicy& ladder : ladders) policy.recovery[ladder.name] = std::move(ladder);
    recovery.load(context(), policy);
    settle();
  }

  LadderContext context() {
    return {now, mode, paused, maintenance, book, effects, last_action_id};
  }
  Recovery::Look look() {
    return [this](const LadderPolicy& ladder) {
      LadderSubject subject;
      const auto own = states.find(ladder.name);
      subject.state = own == states.end() ? state : own->second;
      subject.trusted = trusted;
      subject.switch_under_way = switching;
      subject.why = "service database is unhealthy";
      if (const auto open = book.find_open(to_text(ladder.when.subject))) {
        subject.incident = open->id;
      }
      return subject;
    };
  }
  void evaluate() {
    recovery.evaluate(context(), look());
    settle();
  }
  /// Lets time pass, looking as often as it is asked for and no more.
  void pass(Duration duration) {
    const MonoTime end = now + duration;
    evaluate();
    for (int looks = 0; recovery.wake_at() <= end; ++looks) {
      REQUIRE(looks < 1'000);  // it asks to be woken without end
      REQUIRE(recovery.wake_at() > now);
      now = recovery.wake_at();
      evaluate();
    }
    now = end;
    evaluate();
  }
  /// One more step begins when `wait` has passed, and none 100 ms before.
  bool begins_after(Duration wait) {
    const std::size_t before = steps.size();
    pass(wait - 100ms);
    const bool is_early = steps.size() != before;
    pass(100ms);
    return !is_early && steps.size() == before + 1;
  }
  void see(State next) {
    state = next;
    evaluate();
  }
  void finish(ActionOutcome outcome, const std::string& message = "") {
    REQUIRE(!steps.empty());
    const RunStep& last = steps.back();
    recovery.take(context(), look(), StepFinished{last.id, last.ladder, outcome, message});
    settle();
  }
  bool answer(bool approved) {
    const ActionId id = view().approval;
    const bool taken = recovery.take(context(), look(), StepApproved{id, approved, "uid 1000"});
    settle();
    return taken;
  }
  void acknowledge() {
    const IncidentId id = view().incident;
    book.acknowledge(id, {now, "uid 1000", "seen"});
    recovery.acknowledge(context(), look(), id);
    settle();
  }
  void load() {
    recovery.load(context(), policy);
    settle();
    evaluate();
  }
  /// The daemon dies and starts again: what is not in the journal is gone.
  void restart() {
    IncidentBook restored;
    std::vector<std::shared_ptr<const Incident>> stories;
    for (const auto& [id, story] : book.stories()) stories.push_back(story);
    restored.restore(stories, 0);
    book = std::move(restored);
    recovery = Recovery{};
    last_action_id = 1'000;  // ids are unique for the life of a daemon only
    recovery.load(context(), policy);
    std::vector<LadderMemory> list;
    for (const auto& [name, memory] : memories) list.push_back(memory);
    recovery.restore(context(), list);
    settle();
    const State was = state;
    see(State::unknown);  // nothing has been probed yet
    state = was;
  }

  LadderView view(const std::string& name = "database") {
    return recovery.views().at(LadderName(name));
  }
  /// The first gate that denies; its name is empty where none does.
  Guard denied() {
    const LadderView seen = view();
    const Guard* guard = first_denied(seen.guards);
    return guard ? *guard : Guard{};
  }
  std::string phase(const std::string& name = "database") { return view(name).phase; }
  std::shared_ptr<const Incident> incident() { return book.find(view().incident); }
  std::vector<std::string> step_words() const {
    std::vector<std::string> words;
    for (const RunStep& step : steps) words.push_back(describe(step.policy));
    return words;
  }
  bool recorded(const std::string& part) const {
    for (const Record& record : records) {
      if (record.text.find(part) != std::string::npos) return true;
    }
    return false;
  }
  int count(RecordKind kind) const {
    int n = 0;
    for (const Record& record : records) n += record.kind == kind ? 1 : 0;
    return n;
  }
  /// Fails the subject and lets the trigger hold.
  void trigger() {
    see(State::unhealthy);
    pass(15s);
  }
  void settle() {
    for (const Effect& effect : effects) {
      if (const auto* step = std::get_if<RunStep>(&effect)) {
        steps.push_back(*step);
      } else if (const auto* record = std::get_if<Record>(&effect)) {
        records.push_back(*record);
        if (const auto* memory = std::get_if<LadderMemory>(&record->memory)) {
          memories[memory->ladder] = *memory;
        }
      }
    }
    effects.clear();
  }
};

}  // namespace pointsman::testing
