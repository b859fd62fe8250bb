#include "daemon/actions/haproxy_switch.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "probes/fault_point.hpp"

namespace pointsman {
namespace {

constexpr Duration first_tick = std::chrono::milliseconds{10};
constexpr Duration longest_tick = std::chrono::milliseconds{200};

std::string text_of(const HaproxySlot& slot) {
  return fmt::format("{} {} {}", slot.server, to_text(slot.address),
                     slot.ready ? "ready" : "maint");
}

std::string text_of(const std::vector<HaproxySlot>& slots) {
  std::string text;
  for (const auto& slot : slots) text += (text.empty() ? "" : ", ") + text_of(slot);
  return text;
}

std::vector<HaproxySlot> slots_of(const std::vector<HaproxyRow>& rows) {
  std::vector<HaproxySlot> slots;
  for (const auto& row : rows) slots.push_back(slot_of(row));
  return slots;
}

}  // namespace

HaproxySwitch::HaproxySwitch(HaproxyTools tools, HaproxyRoute route, SwitchRoute order,
                             Intend intend)
    : tools_(std::move(tools)),
      route_(std::move(route)),
      order_(std::move(order)),
      intend_(std::move(intend)) {}

asio::awaitable<SwitchReport> HaproxySwitch::async_run() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  started_ = mono_now();
  deadline_ = started_ + tools_.limits.total;
  // Awaits stand alone: g++ 12 may run the right side of `co_await a && co_await b` in any case.
  bool is_good = co_await async_resolve();
  if (is_good) is_good = co_await async_plan();
  if (is_good && order_.cause != SwitchCause::verify && steps_.previous != steps_.wanted) {
    co_await intend_(to_json(steps_));
    POINTSMAN_FAULT_POINT("haproxy.intended");
  }
  if (is_good && order_.cause != SwitchCause::verify) {
    is_good = co_await async_apply(steps_.previous, steps_.wanted);
  }
  if (is_good) is_good = co_await async_check();
  // The sessions on the old server were cut before that look.
  if (is_good) times_.in_effect = times_.old_gone = mono_now();
  if (is_good && order_.cause != SwitchCause::verify) co_await async_save();
  if (is_good) is_good = co_await async_prove();

  if (was_cancelled(cancellation)) {
    failure_ = "stopped before its end: " + (failure_.empty() ? "nothing had failed" : failure_);
    co_return report(ActionOutcome::unknown);
  }
  if (is_good) co_return report(ActionOutcome::ok);
  const bool is_rolled_back = co_await async_roll_back();
  auto result =
      report(is_unknown_ && !is_rolled_back ? ActionOutcome::unknown : ActionOutcome::failed);
  result.rolled_back = is_rolled_back;
  co_return result;
}

asio::awaitable<bool> HaproxySwitch::async_resolve() {
  for (const auto& target : order_.to) {
    std::string why;
    auto endpoint = target.endpoint;
    auto found = co_await async_resolve_target(tools_, std::move(endpoint), why);
    if (!why.empty()) co_return fail(std::move(why));
    targets_.push_back(std::move(found));
  }
  co_return true;
}

asio::awaitable<bool> HaproxySwitch::async_plan() {
  const auto view = co_await async_view_haproxy(tools_, route_, command_deadline());
  if (!view.error.empty()) co_return fail(view.error);
  auto wanted = plan_slots(view.slots, targets_);
  if (!wanted) co_return fail(wanted.error().message);
  steps_ = {order_.route.text, route_.socket, route_.backend, slots_of(view.slots),
            std::move(wanted.value())};
  if (order_.cause != SwitchCause::verify || steps_.previous == steps_.wanted) co_return true;
  co_return fail(fmt::format("HAProxy leads {} to {}, not to {}", route_.backend,
                             text_of(steps_.previous), destination()));
}

/// New addresses, then who is ready, then who is not, then the sessions: clients always find one.
asio::awaitable<bool> HaproxySwitch::async_apply(std::vector<HaproxySlot> from,
                                                 std::vector<HaproxySlot> to) {
  std::vector<std::string> cuts;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (from[i].address == to[i].address) continue;
    // Also where the answer is lost: until the sessions are cut, a later try has to.
    tools_.instance->uncut.insert(name_of(to[i].server));
    if (!co_await async_set_address(to[i])) co_return false;
    POINTSMAN_FAULT_POINT("haproxy.addressed");
  }
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (!to[i].ready || from[i].ready) continue;
    if (!co_await async_set_state(to[i].server, "state ready")) co_return false;
    POINTSMAN_FAULT_POINT("haproxy.readied");
  }
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i].ready || !from[i].ready) continue;
    tools_.instance->uncut.insert(name_of(to[i].server));
    if (!co_await async_set_state(to[i].server, "state maint")) co_return false;
    POINTSMAN_FAULT_POINT("haproxy.retired");
  }
  for (const auto& slot : to) {
    if (!tools_.instance->uncut.contains(name_of(slot.server))) continue;
    if (!co_await async_cut(slot.server)) co_return false;
    POINTSMAN_FAULT_POINT("haproxy.cut");
  }
  co_return true;
}

