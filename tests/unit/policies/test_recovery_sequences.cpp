// Every short sequence of events, by depth-first search over copies of the world: whatever happens
// in whatever order, two steps never run at a time, nothing starts that may not, no step is done
// twice, what is unknown is not repeated, and every run comes to its end.
#include <array>
#include <set>
#include <utility>

#include "recovery_world.hpp"

using namespace pointsman;
using namespace pointsman::testing;

namespace {

enum class Happening {
  second,     // a second passes
  long_time,  // half a minute passes
  fails,
  heals,
  gets_lost,  // unknown
  ok,
  failed,
  hangs,  // the step ends unknown
  restart,
  pause,
  resume,
  acknowledge,
};
constexpr std::array all_happenings{
    Happening::second,    Happening::long_time, Happening::fails,  Happening::heals,
    Happening::gets_lost, Happening::ok,        Happening::failed, Happening::hangs,
    Happening::restart,   Happening::pause,     Happening::resume, Happening::acknowledge};

LadderPolicy short_ladder() {
  LadderPolicy ladder = database_ladder();
  ladder.when.hold = 2s;
  ladder.steps.resize(2);
  ladder.steps[0].retries = 1;
  ladder.cooldown = 5min;
  ladder.verify_within = 5s;
  ladder.retry_after = 5s;
  return ladder;
}

/// The world, and what was seen in the run that is under way.
struct Node {
  LadderWorld world{{short_ladder()}};
  bool step_open = false;              ///< asked for and not answered, as the shell sees it
  std::set<std::pair<int, int>> done;  ///< (step, attempt) of this run
  std::set<int> unknown;               ///< steps of this run that ended unknown
  std::size_t seen_steps = 0;
  std::string trail;
};

std::size_t nodes_walked = 0;

bool in_run(const std::string& phase) {
  return phase != "idle" && phase != "triggered" && phase != "cooldown" && phase != "exhausted";
}

void require(const Node& node, bool holds, const char* what) {
  if (!holds) FAIL(what << " after " << node.trail);
}

/// After everything that happened: the steps that were asked for since are looked at.
void check(Node& node) {
  LadderWorld& w = node.world;
  const LadderView view = w.view();
  for (; node.seen_steps < w.steps.size(); ++node.seen_steps) {
    const RunStep& step = w.steps[node.seen_steps];
    require(node, !node.step_open, "a step began while another was under way");
    require(node, !w.paused, "a step began while paused");
    require(node, w.state == State::unhealthy, "a step began though the subject was not unhealthy");
    require(node, node.done.insert({step.step, step.attempt}).second, "a step was done twice");
    require(node, !node.unknown.contains(step.step), "a step that was unknown was done again");
    require(node, step.attempt <= step.policy.retries + 1, "more tries than retries");
    node.step_open = true;
  }
  if (in_run(view.phase)) return;
  require(node, !node.step_open, "a run ended while its step was under way");
  node.done.clear();
  node.unknown.clear();
}

bool step_ends(Node& node, ActionOutcome outcome) {
  if (!node.step_open) return false;
  node.step_open = false;
  if (outcome == ActionOutcome::unknown) node.unknown.insert(node.world.steps.back().step);
  node.world.finish(outcome);
  return true;
}

/// Time passes; a step may reach its deadline meanwhile and is then given up.
void passes(Node& node, Duration duration) {
  LadderWorld& w = node.world;
  const MonoTime end = w.now + duration;
  while (w.now < end) {
    const MonoTime next = std::min(end, std::max(w.recovery.wake_at(), w.now + 1ms));
    w.now = next;
    const bool given_up = node.step_open && w.view().until && w.now >= *w.view().until;
    if (given_up) {
      node.step_open = false;
      node.unknown.insert(w.steps.back().step);
    }
    w.evaluate();
    check(node);
  }
}

/// False: it could not happen, or it would change nothing.
bool happens(Node& node, Happening what) {
  LadderWorld& w = node.world;
  switch (what) {
    case Happening::second:
      passes(node, 1s);
      return true;
    case Happening::long_time:
      passes(node, 31s);
      return true;
    case Happening::fails:
      if (w.state == State::unhealthy) return false;
      w.see(State::unhealthy);
      return true;
    case Happening::heals:
      if (w.state == State::healthy) return false;
      w.see(State::healthy);
      return true;
    case Happening::gets_lost:
      if (w.state == State::unknown) return false;
      w.see(State::unknown);
      return true;
    case Happening::ok:
      return step_ends(node, ActionOutcome::ok);
    case Happening::failed:
      return step_ends(node, ActionOutcome::failed);
    case Happening::hangs:
      return step_ends(node, ActionOutcome::unknown);
    case Happening::restart: {
      if (w.memories.empty()) return false;
      if (node.step_open) node.unknown.insert(w.steps.back().step);
      node.step_open = false;  // its process group died with us, or did what it did
      const State was = w.state;
      w.restart();
      check(node);
      w.see(was);
      return true;
    }
    case Happening::pause:
      if (w.paused) return false;
      w.paused = true;
      w.evaluate();
      return true;
    case Happening::resume:
      if (!w.paused) return false;
      w.paused = false;
      w.evaluate();
      return true;
    case Happening::acknowledge:
      if (w.phase() != "exhausted" && w.phase() != "cooldown") return false;
      w.acknowledge();
      return true;
  }
  return false;
}

const char* word(Happening what) {
  static constexpr std::array words{" second",  " long_time", " fails",  " heals",
                                    " lost",    " ok",        " failed", " hangs",
                                    " restart", " pause",     " resume", " acknowledge"};
  return words[static_cast<std::size_t>(what)];
}

/// From wherever it stands: with the subject failing and nobody answering, a run ends; once the
/// subject is well and time passes, the ladder is idle.
void check_ends(Node node) {
  LadderWorld& w = node.world;
  w.paused = false;
  node.trail += " |";
  if (in_run(w.phase())) {
    w.see(State::unhealthy);
    check(node);
    for (int i = 0; i < 12 && in_run(w.phase()); ++i) passes(node, 15s);
    require(node, !in_run(w.phase()), "a run that nobody helped did not end");
  }
  w.see(State::healthy);
  check(node);
  passes(node, 1min);
  passes(node, 5min);
  require(node, w.phase() == "idle", "it did not come to rest");
}

void walk(const Node& node, int depth) {
  if (depth == 0) {
    check_ends(node);
    return;
  }
  for (const Happening what : all_happenings) {
    Node next = node;
    next.trail += word(what);
    if (!happens(next, what)) continue;
    check(next);
    ++nodes_walked;
    walk(next, depth - 1);
  }
}

}  // namespace

TEST_CASE("ladder: every sequence of five events, from a run's first step, keeps the rules") {
  Node start;
  start.world.see(State::unhealthy);
  passes(start, 2s);
  check(start);
  REQUIRE(start.step_open);
  start.trail = "step:";
  walk(start, 5);
  CHECK(nodes_walked > 10'000);
}

TEST_CASE("ladder: every sequence of six events, from rest, keeps the rules") {
  nodes_walked = 0;
  walk(Node{}, 6);
  CHECK(nodes_walked > 10'000);
}
