#include "daemon/actions/switchover.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "daemon/actions/joined.hpp"
#include "probes/clock.hpp"
#include "probes/dial.hpp"
#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

/// Why a pooler must not take part; empty where it may.
std::string judge_pooler(const PoolerObservation& seen) {
  if (!seen.reachable) return seen.error.empty() ? "a pooler does not answer" : seen.error;
  if (!seen.listed) return seen.error.empty() ? "a pooler does not know the route" : seen.error;
  if (seen.paused) return "the route is paused on a pooler, and not by us";
  if (seen.disabled) return "the route is disabled on a pooler";
  return {};
}

}  // namespace

std::unique_ptr<SwitchoverSide> make_switchover_side(ServerActs& acts, HookRunner& hooks,
                                                     const SwitchOver& order, std::string& why) {
  return order.kind == ServerKind::postgres ? make_postgres_side(acts, hooks, order, why)
                                            : make_redis_side(acts, order, why);
}

Switchover::Switchover(SwitchoverTools tools, SwitchOver order) : tools_(std::move(tools)) {
  steps_.order = std::move(order);
  side_ = make_switchover_side(*tools_.acts, *tools_.hooks, steps_.order, no_side_);
  held_.resize(tools_.adapters.size(), false);
}

bool Switchover::cancel() {
  if (committed_) return false;
  cancelled_ = true;
  stop_.emit(asio::cancellation_type::terminal);
  return true;
}

void Switchover::tell(const std::string& line) const {
  if (tools_.on_step) {
    tools_.on_step(fmt::format("{}: {}", duration_text(mono_now() - started_), line));
  }
}

/// Of a step that succeeded the text is told; of one that did not it becomes the reason to undo.
SideStep Switchover::note(SideStep step) {
  tell(step.text);
  if (step.ok && cancelled_) return {false, cancel_word_};
  return step;
}

asio::awaitable<void> Switchover::async_record(SwitchoverStep step) {
  steps_.step = step;
  steps_.position = side_ ? side_->position() : steps_.position;
  if (!intend_) intend_ = tools_.new_intent("switchover");
  std::string text = to_json(steps_);
  co_await intend_(std::move(text));
}

asio::awaitable<SwitchoverReport> Switchover::async_run() {
  started_ = mono_now();
  if (!side_) co_return SwitchoverReport{ActionOutcome::failed, no_side_, Verified::no, true};
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  auto work = async_prepare();
  SideStep prepared = co_await async_stoppable(stop_, std::move(work));
  if (was_cancelled(cancellation)) {
    cancel_word_ = "pointsman is stopping";
    cancelled_ = true;
  }
  // From here on it is seen to its end: what was begun is undone, or the new server gets the route.
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  if (cancelled_) prepared = {false, cancel_word_};
  if (!prepared.ok) co_return co_await async_undo(std::move(prepared.text));
  committed_ = true;
  co_return co_await async_go_forward();
}

asio::awaitable<SideStep> Switchover::async_prepare() {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::string why = co_await async_check_poolers();
  if (!why.empty()) co_return SideStep{false, std::move(why)};
  SideStep step = note(co_await side_->async_check(mono_now() + tools_.limits.check));
  if (!step.ok) co_return step;

  co_await async_record(SwitchoverStep::hold);
  POINTSMAN_FAULT_POINT("switchover.intended");
  step = note(co_await async_hold());
  POINTSMAN_FAULT_POINT("switchover.held");
  if (!step.ok) co_return step;
  step = note(co_await side_->async_read_position(mono_now() + tools_.limits.position));
  if (!step.ok) co_return step;

  co_await async_record(SwitchoverStep::fence);
  POINTSMAN_FAULT_POINT("switchover.fence_intended");
  was_fenced_ = true;
  step = note(co_await side_->async_fence(mono_now() + side_->fence_limit()));
  POINTSMAN_FAULT_POINT("switchover.fenced");
  if (!step.ok) co_return step;

  co_await async_record(SwitchoverStep::catch_up);
  step = note(co_await side_->async_catch_up(mono_now() + tools_.limits.catch_up));
  POINTSMAN_FAULT_POINT("switchover.caught_up");
  co_return step;
}

asio::awaitable<std::string> Switchover::async_check_poolers() {
  std::vector<asio::awaitable<PoolerObservation>> works;
  for (const auto& adapter : tools_.adapters) {
    works.push_back(adapter->async_observe(steps_.order.route));
  }
  const auto seen = co_await async_all(std::move(works));
  if (seen.empty()) co_return std::string("the route has no pooler that could lead to it");
  for (const PoolerObservation& one : seen) {
    std::string why = judge_pooler(one);
    if (!why.empty()) co_return why;
  }
  co_return std::string();
}

