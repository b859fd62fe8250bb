// Joins the engine with the loop: gives it every event, runs its effects, keeps its one timer, and
// notices when the loop itself was late, suspended or lied to by the wall clock.
//
// On the loop's thread. What an effect does is the Shell's business; the engine is touched here
// only.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policies/engine.hpp"
#include "probes/asio.hpp"

namespace pointsman {

/// What a policy that comes into force does at once: a line for each decision and each step of a
/// ladder. Asked of a copy of the engine, since the engine alone knows; nothing is done.
std::vector<std::string> acts_at_once(Engine copy, MonoTime now,
                                      std::shared_ptr<const PolicySet> policy);

class EngineLoop {
 public:
  /// What one event led to, in its order.
  using RunEffects = std::function<void(const std::vector<Effect>&)>;

  EngineLoop(asio::any_io_executor executor, RunEffects run_effects);

  /// Takes `event` through the engine and runs what it asks for. May be called while an effect
  /// runs: the event then waits for its turn.
  void give(Event event);
  /// Ticks though the engine has no policy yet: what a start does first may take a minute, and
  /// neither the watchdog nor /health is to take that for a loop that hangs. Ends with the first
  /// event.
  void beat();
  /// Something else on this loop ran so much too late. The engine hears of it before the next
  /// event: its own timer may be far away and show nothing.
  void ran_late(Duration late) { late_elsewhere_ = std::max(late_elsewhere_, late); }
  std::vector<std::string> acts_at_once(std::shared_ptr<const PolicySet> policy) const;
  void stop();

  std::shared_ptr<const Snapshot> snapshot();
  const Serving& serving() const { return engine_.serving(); }
  /// The last time that the loop's own timer came.
  MonoTime last_tick() const { return last_tick_; }
  /// How late that was.
  Duration lag() const { return lag_; }
  /// Called at each tick: the watchdog is fed from here, by the engine's own loop.
  void on_tick(std::function<void(MonoTime)> tick) { tick_ = std::move(tick); }
  /// Told of each event just before the engine is, and with the same time: the journal's record.
  void on_event(std::function<void(MonoTime, const Event&)> told) { told_ = std::move(told); }

 private:
  void take(const Event& event);
  void tick();
  void notice_trouble(MonoTime now);
  void arm(MonoTime at);

  Engine engine_;
  RunEffects run_effects_;
  std::function<void(MonoTime)> tick_;
  std::function<void(MonoTime, const Event&)> told_;
  asio::steady_timer timer_;
  MonoTime wake_at_{};
  MonoTime armed_for_{};
  MonoTime last_tick_{};
  Duration lag_{};
  Duration late_elsewhere_{};
  Duration suspended_{};
  Duration wall_offset_{};
  std::vector<Event> waiting_;
  bool busy_ = false;
  bool begun_ = false;  ///< the engine has had its first event, and may be asked something
  bool stopped_ = false;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace pointsman