asio::awaitable<bool> HaproxySwitch::async_set_address(HaproxySlot slot) {
  changed_ = true;
  auto command = fmt::format("set server {} addr {} port {}", name_of(slot.server),
                             slot.address.host, slot.address.port);
  const auto answer =
      co_await tools_.instance->socket.async_ask(std::move(command), command_deadline());
  is_unknown_ = !answer.error.empty() && answer.was_sent;
  if (!answer.error.empty()) co_return fail(answer.error);
  const auto complaint = complaint_about_address(answer.text);
  if (complaint.empty()) co_return true;
  co_return fail(fmt::format("HAProxy did not take {} for {}: {}", to_text(slot.address),
                             name_of(slot.server), complaint));
}

asio::awaitable<bool> HaproxySwitch::async_set_state(std::string server, std::string words) {
  changed_ = true;
  auto command = fmt::format("set server {} {}", name_of(server), words);
  const auto answer =
      co_await tools_.instance->socket.async_ask(std::move(command), command_deadline());
  is_unknown_ = !answer.error.empty() && answer.was_sent;
  if (!answer.error.empty()) co_return fail(answer.error);
  const auto complaint = complaint_about_state(answer.text);
  if (complaint.empty()) co_return true;
  co_return fail(
      fmt::format("HAProxy did not put {} into `{}`: {}", name_of(server), words, complaint));
}

asio::awaitable<bool> HaproxySwitch::async_cut(std::string server) {
  const auto name = name_of(server);
  auto error =
      co_await async_cut_sessions(tools_, route_.backend, std::move(server), command_deadline());
  if (!error.empty()) co_return fail(std::move(error));
  tools_.instance->uncut.erase(name);
  co_return true;
}

/// What `show servers state` says after the change. A server that HAProxy's own check still holds
/// down is told to be up: the check would need `rise` more rounds, and clients would wait for it.
asio::awaitable<bool> HaproxySwitch::async_check() {
  bool was_told = order_.cause == SwitchCause::verify;
  while (true) {
    const auto view = co_await async_view_haproxy(tools_, route_, command_deadline());
    if (!view.error.empty()) co_return fail(view.error);
    const auto shown = slots_of(view.slots);
    if (shown != steps_.wanted) {
      co_return fail(fmt::format("HAProxy shows {}, not {}: does something else set it too?",
                                 text_of(shown), text_of(steps_.wanted)));
    }
    std::string down;
    for (const auto& row : view.slots) {
      if (row.is_ready() && !row.is_up()) down = row.server;
    }
    if (down.empty()) co_return true;
    if (was_told) {
      co_return fail(
          fmt::format("HAProxy's own health check holds {} down: see `show servers state {}` on {}",
                      name_of(down), route_.backend, route_.socket));
    }
    was_told = true;
    for (const auto& row : view.slots) {
      if (!row.is_ready() || row.is_up()) continue;
      if (!co_await async_set_state(row.server, "health up")) co_return false;
      note(fmt::format("HAProxy's own check still held {} down: it was told that it is up",
                       name_of(row.server)));
    }
  }
}

asio::awaitable<void> HaproxySwitch::async_save() {
  auto file = route_.state_file;
  auto error = co_await async_save_state(tools_, std::move(file), mono_now() + tools_.limits.save);
  if (!error.empty()) note(std::move(error));
  POINTSMAN_FAULT_POINT("haproxy.saved");
}

