#include "daemon/actions/file_adapter.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "daemon/actions/deadline.hpp"
#include "daemon/actions/steps_json.hpp"
#include "probes/fault_point.hpp"
#include "probes/kinds.hpp"
#include "probes/unit_job.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

constexpr Duration first_tick = std::chrono::milliseconds{10};
constexpr Duration longest_tick = std::chrono::milliseconds{200};

std::string steps_json(const std::string& route, const std::string& path) {
  json::object object;
  object["adapter"] = "file";
  object["route"] = route;
  object["path"] = path;
  return json::serialize(object);
}

bool is_about(const std::string& steps, const std::string& path) {
  const auto read = read_steps(steps, "adapter", "file");
  return read && text_of(*read, "path") == path;
}

std::string joined(const std::vector<SwitchTarget>& targets) {
  std::string text;
  for (const auto& target : targets) {
    text += (text.empty() ? "" : ", ") + to_text(target.endpoint);
  }
  return text;
}

asio::awaitable<Finding> async_probe(Prober& prober, RunContext& context) {
  auto work = prober.async_run(context);
  co_return co_await async_until(context.deadline, std::move(work));
}

}  // namespace

/// One switch under way. Lives in async_act's frame.
struct FileAdapter::Act {
  SwitchRoute order;
  std::string wanted;
  std::optional<std::string> before;  ///< absent: there was no file
  bool changed = false;
  bool is_unknown = false;
  Verified verified = Verified::no;
  SwitchTimes times;
  std::string failure;
  std::vector<std::string> notes;

  bool fail(std::string why) {
    failure = std::move(why);
    return false;
  }
  SwitchReport report(ActionOutcome outcome, std::string done) const {
    SwitchReport result;
    result.outcome = outcome;
    result.message = outcome == ActionOutcome::ok ? std::move(done) : failure;
    if (outcome == ActionOutcome::ok) {
      result.verified = verified;
      result.times = times;
    }
    for (const auto& note : notes) result.message += "; " + note;
    return result;
  }
};

FileAdapter::FileAdapter(ProberServices services, ActWorker& worker, FileRoute route,
                         std::shared_ptr<FileMemory> memory, FileLimits limits)
    : services_(services),
      worker_(worker),
      route_(std::move(route)),
      memory_(std::move(memory)),
      limits_(limits) {
  if (const auto* exec = std::get_if<ExecSpec>(&route_.reload)) {
    command_ = std::make_unique<OutsideCall>(services_, HookSpec{*exec, {}, limits_.reload});
  }
}

asio::awaitable<PoolerObservation> FileAdapter::async_observe(RouteName /*route*/) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  auto observation = co_await async_look();
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return observation;
}

asio::awaitable<PoolerObservation> FileAdapter::async_look() {
  PoolerObservation observation;
  const auto read = co_await async_read();
  observation.error = read.error;
  observation.reachable = read.error.empty();
  observation.listed = read.exists;
  observation.file = read.exists ? FileState::unknown : FileState::missing;
  if (!read.exists || !observation.reachable) co_return observation;
  if (memory_->text == read.text) {
    observation.file = FileState::as_wanted;
    for (const auto& target : memory_->targets) observation.addresses.push_back(target.endpoint);
    co_return observation;
  }
  if (memory_->text) observation.file = FileState::differs;
  if (const auto match = recognise(route_.tmpl, read.text, route_.known)) {
    for (const auto& target : match->targets) observation.addresses.push_back(target.endpoint);
  } else {
    observation.file = FileState::differs;
    observation.error = fmt::format(
        "{} is not what its template gives for any of the candidates: it was edited, or the "
        "template was; the next switch writes it anew",
        route_.path);
  }
  co_return observation;
}

asio::awaitable<ReadReport> FileAdapter::async_read() {
  std::function<ReadReport()> work = [path = route_.path] { return read_whole_file(path); };
  auto read = co_await worker_.async_run(std::move(work), mono_now() + limits_.read);
  if (read) co_return std::move(*read);
  ReadReport late;
  late.exists = true;
  late.error = fmt::format("the disk took too long to read {}", route_.path);
  co_return late;
}

asio::awaitable<SwitchReport> FileAdapter::async_switch(SwitchRoute order, Intend intend) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  auto report = co_await async_act(std::move(order), std::move(intend));
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return report;
}