asio::awaitable<SideStep> Switchover::async_hold() {
  held_since_ = mono_now();
  const MonoTime deadline = *held_since_ + tools_.limits.hold;
  std::vector<asio::awaitable<HoldReport>> works;
  for (std::size_t i = 0; i < tools_.adapters.size(); ++i) {
    held_[i] = true;  // or it may be, until it has said otherwise
    works.push_back(
        tools_.adapters[i]->async_hold(steps_.order.route, tools_.new_intent("hold"), deadline));
  }
  const std::vector<HoldReport> reports = co_await async_all(std::move(works));
  SideStep step{true, {}};
  std::vector<std::string> said, failed;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    held_[i] = reports[i].ok && reports[i].held;
    (reports[i].ok ? said : failed).push_back(reports[i].message);
    step.ok = step.ok && reports[i].ok;
  }
  step.text = joined(step.ok ? said : failed);
  co_return step;
}

asio::awaitable<PromoteReport> Switchover::async_promote() {
  co_await async_record(SwitchoverStep::promote);
  POINTSMAN_FAULT_POINT("switchover.promote_intended");
  // It is in the journal already, with all that a start needs.
  Intend none = [](std::string) -> asio::awaitable<void> { co_return; };
  PromoteReport promoted = co_await side_->async_promote(std::move(none));
  POINTSMAN_FAULT_POINT("switchover.promoted");
  tell(promoted.message);
  co_return promoted;
}

asio::awaitable<SwitchoverReport> Switchover::async_go_forward() {
  PromoteReport promoted = co_await async_promote();
  if (promoted.outcome == ActionOutcome::ok) co_return co_await async_move(std::move(promoted));
  if (promoted.outcome == ActionOutcome::failed) {
    // It was never asked for, or the server said no: the old one is still the only one.
    co_return co_await async_undo(std::move(promoted.message));
  }
  co_return co_await async_leave(std::move(promoted.message));
}

/// Nobody knows which of the two takes writes, or will: neither is touched any more.
asio::awaitable<SwitchoverReport> Switchover::async_leave(std::string why) {
  const std::string error = co_await async_release();
  why += fmt::format("; {} was not brought back, since two would take writes then",
                     steps_.order.from.probe.text);
  if (!error.empty()) why += "; " + error;
  co_return SwitchoverReport{ActionOutcome::unknown, std::move(why)};
}

asio::awaitable<SwitchReport> Switchover::async_switch(std::size_t adapter) {
  const SwitchOver& order = steps_.order;
  SwitchRoute move;
  move.id = order.id;
  move.route = order.route;
  move.cause = SwitchCause::request;
  move.from = {order.from.probe};
  move.to = {order.to};
  move.old_targets = OldTargets::dead;  // never back to it, whatever the proof says
  move.incident = order.incident;
  move.require = order.kind == ServerKind::postgres ? Require::writable : Require::master;
  move.epoch = order.epoch;
  co_return co_await tools_.adapters[adapter]->async_switch(std::move(move),
                                                            tools_.new_intent("switch"));
}

asio::awaitable<SwitchoverReport> Switchover::async_move(PromoteReport promoted) {
  // No step of its own in the journal, which the clients would wait for: a start that finds
  // `promote` asks the new server whether it takes writes.
  std::vector<asio::awaitable<SwitchReport>> works;
  for (std::size_t i = 0; i < tools_.adapters.size(); ++i) works.push_back(async_switch(i));
  const std::vector<SwitchReport> moved = co_await async_all(std::move(works));
  POINTSMAN_FAULT_POINT("switchover.moved");
  SwitchoverReport report{ActionOutcome::ok, {}, Verified::query, false};
  report.timeline = promoted.timeline;
  report.promotion_lsn = promoted.promotion_lsn;
  std::vector<std::string> done{promoted.message};
  for (std::size_t i = 0; i < moved.size(); ++i) {
    const SwitchReport& one = moved[i];
    if (one.outcome == ActionOutcome::ok) {
      held_[i] = false;
    } else {
      report.outcome = ActionOutcome::unknown;
    }
    report.verified = std::min(report.verified, one.verified);
    report.times = i == 0 ? one.times : last_of(report.times, one.times);
    done.push_back(one.message);
    tell(one.message);
  }
  if (held_since_ && report.outcome == ActionOutcome::ok) {
    done.push_back(
        fmt::format("clients waited {} at most", duration_text(mono_now() - *held_since_)));
  }
  const std::string unreleased = co_await async_release();
  if (!unreleased.empty()) done.push_back(unreleased);
  const SideStep finished = co_await side_->async_finish(mono_now() + tools_.limits.finish);
  tell(finished.text);
  done.push_back(finished.text);
  co_await async_record(SwitchoverStep::done);
  report.message = joined(done);
  co_return report;
}