asio::awaitable<bool> HaproxySwitch::async_prove() {
  verified_ = Verified::servers;
  if (!route_.verify) co_return true;
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  HaproxyProof proof(tools_.services, *route_.verify, order_.require, targets_);
  const auto begun = mono_now();
  const auto deadline = std::min(deadline_, begun + tools_.limits.prove);
  Duration tick = first_tick;
  while (!was_cancelled(cancellation)) {
    const auto until = std::min(deadline, mono_now() + tools_.limits.one_try);
    const auto answer = co_await proof.async_try(until);
    if (take(answer)) {
      times_.verified = mono_now();
      proven_after_ = *times_.verified - begun;
      co_return true;
    }
    if (is_proof_over_ || mono_now() + tick >= deadline) break;
    co_await async_sleep_until(mono_now() + tick);
    tick = std::min(2 * tick, longest_tick);
  }
  verified_ = Verified::no;
  co_return fail(
      fmt::format("{} is not proven to lead to {}: {}", route_.backend, destination(), failure_));
}

/// True: proven. Else `failure_` says why not yet, and is_proof_over_ that waiting does not help.
bool HaproxySwitch::take(const HaproxyProofAnswer& answer) {
  using Kind = HaproxyProofAnswer::Kind;
  switch (answer.kind) {
    case Kind::good:
      verified_ = Verified::query;
      return true;
    case Kind::only_open:
      return true;
    case Kind::refused:
      note(
          fmt::format("no query could be asked ({}): give `verify: {{user, password}}` of a user "
                      "that may",
                      answer.message));
      return true;
    case Kind::wrong_role:
    case Kind::other_server:
      if (!wrong_since_) wrong_since_ = mono_now();
      is_proof_over_ = mono_now() - *wrong_since_ > tools_.limits.wrong_server;
      break;
    case Kind::nothing:
      break;
  }
  return fail(answer.message);
}

/// Only to servers that live, and only what was changed here.
asio::awaitable<bool> HaproxySwitch::async_roll_back() {
  if (!changed_ || order_.old_targets == OldTargets::dead) co_return false;
  if (steps_.previous == steps_.wanted) co_return false;
  const bool had_any = std::any_of(steps_.previous.begin(), steps_.previous.end(),
                                   [](const HaproxySlot& slot) { return slot.ready; });
  if (!had_any) co_return false;
  const auto why = std::exchange(failure_, {});
  // What stands there now may be anything between the two.
  const auto view = co_await async_view_haproxy(tools_, route_, mono_now() + tools_.limits.command);
  bool is_back = view.error.empty() || fail(view.error);
  if (is_back) {
    deadline_ = std::max(deadline_, mono_now() + tools_.limits.command);
    auto now = slots_of(view.slots);
    auto previous = steps_.previous;
    is_back = co_await async_apply(std::move(now), std::move(previous));
    if (is_back) is_back = co_await async_is_shown(steps_.previous);
  }
  if (!is_back) {
    failure_ = fmt::format("{}; and it could not be rolled back: {}", why, failure_);
    co_return false;
  }
  co_await async_save();
  failure_ = fmt::format("{}; rolled back to {}", why, text_of(steps_.previous));
  co_return true;
}

asio::awaitable<bool> HaproxySwitch::async_is_shown(std::vector<HaproxySlot> wanted) {
  const auto view = co_await async_view_haproxy(tools_, route_, command_deadline());
  if (!view.error.empty()) co_return fail(view.error);
  const auto shown = slots_of(view.slots);
  co_return shown == wanted || fail(fmt::format("HAProxy shows {}", text_of(shown)));
}

MonoTime HaproxySwitch::command_deadline() const {
  return std::min(deadline_, mono_now() + tools_.limits.command);
}

bool HaproxySwitch::fail(std::string why) {
  failure_ = std::move(why);
  return false;
}

void HaproxySwitch::note(std::string text) {
  if (std::find(notes_.begin(), notes_.end(), text) == notes_.end()) {
    notes_.push_back(std::move(text));
  }
}

std::string HaproxySwitch::destination() const {
  std::string text;
  for (const auto& target : order_.to) {
    text += (text.empty() ? "" : ", ") + to_text(target.endpoint);
  }
  return text;
}

SwitchReport HaproxySwitch::report(ActionOutcome outcome) const {
  SwitchReport result;
  result.outcome = outcome;
  result.verified = outcome == ActionOutcome::ok ? verified_ : Verified::no;
  result.message = failure_;
  if (outcome == ActionOutcome::ok) {
    result.times = times_;
    result.message = fmt::format("{} leads to {}", route_.backend, destination());
    if (proven_after_ && order_.cause != SwitchCause::verify) {
      const auto after = std::chrono::duration_cast<std::chrono::milliseconds>(*proven_after_);
      result.message += fmt::format(", proven {} ms after the change", after.count());
    }
  }
  for (const auto& text : notes_) result.message += "; " + text;
  return result;
}

}  // namespace pointsman
