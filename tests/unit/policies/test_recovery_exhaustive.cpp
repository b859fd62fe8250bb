// Every short sequence of events, by depth-first search over copies of the world: whatever happens
// in whatever order, one run and one step at a time, nothing starts that may not, no step is done
// twice, what is unknown is not repeated, what was not approved is not done, limits are kept, a run
// goes on over a restart as the same run, it comes to its end, and who is exhausted calls once.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "policies/alerts.hpp"
#include "recovery_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

enum class Happening {
  second,    // a second passes
  deadline,  // time passes until the ladder next wants to be looked at, at most a minute
  fails,
  heals,
  gets_lost,  // unknown
  ok,
  failed,
  hangs,  // the step ends unknown
  approve,
  refuse,
  restart,
  pause,
  resume,
  maintenance,  // begins, or ends
  acknowledge,
};
constexpr std::array all_words{"second",  "deadline", "fails",  "heals",       "lost",
                               "ok",      "failed",   "hangs",  "approve",     "refuse",
                               "restart", "pause",    "resume", "maintenance", "acknowledge"};
constexpr std::size_t happenings = all_words.size();

/// Two steps, the first with a second try.
LadderPolicy short_ladder() {
  LadderPolicy ladder = database_ladder();
  ladder.when.hold = 2s;
  ladder.steps.resize(2);
  ladder.steps[0].retries = 1;
  ladder.cooldown = 20s;
  ladder.verify_within = 5s;
  ladder.retry_after = 5s;
  return ladder;
}

/// The second step waits, the third asks, and the last may only be done once somebody has approved.
LadderPolicy asking_ladder() {
  LadderPolicy ladder = short_ladder();
  StepPolicy wait = step_of(StepKind::wait, "");
  wait.hold = 3s;
  StepPolicy ask = step_of(StepKind::approve, "restart it?");
  ask.hold = 10s;
  ladder.steps = {step_of(StepKind::reconnect, "bud"), wait, ask,
                  step_of(StepKind::restart_unit, "app.service")};
  return ladder;
}

/// The world, and what was seen in the run that is under way.
struct Node {
  explicit Node(const LadderPolicy& ladder) : world({ladder}) {
    NotifierPolicy oncall;
    oncall.name = NotifierName("oncall");
    world.policy.notify[oncall.name] = oncall;
  }
  LadderWorld world;
  bool step_open = false;              ///< asked for and not answered, as the shell sees it
  std::set<std::pair<int, int>> done;  ///< (step, attempt) of this run
  std::set<int> unknown;               ///< steps of this run that ended unknown
  bool approved = false;               ///< in this run
  bool was_exhausted = false;          ///< at the last look
  std::vector<MonoTime> starts;        ///< of runs
  std::size_t seen_steps = 0, seen_records = 0;
  std::string trail;
};

std::size_t nodes_walked = 0;

bool in_run(const std::string& phase) {
  return phase != "idle" && phase != "triggered" && phase != "cooldown" && phase != "exhausted";
}

void require(const Node& node, bool holds, const char* what) {
  if (!holds) FAIL(what << " after:" << node.trail);
}

void check_step(Node& node, const RunStep& step) {
  const LadderWorld& w = node.world;
  require(node, !node.step_open, "a step began while another was under way");
  require(node, !w.paused && !w.maintenance, "a step began while paused, or in maintenance");
  require(node, w.state == State::unhealthy, "a step began though the subject was not unhealthy");
  require(node, node.done.insert({step.step, step.attempt}).second, "a step was done twice");
  require(node, !node.unknown.contains(step.step), "a step that was unknown was done again");
  require(node, step.attempt <= step.policy.retries + 1, "more tries than retries");
  const auto& steps = w.policy.recovery.begin()->second.steps;
  for (int i = 0; i < step.step; ++i) {
    const bool asks = steps[static_cast<std::size_t>(i)].kind == StepKind::approve;
    require(node, !asks || node.approved, "what nobody approved was done");
  }
  node.step_open = true;
  if (step.step != 0 || step.attempt != 1) return;
  node.starts.push_back(w.now);
  const auto young = std::count_if(node.starts.begin(), node.starts.end(),
                                   [&](MonoTime at) { return w.now - at < one_hour; });
  const auto most = w.policy.recovery.begin()->second.max_per_hour;
  require(node, !most || young <= *most, "more runs than the limit");
}

