// One agent of a simulated world: an engine, and what stands for the daemon around it.
//
// It gives each effect its one event, after the time that such an act was measured to take; keeps
// what the journal keeps; dies at any event or in the middle of a step, and starts again with what
// was kept. Acts that it began go on in the world though it dies: only their answers are lost.
// Limits of an act are those of the shell. Pure; owned by World.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policies/engine.hpp"
#include "policies/simulation/replay_memory.hpp"
#include "policies/simulation/scene.hpp"
#include "policies/simulation/trace.hpp"

namespace pointsman::sim {

struct AgentSetup {
  std::string name = "agent";
  std::shared_ptr<const PolicySet> policy;
  int clock_drift_ppm = 0;  ///< how much too fast its monotonic clock runs, in millionths
};

/// The pooler of one route on an agent's host.
struct Pooler {
  bool up = true, paused = false, disabled = false;
  FileState file = FileState::as_wanted;
  std::vector<ProbeName> leads;
  std::uint64_t epoch = 0;
};

class Agent {
 public:
  Agent(Scene& scene, const Watch& watch, AgentSetup setup);

  void start();
  /// One that lives is spared the death that kill_after still has in store for it.
  void start_if_dead();
  void kill();
  void kill_after(const AgentKilled& killed);
  void fail_clock(const ClockFails& fails);
  void change_pooler(const PoolerChanges& change);
  void reload(std::shared_ptr<const PolicySet> policy);
  void command(const Commanded& commanded);
  /// The sessions that it keeps to this server end.
  void session_ends(const ProbeName& server, SessionEnd how);

  const std::string& name() const { return setup_.name; }
  bool alive() const { return engine_ != nullptr; }
  MonoTime local() const;
  Duration clock_shift() const { return clock_shift_; }
  /// When the engine wants to be woken, in world time; never while it is dead or stands still.
  MonoTime wake_at() const;
  void wake() { give(Wake{}); }
  std::shared_ptr<const Snapshot> snapshot() const;
  const std::map<RouteName, Pooler>& poolers() const { return poolers_; }
  const PolicySet& policy() const { return *setup_.policy; }

 private:
  struct Act;  ///< of an act under way: what it is, and how it is to end

  void give(const Event& event);
  /// After a while, if this life still lasts; once the loop goes on, where it stands still.
  void later(Duration delay, std::function<void()> what);
  void answer(Duration delay, Event event);
  void died();
  void begin_clock_anew();

  void run(const RunProbe& effect);
  void finish_run(const ProbePolicy& probe, MonoTime began, MonoTime began_local);
  void run(const ObserveRoute& effect);
  void run(const SwitchRoute& effect);
  void run(const PromoteServer& effect);
  void run(const RunHook& effect);
  void run(const DemoteServer& effect);
  void run(const SwitchOver& effect);
  void run(const CancelSwitchOver& effect);
  void run(const ReconnectRoute& effect);
  void run(const RunStep& effect);
  void run(const WriteFlag&) {}
  void run(const SendAlert&) {}
  void run(const StoreIncident&) {}
  void run(const Record&) {}

  void carry_out(const Act& act);
  RouteObserved look_at_pooler(const RouteName& route, bool reachable) const;
  std::string lead(const SwitchRoute& order);
  bool prove(const RouteName& route, Require require) const;
  std::string promotion_refusal(const PromoteServer& order) const;
  bool serves(const ProbeName& name, Require require) const;
  std::vector<Endpoint> addresses(const Pooler& pooler) const;
  void note(ActKind kind, ActionId id, const std::string& of, const ProbeName& server);

  Scene& scene_;
  const Watch& watch_;
  AgentSetup setup_;
  std::unique_ptr<Engine> engine_;
  std::uint64_t life_ = 0;  ///< which one; what an earlier one began answers nobody
  MonoTime clock_base_;     ///< world time at which the clock read `clock_read_`
  MonoTime clock_read_;
  Duration clock_shift_{};  ///< by all reboots so far
  MonoTime wanted_{};       ///< by the engine, on its clock
  std::optional<MonoTime> stands_until_;
  std::optional<int> dies_after_;  ///< effects
  std::optional<Duration> back_after_;
  bool reboots_ = false;   ///< with the death that is in store for it
  bool rebooted_ = false;  ///< since it died
  ReplayMemory journal_;
  std::map<RouteName, Pooler> poolers_;
  std::set<ProbeName> sessions_;           ///< servers that a session is kept to
  std::map<ActionId, bool> switch_overs_;  ///< under way; true: cancelled
};

}  // namespace pointsman::sim