/// Also of those that failed to hold: they may have been left half-way.
asio::awaitable<std::string> Switchover::async_release() {
  std::vector<asio::awaitable<std::string>> works;
  const MonoTime deadline = mono_now() + tools_.limits.release;
  for (std::size_t i = 0; i < tools_.adapters.size(); ++i) {
    if (held_[i]) works.push_back(tools_.adapters[i]->async_release(steps_.order.route, deadline));
  }
  const std::vector<std::string> errors = co_await async_all(std::move(works));
  std::vector<std::string> said;
  for (const std::string& error : errors) {
    if (!error.empty()) said.push_back("clients are still held: " + error);
  }
  std::fill(held_.begin(), held_.end(), false);
  co_return joined(said);
}

asio::awaitable<SwitchoverReport> Switchover::async_undo(std::string why) {
  SwitchoverReport report{ActionOutcome::failed, std::move(why), Verified::no, true};
  if (was_fenced_) {
    const auto writes =
        co_await side_->async_takes_writes(steps_.order.to, mono_now() + tools_.limits.position);
    if (writes == SwitchoverSide::Writes::yes) {
      // Somebody else promoted it: to bring the old one back would make two.
      PromoteReport found;
      found.message =
          fmt::format("{}; but {} takes writes", report.message, steps_.order.to.probe.text);
      co_return co_await async_move(std::move(found));
    }
    // The server first: clients that are let go before it is back would fail.
    const SideStep undone = co_await side_->async_undo();
    tell(undone.text);
    report.message += "; " + undone.text;
    report.rolled_back = undone.ok;
  }
  POINTSMAN_FAULT_POINT("switchover.undo_release");
  const std::string error = co_await async_release();
  if (!error.empty()) {
    report.message += "; " + error;
    report.rolled_back = false;
  }
  if (intend_) co_await async_record(SwitchoverStep::done);
  if (report.rolled_back) report.message += "; nothing was changed";
  tell(report.message);
  co_return report;
}

asio::awaitable<SwitchoverReport> Switchover::async_recover(SwitchoverSteps found,
                                                            std::vector<std::string> holds) {
  started_ = mono_now();
  steps_ = std::move(found);
  for (const auto& adapter : tools_.adapters) {
    for (const std::string& hold : holds) adapter->adopt_hold(hold);
  }
  if (!side_) co_return SwitchoverReport{ActionOutcome::failed, no_side_, Verified::no, false};
  side_->set_position(steps_.position);
  const SwitchoverRecovery plan = recover_switchover(steps_);
  tell(plan.why);
  // Asked to let go, an adapter that holds nothing has nothing to do.
  std::fill(held_.begin(), held_.end(), true);
  committed_ = true;
  switch (plan.what) {
    case SwitchoverRecovery::What::nothing:
      co_return SwitchoverReport{ActionOutcome::ok, plan.why, Verified::no, false};
    case SwitchoverRecovery::What::undo:
      was_fenced_ = plan.was_fenced;
      co_return co_await async_undo(plan.why);
    case SwitchoverRecovery::What::look:
      break;
  }
  co_return co_await async_look_and_go();
}

/// The promotion may have been asked for. Where neither server takes writes it is asked for (again:
/// of the same server that harms nothing). It is undone only where the new server has stayed a
/// standby for longer than a promotion can be delayed: to bring the old one back earlier could make
/// two that take writes.
asio::awaitable<SwitchoverReport> Switchover::async_look_and_go() {
  using Writes = SwitchoverSide::Writes;
  constexpr Duration poll = std::chrono::milliseconds{100};
  constexpr Duration answer_limit = std::chrono::seconds{1};
  const SwitchOver& order = steps_.order;
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const MonoTime until = mono_now() + tools_.limits.recover_look;
  Writes now = Writes::unknown;
  std::string why = "the promotion was never asked for";
  bool asked = false;
  while (!was_cancelled(cancellation)) {
    now = co_await side_->async_takes_writes(order.to, mono_now() + answer_limit);
    if (now == Writes::yes) {
      PromoteReport found;
      found.message = fmt::format("{} takes writes", order.to.probe.text);
      co_return co_await async_move(std::move(found));
    }
    const auto before = co_await side_->async_takes_writes(order.from, mono_now() + answer_limit);
    if (now == Writes::no && before == Writes::no && !asked) {
      asked = true;
      PromoteReport promoted = co_await async_promote();
      if (promoted.outcome == ActionOutcome::ok) co_return co_await async_move(std::move(promoted));
      if (promoted.outcome == ActionOutcome::unknown) {
        co_return co_await async_leave(std::move(promoted.message));
      }
      why = std::move(promoted.message);
      continue;
    }
    if (mono_now() >= until) break;
    co_await async_sleep_until(mono_now() + poll);
  }
  if (now == Writes::no && !was_cancelled(cancellation)) {
    was_fenced_ = true;
    co_return co_await async_undo(std::move(why));
  }
  co_return co_await async_leave(
      fmt::format("whether {} was promoted is not known: it does not answer. Look at it and at {} "
                  "before anything is promoted or started",
                  order.to.probe.text, order.from.probe.text));
}

}  // namespace pointsman