/// The alerts that the incidents' changes make, as the engine sends them.
std::size_t alerts_sent(LadderWorld& w) {
  std::vector<Effect> sent;
  for (const IncidentId id : w.book.take_changed()) {
    send_alerts(w.now, w.policy, id, w.book, sent);
  }
  w.book.take_changed();
  return sent.size();
}

/// `expected`: something that is worth telling may have happened though it stays exhausted.
void check_calls(Node& node, bool expected) {
  LadderWorld& w = node.world;
  const bool exhausted = w.phase() == "exhausted";
  const std::size_t alerts = alerts_sent(w);
  std::size_t ends = 0;
  for (; node.seen_records < w.records.size(); ++node.seen_records) {
    ends += w.records[node.seen_records].text.starts_with("exhausted:") ? 1 : 0;
  }
  require(node, ends <= 1, "exhausted twice at once");
  if (exhausted && !node.was_exhausted) {
    const auto incident = w.incident();
    require(node, ends == 1 || expected, "exhausted, and not written down");
    require(node, incident->needs_human && incident->severity == Severity::critical,
            "exhausted, and no human is called for");
    require(node, incident->told.size() == 1, "not told once to the one who is to be told");
  } else if (exhausted && !expected) {
    require(node, alerts == 0, "a human was called again");
  }
  node.was_exhausted = exhausted;
}

/// After everything that happened: the steps that were asked for since are looked at.
void check(Node& node, bool may_tell = false) {
  const LadderWorld& w = node.world;
  const std::string phase = node.world.phase();
  for (; node.seen_steps < w.steps.size(); ++node.seen_steps) {
    check_step(node, w.steps[node.seen_steps]);
  }
  check_calls(node, may_tell);
  if (in_run(phase)) return;
  require(node, !node.step_open, "a run ended while its step was under way");
  node.done.clear();
  node.unknown.clear();
  node.approved = false;
}

bool step_ends(Node& node, ActionOutcome outcome) {
  if (!node.step_open) return false;
  node.step_open = false;
  if (outcome == ActionOutcome::unknown) node.unknown.insert(node.world.steps.back().step);
  node.world.finish(outcome);
  return true;
}

bool is_answered(Node& node, bool approved) {
  if (node.world.phase() != "approval") return false;
  node.approved = approved;
  require(node, node.world.answer(approved), "an answer was not taken");
  require(node, approved || node.world.phase() == "exhausted", "refused, and it went on");
  return true;
}

/// Time passes; a step may reach its deadline meanwhile and is then given up.
void passes(Node& node, Duration duration) {
  LadderWorld& w = node.world;
  const MonoTime end = w.now + duration;
  while (w.now < end) {
    w.now = std::min(end, std::max(w.recovery.wake_at(), w.now + 1ms));
    const auto until = w.view().until;
    if (node.step_open && until && w.now >= *until) {
      node.step_open = false;
      node.unknown.insert(w.steps.back().step);
    }
    w.evaluate();
    check(node);
  }
}

void passes_until_deadline(Node& node) {
  LadderWorld& w = node.world;
  const Duration left =
      w.recovery.wake_at() == MonoTime::max() ? Duration{1min} : w.recovery.wake_at() - w.now;
  passes(node, std::clamp(left, Duration{1ms}, Duration{1min}));
}

/// The run that was under way goes on: the same incident, the same start, no step back.
void restarts(Node& node) {
  LadderWorld& w = node.world;
  if (node.step_open) node.unknown.insert(w.steps.back().step);
  node.step_open = false;  // its process group died with us, or did what it did
  const LadderView before = w.view();
  const LadderMemory kept = w.memories.at(LadderName("database"));
  const State was = w.state;
  w.restart();
  const LadderView after = w.view();
  if (in_run(before.phase)) {
    require(node, in_run(after.phase), "a run did not outlive a restart");
    require(node, after.incident == before.incident, "it went on as another incident's");
    require(node, after.step >= before.step, "it went back a step");
    require(node, w.memories.at(LadderName("database")).runs == kept.runs, "it counts as another");
  }
  check(node, true);
  w.see(was);
}

/// Changes `value`; false where it is that already.
bool sets(LadderWorld& w, bool& value, bool to) {
  if (value == to) return false;
  value = to;
  w.evaluate();
  return true;
}