asio::awaitable<SwitchReport> FileAdapter::async_act(SwitchRoute order, Intend intend) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  Act act;
  act.order = std::move(order);
  const auto rendered = route_.tmpl.render(act.order.to, act.order.epoch);
  if (!rendered) {
    act.fail(rendered.error().message);
    co_return act.report(ActionOutcome::failed, {});
  }
  act.wanted = rendered.value();
  const auto read = co_await async_read();
  if (!read.error.empty()) {
    act.fail(read.error);
    co_return act.report(ActionOutcome::failed, {});
  }
  if (read.exists) act.before = read.text;

  bool is_good = true;
  if (act.order.cause == SwitchCause::verify) {
    is_good = read.exists && route_.tmpl.match(read.text, act.order.to).has_value();
    if (!is_good)
      act.fail(fmt::format("{} does not lead to {}", route_.path, joined(act.order.to)));
    if (is_good) remember(read.text, act.order.to);
  } else {
    co_await intend(steps_json(act.order.route.text, route_.path));
    POINTSMAN_FAULT_POINT("file.intended");
    auto text = act.wanted;
    is_good = co_await async_replace(act, std::move(text));
    POINTSMAN_FAULT_POINT("file.written");
    if (is_good) is_good = co_await async_tell(act);
    if (is_good) act.times.in_effect = mono_now();
    POINTSMAN_FAULT_POINT("file.reloaded");
  }
  if (is_good) is_good = co_await async_prove(act);

  if (was_cancelled(cancellation)) {
    act.fail("stopped before its end: " +
             (act.failure.empty() ? "nothing had failed" : act.failure));
    co_return act.report(ActionOutcome::unknown, {});
  }
  if (is_good) {
    auto done = fmt::format("{} leads to {}", route_.path, joined(act.order.to));
    co_return act.report(ActionOutcome::ok, std::move(done));
  }
  const bool is_rolled_back = co_await async_roll_back(act);
  auto report = act.report(
      act.is_unknown && !is_rolled_back ? ActionOutcome::unknown : ActionOutcome::failed, {});
  report.rolled_back = is_rolled_back;
  co_return report;
}

/// Writes it where it is not so already, and reads it back.
asio::awaitable<bool> FileAdapter::async_replace(Act& act, std::string text) {
  if (act.before == text && !act.changed) {
    remember(std::move(text), act.order.to);
    co_return true;
  }
  const auto gate = std::make_shared<WriteGate>();
  std::function<WriteReport()> work = [path = route_.path, text, gate] {
    return replace_file(path, text, *gate);
  };
  const auto written = co_await worker_.async_run(std::move(work), mono_now() + limits_.write);
  if (!written && gate->give_up()) {
    co_return act.fail(
        fmt::format("the disk took too long to write {}; nothing was changed", route_.path));
  }
  if (written)
    act.notes.insert(act.notes.end(), written->warnings.begin(), written->warnings.end());
  if (written && !written->written) co_return act.fail(written->error);
  // What was there before is read as what it says of itself.
  if (text == act.wanted) remember(text, act.order.to);
  if (text != act.wanted) memory_->text.reset();
  act.changed = true;
  const auto read = co_await async_read();
  if (!read.error.empty()) co_return act.fail(read.error);
  if (read.text == text) co_return true;
  co_return act.fail(fmt::format(
      "{} does not read back as it was written: does something else write it too?", route_.path));
}

void FileAdapter::remember(std::string text, std::vector<SwitchTarget> targets) {
  memory_->text = std::move(text);
  memory_->targets = std::move(targets);
}

asio::awaitable<bool> FileAdapter::async_tell(Act& act) {
  auto targets = act.order.to;
  const auto told = co_await async_reload(std::move(targets));
  act.is_unknown = told.outcome == ActionOutcome::unknown;
  if (told.outcome == ActionOutcome::ok) co_return true;
  co_return act.fail(fmt::format("{} was written, but its reader was not reloaded: {}", route_.path,
                                 told.message));
}

asio::awaitable<ActReport> FileAdapter::async_reload(std::vector<SwitchTarget> targets) {
  const auto deadline = mono_now() + limits_.reload;
  ActReport report;
  if (command_) {
    CallVariables variables{{"POINTSMAN_ROUTE", route_.route.text}};
    if (!targets.empty()) {
      variables.emplace_back("POINTSMAN_NEW", targets.front().probe.text);
      variables.emplace_back("POINTSMAN_NEW_ADDRESS", to_text(targets.front().endpoint));
    }
    report = co_await command_->async_run(std::move(variables), deadline);
  } else if (const auto* unit = std::get_if<std::string>(&route_.reload)) {
    auto job = async_unit_job(SystemBus::shared(services_.executor), UnitVerb::reload, *unit);
    const auto result = co_await async_until(deadline, std::move(job));
    report.message = result.message;
    report.outcome = result.end == UnitJobResult::End::done     ? ActionOutcome::ok
                     : result.end == UnitJobResult::End::failed ? ActionOutcome::failed
                                                                : ActionOutcome::unknown;
  } else {
    report.outcome = ActionOutcome::ok;
    report.message = fmt::format("{} needs no reload", route_.path);
  }
  co_return report;
}

