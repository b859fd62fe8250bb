#include "daemon/runtime/engine_loop.hpp"

#include <utility>

#include "probes/clock.hpp"

namespace pointsman {
namespace {

/// Well below the two seconds after which /health calls the loop late.
constexpr Duration beat_interval = std::chrono::milliseconds{500};

/// Changes when somebody sets the wall clock; it slews by far less than the limit between two
/// events.
Duration wall_offset(MonoTime now) {
  return wall_now().time_since_epoch() - now.time_since_epoch();
}

}  // namespace

std::vector<std::string> acts_at_once(Engine copy, MonoTime now,
                                      std::shared_ptr<const PolicySet> policy) {
  std::vector<std::string> lines;
  for (const Effect& effect : copy.step(now, PolicyLoaded{std::move(policy)}).effects) {
    const auto* record = std::get_if<Record>(&effect);
    if (record == nullptr) continue;
    if (record->kind == RecordKind::decision || record->kind == RecordKind::ladder) {
      lines.push_back(record->subject + ": " + record->text);
    }
  }
  return lines;
}

EngineLoop::EngineLoop(asio::any_io_executor executor, RunEffects run_effects)
    : run_effects_(std::move(run_effects)), timer_(std::move(executor)) {
  const MonoTime now = mono_now();
  wake_at_ = MonoTime::max();
  last_tick_ = now;
  suspended_ = suspended_total();
  wall_offset_ = wall_offset(now);
}

void EngineLoop::give(Event event) {
  if (stopped_) return;
  waiting_.push_back(std::move(event));
  if (busy_) return;
  busy_ = true;
  notice_trouble(mono_now());
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    const Event next = std::move(waiting_[i]);
    take(next);
  }
  waiting_.clear();
  busy_ = false;
}

void EngineLoop::take(const Event& event) {
  const MonoTime now = mono_now();
  begun_ = true;
  if (told_) told_(now, event);
  const Decision decision = engine_.step(now, event);
  arm(decision.wake_at);
  if (!decision.effects.empty()) run_effects_(decision.effects);
}

/// What was sampled while we slept is not to be believed: the engine hears of it before it hears of
/// the samples.
void EngineLoop::notice_trouble(MonoTime now) {
  const Duration suspended = suspended_total();
  const Duration offset = wall_offset(now);
  LoopDistrusted trouble;
  trouble.late = wake_at_ == MonoTime::max() ? Duration::zero() : now - wake_at_;
  trouble.suspended = suspended - suspended_;
  trouble.clock_jump = offset - wall_offset_ - trouble.suspended;
  trouble.late = std::max(trouble.late, std::exchange(late_elsewhere_, Duration::zero()));
  suspended_ = suspended;
  wall_offset_ = offset;
  if (!begun_) return;  // no sample was taken yet
  const Duration jump =
      trouble.clock_jump < Duration::zero() ? -trouble.clock_jump : trouble.clock_jump;
  if (trouble.late > distrust_limit || trouble.suspended > distrust_limit ||
      jump > distrust_limit) {
    if (trouble.late < Duration::zero()) trouble.late = Duration::zero();
    wake_at_ = MonoTime::max();  // said once; the step below sets it anew
    lag_ = trouble.late;
    take(Event{trouble});
  }
}

void EngineLoop::arm(MonoTime at) {
  wake_at_ = at;
  if (at == armed_for_) return;
  armed_for_ = at;
  timer_.expires_at(to_steady(at));
  timer_.async_wait([this](error_code ec) {
    if (ec || stopped_) return;
    const MonoTime now = mono_now();
    armed_for_ = MonoTime{};
    lag_ = now - wake_at_;
    give(Event{Wake{}});
    tick();
  });
}

void EngineLoop::tick() {
  last_tick_ = mono_now();
  if (tick_) tick_(last_tick_);
}

void EngineLoop::beat() {
  if (begun_ || stopped_) return;
  tick();
  timer_.expires_after(beat_interval);
  timer_.async_wait([this](error_code ec) {
    if (!ec) beat();
  });
}

std::vector<std::string> EngineLoop::acts_at_once(std::shared_ptr<const PolicySet> policy) const {
  return pointsman::acts_at_once(engine_, mono_now(), std::move(policy));
}

void EngineLoop::stop() {
  stopped_ = true;
  timer_.cancel();
}

std::shared_ptr<const Snapshot> EngineLoop::snapshot() {
  if (!snapshot_ || snapshot_->generation != engine_.generation()) {
    snapshot_ = engine_.snapshot(mono_now());
  }
  return snapshot_;
}

}  // namespace pointsman