bool sees(LadderWorld& w, State state) {
  if (w.state == state) return false;
  w.see(state);
  return true;
}

/// False: it could not happen, or it would change nothing.
bool happens(Node& node, Happening what) {
  LadderWorld& w = node.world;
  switch (what) {
    case Happening::second:
      passes(node, 1s);
      return true;
    case Happening::deadline:
      passes_until_deadline(node);
      return true;
    case Happening::fails:
      return sees(w, State::unhealthy);
    case Happening::heals:
      return sees(w, State::healthy);
    case Happening::gets_lost:
      return sees(w, State::unknown);
    case Happening::ok:
      return step_ends(node, ActionOutcome::ok);
    case Happening::failed:
      return step_ends(node, ActionOutcome::failed);
    case Happening::hangs:
      return step_ends(node, ActionOutcome::unknown);
    case Happening::approve:
      return is_answered(node, true);
    case Happening::refuse:
      return is_answered(node, false);
    case Happening::restart:
      if (w.memories.empty()) return false;
      restarts(node);
      return true;
    case Happening::pause:
      return sets(w, w.paused, true);
    case Happening::resume:
      return sets(w, w.paused, false);
    case Happening::maintenance:
      return sets(w, w.maintenance, !w.maintenance);
    case Happening::acknowledge:
      if (w.phase() != "exhausted" && w.phase() != "cooldown") return false;
      w.acknowledge();
      return true;
  }
  return false;
}

/// From wherever it stands: with the subject failing and nobody answering, a run ends; once the
/// subject is well and time passes, the ladder is idle.
void check_ends(Node node) {
  LadderWorld& w = node.world;
  w.paused = w.maintenance = false;
  node.trail += " |";
  if (in_run(w.phase())) {
    w.see(State::unhealthy);
    check(node, true);
    for (int i = 0; i < 12 && in_run(w.phase()); ++i) passes(node, 15s);
    require(node, !in_run(w.phase()), "a run that nobody helped did not end");
  }
  w.see(State::healthy);
  check(node, true);
  passes(node, 1min);
  require(node, w.phase() == "idle", "it did not come to rest");
}

void walk(const Node& node, int depth) {
  if (depth == 0) {
    check_ends(node);
    return;
  }
  for (std::size_t i = 0; i < happenings; ++i) {
    const auto what = static_cast<Happening>(i);
    Node next = node;
    next.trail += std::string(" ") + all_words[i];
    if (!happens(next, what)) continue;
    check(next, what == Happening::acknowledge || what == Happening::heals);
    ++nodes_walked;
    walk(next, depth - 1);
  }
}

/// The trigger has held, and the first step is under way.
Node at_first_step(const LadderPolicy& ladder) {
  Node start(ladder);
  start.world.see(State::unhealthy);
  passes(start, 2s);
  check(start);
  REQUIRE(start.step_open);
  start.trail = " step:";
  return start;
}

}  // namespace

TEST_CASE("ladder: every sequence of five events, from rest, keeps the rules") {
  nodes_walked = 0;
  walk(Node(short_ladder()), 5);
  CHECK(nodes_walked > 10'000);
}

TEST_CASE("ladder: every sequence of five events, from a run's first step, keeps the rules") {
  nodes_walked = 0;
  walk(at_first_step(short_ladder()), 5);
  CHECK(nodes_walked > 10'000);
}

TEST_CASE("ladder: every sequence of four events, from where it is exhausted, keeps the rules") {
  nodes_walked = 0;
  LadderPolicy once = short_ladder();
  once.max_per_hour = 1;
  Node start = at_first_step(once);
  while (in_run(start.world.phase())) passes_until_deadline(start);
  REQUIRE(start.world.phase() == "exhausted");
  start.trail = " exhausted:";
  walk(start, 4);
  CHECK(nodes_walked > 1'000);
}

TEST_CASE("ladder: every sequence of five events, from a question, keeps the rules") {
  nodes_walked = 0;
  Node start = at_first_step(asking_ladder());
  step_ends(start, ActionOutcome::ok);
  for (int i = 0; i < 20 && start.world.phase() != "approval"; ++i) passes_until_deadline(start);
  REQUIRE(start.world.phase() == "approval");
  start.trail = " asked:";
  walk(start, 5);
  CHECK(nodes_walked > 10'000);
}