std::unique_ptr<Prober> FileAdapter::make_verifier() const {
  if (const auto* http = std::get_if<HttpSpec>(&route_.verify)) {
    return make_http_prober(*http, services_);
  }
  TcpSpec spec;
  const auto& endpoint = std::get<Endpoint>(route_.verify);
  spec.host = endpoint.host;
  spec.port = endpoint.port;
  return make_tcp_prober(spec, services_);
}

asio::awaitable<bool> FileAdapter::async_prove(Act& act) {
  act.verified = Verified::servers;
  if (std::holds_alternative<std::monostate>(route_.verify)) co_return true;
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const bool is_http = std::holds_alternative<HttpSpec>(route_.verify);
  const auto prober = make_verifier();
  const auto deadline = mono_now() + limits_.prove;
  // The old workers of a reader that reloads gracefully answer for a while, as they did before.
  const bool may_be_old = act.order.cause != SwitchCause::verify &&
                          !std::holds_alternative<std::monostate>(route_.reload);
  const auto settle = may_be_old ? limits_.settle : Duration{0};
  std::optional<MonoTime> good_since;
  Duration tick = first_tick;
  std::string why = "no answer";
  while (!was_cancelled(cancellation)) {
    RunContext context{std::min(deadline, mono_now() + limits_.one_try), {}};
    const auto finding = co_await async_probe(*prober, context);
    const bool is_good = finding.outcome == Outcome::pass || finding.outcome == Outcome::warn;
    if (is_good && !good_since) good_since = mono_now();
    if (is_good && mono_now() - *good_since >= settle) {
      act.times.verified = good_since;
      if (is_http) act.verified = Verified::query;
      co_return true;
    }
    if (!is_good) {
      good_since.reset();
      why = finding.message;
    }
    if (mono_now() + tick >= deadline) break;
    co_await async_sleep_until(mono_now() + tick);
    tick = std::min(2 * tick, longest_tick);
  }
  act.verified = Verified::no;
  co_return act.fail(fmt::format("whoever reads {} is not proven to lead to {}: {}", route_.path,
                                 joined(act.order.to), why));
}

asio::awaitable<bool> FileAdapter::async_roll_back(Act& act) {
  const bool may = act.changed && act.order.old_targets == OldTargets::alive && act.before &&
                   *act.before != act.wanted;
  if (!may) co_return false;
  const auto why = std::exchange(act.failure, {});
  auto text = *act.before;
  bool is_back = co_await async_replace(act, std::move(text));
  if (is_back) is_back = co_await async_tell(act);
  if (!is_back) {
    act.failure = fmt::format("{}; and it could not be rolled back: {}", why, act.failure);
    co_return false;
  }
  act.failure = fmt::format("{}; rolled back to what {} was before", why, route_.path);
  co_return true;
}

asio::awaitable<HoldReport> FileAdapter::async_hold(RouteName, Intend, MonoTime) {
  HoldReport report;
  report.ok = true;
  report.message = "a file's reader cannot hold clients";
  co_return report;
}

asio::awaitable<std::string> FileAdapter::async_release(RouteName, MonoTime) {
  co_return std::string();
}

asio::awaitable<SwitchReport> FileAdapter::async_reconnect(RouteName, MonoTime deadline) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  auto work = async_tell_again();
  auto report = co_await async_until(deadline, std::move(work));
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return report;
}

/// The reader is reloaded with the file as it stands: all that can be done about its connections.
asio::awaitable<SwitchReport> FileAdapter::async_tell_again() {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto read = co_await async_read();
  std::vector<SwitchTarget> targets;
  if (auto match = recognise(route_.tmpl, read.text, route_.known)) {
    targets = std::move(match->targets);
  }
  const auto told = co_await async_reload(std::move(targets));
  SwitchReport report;
  report.outcome = told.outcome;
  report.message = told.message;
  if (told.outcome == ActionOutcome::ok) report.verified = Verified::servers;
  co_return report;
}

/// The file may have been replaced and its reader not told: telling it again does no harm.
asio::awaitable<void> FileAdapter::async_recover(std::string steps) {
  if (!is_about(steps, route_.path)) co_return;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await async_tell_again();
  co_await asio::this_coro::throw_if_cancelled(throws);
}

std::vector<std::shared_ptr<Adapter>> FileAdapters::make(const std::vector<FileRoute>& routes) {
  std::map<std::string, std::shared_ptr<FileMemory>> memories;
  std::vector<std::shared_ptr<Adapter>> adapters;
  for (const auto& route : routes) {
    auto& memory = memories[route.path];
    if (!memory) memory = memories_[route.path];
    if (!memory) memory = std::make_shared<FileMemory>();
    adapters.push_back(std::make_shared<FileAdapter>(services_, worker_, route, memory, limits_));
  }
  memories_ = std::move(memories);
  return adapters;
}

}  // namespace pointsman
