// Joins the engine with the loop: gives it every event, runs its effects, keeps its one timer, and
// notices when the loop itself was late, suspended or lied to by the wall clock.
//
// On the loop's thread. What an effect does is the Shell's business; the engine is touched here
// only.
#pragma once

#include <functional>
#include <memory>

#include "policies/engine.hpp"
#include "probes/asio.hpp"

namespace pointsman {

class EngineLoop {
 public:
  /// What one event led to, in its order.
  using RunEffects = std::function<void(const std::vector<Effect>&)>;

  EngineLoop(asio::any_io_executor executor, RunEffects run_effects);

  /// Takes `event` through the engine and runs what it asks for. May be called while an effect
  /// runs: the event then waits for its turn.
  void give(Event event);
  void stop();

  std::shared_ptr<const Snapshot> snapshot();
  const Serving& serving() const { return engine_.serving(); }
  /// The last time that the engine's own timer came.
  MonoTime last_tick() const { return last_tick_; }
  /// How late that was.
  Duration lag() const { return lag_; }
  /// Called at each tick: the watchdog is fed from here, by the engine's own loop.
  void on_tick(std::function<void(MonoTime)> tick) { tick_ = std::move(tick); }
  /// Told of each event just before the engine is, and with the same time: the journal's record.
  void on_event(std::function<void(MonoTime, const Event&)> told) { told_ = std::move(told); }

 private:
  void take(const Event& event);
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
  Duration suspended_{};
  Duration wall_offset_{};
  std::vector<Event> waiting_;
  bool busy_ = false;
  bool stopped_ = false;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace pointsman
