#include "daemon/actions/haproxy_adapter.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>

#include "daemon/actions/file_write.hpp"

namespace pointsman {
namespace {

bool is_numeric(const std::string& host) {
  error_code ec;
  asio::ip::make_address(host, ec);
  return !ec;
}

}  // namespace

HaproxyAdapter::HaproxyAdapter(HaproxyTools tools, HaproxyRoute route)
    : tools_(std::move(tools)), route_(std::move(route)) {}

asio::awaitable<PoolerObservation> HaproxyAdapter::async_observe(RouteName /*route*/) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  auto observation = co_await async_look();
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return observation;
}

asio::awaitable<PoolerObservation> HaproxyAdapter::async_look() {
  PoolerObservation observation;
  auto view = co_await async_view_haproxy(tools_, route_, mono_now() + observe_limit);
  observation.reachable = view.is_reachable;
  observation.error = view.error;
  observation.listed = !view.slots.empty();
  if (!observation.listed) co_return observation;
  for (const auto& row : view.slots) {
    if (!row.is_ready()) continue;
    auto shown = row.endpoint();
    const auto known = co_await async_known_as(std::move(shown));
    observation.addresses.push_back(known);
    if (!row.is_up()) {
      observation.error =
          fmt::format("HAProxy's own health check holds {}/{} down", route_.backend, row.server);
    }
  }
  // All of them in maintenance or draining: a person's doing, since a switch never leaves it so.
  observation.disabled = observation.addresses.empty();
  observation.file = FileState::as_wanted;
  if (!route_.state_file.empty()) {
    std::string error;
    observation.file = co_await async_state_of_file(std::move(view.slots), error);
    if (observation.error.empty()) observation.error = error;
  }
  co_return observation;
}

asio::awaitable<Endpoint> HaproxyAdapter::async_known_as(Endpoint shown) {
  if (std::find(route_.known.begin(), route_.known.end(), shown) != route_.known.end()) {
    co_return shown;
  }
  for (const auto& known : route_.known) {
    if (known.port != shown.port || is_numeric(known.host)) continue;
    std::string why;
    auto endpoint = known;
    const auto target = co_await async_resolve_target(tools_, std::move(endpoint), why);
    if (target.is_at(shown)) co_return known;
  }
  co_return shown;
}

/// Would a reload of HAProxy keep what is in effect?
asio::awaitable<FileState> HaproxyAdapter::async_state_of_file(std::vector<HaproxyRow> slots,
                                                               std::string& error) {
  // What cannot be written is told, and not tried again at every look.
  error = tools_.instance->save_error;
  if (!error.empty()) co_return FileState::unknown;
  std::function<ReadReport()> work = [path = route_.state_file] { return read_whole_file(path); };
  const auto read = co_await tools_.worker->async_run(std::move(work), mono_now() + observe_limit);
  if (!read) co_return FileState::unknown;
  if (!read->exists) co_return FileState::missing;
  error = read->error;
  if (!error.empty()) co_return FileState::unknown;
  const auto rows = read_servers_state(read->text);
  if (!rows) co_return FileState::differs;
  const auto kept = find_slots(rows.value(), route_.backend, route_.servers);
  if (!kept) co_return FileState::differs;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slot_of(kept.value()[i]) != slot_of(slots[i])) co_return FileState::differs;
  }
  co_return FileState::as_wanted;
}

asio::awaitable<SwitchReport> HaproxyAdapter::async_switch(SwitchRoute order, Intend intend) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  HaproxySwitch run(tools_, route_, std::move(order), std::move(intend));
  auto report = co_await run.async_run();
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return report;
}

asio::awaitable<HoldReport> HaproxyAdapter::async_hold(RouteName, Intend, MonoTime) {
  HoldReport report;
  report.ok = true;
  report.message = "HAProxy cannot hold clients: each session breaks once";
  co_return report;
}

asio::awaitable<std::string> HaproxyAdapter::async_release(RouteName, MonoTime) {
  co_return std::string();
}

asio::awaitable<SwitchReport> HaproxyAdapter::async_reconnect(RouteName, MonoTime deadline) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  auto report = co_await async_cut_all(deadline);
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return report;
}

asio::awaitable<SwitchReport> HaproxyAdapter::async_cut_all(MonoTime deadline) {
  SwitchReport report;
  report.outcome = ActionOutcome::failed;
  const auto view = co_await async_view_haproxy(tools_, route_, deadline);
  report.message = view.error;
  for (const auto& row : view.slots) {
    auto server = row.server;
    auto error = co_await async_cut_sessions(tools_, route_.backend, std::move(server), deadline);
    if (error.empty()) tools_.instance->uncut.erase(route_.backend + "/" + row.server);
    if (!error.empty()) report.message = std::move(error);
  }
  if (!report.message.empty()) co_return report;
  const bool any_serves =
      std::any_of(view.slots.begin(), view.slots.end(),
                  [](const HaproxyRow& row) { return row.is_ready() && row.is_up(); });
  report.message = fmt::format("the sessions of {} were cut", route_.backend);
  if (any_serves) {
    report.outcome = ActionOutcome::ok;
    report.verified = Verified::servers;
  } else {
    report.message += "; but none of its servers is up";
  }
  co_return report;
}

asio::awaitable<void> HaproxyAdapter::async_recover(std::string text) {
  auto steps = haproxy_steps_of_json(text);
  const bool is_ours = steps && steps->socket == route_.socket &&
                       steps->backend == route_.backend &&
                       steps->wanted.size() == steps->previous.size();
  if (!is_ours) co_return;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await async_finish_cut(std::move(*steps));
  co_await asio::this_coro::throw_if_cancelled(throws);
}

/// Addresses are repaired by the next look. Sessions that a killed daemon left on the old server
/// are seen by nobody, so they are cut here where the change that they survived had been made.
asio::awaitable<void> HaproxyAdapter::async_finish_cut(HaproxySteps steps) {
  const auto deadline = mono_now() + recover_limit;
  const auto view = co_await async_view_haproxy(tools_, route_, deadline);
  for (const auto& row : view.slots) {
    for (std::size_t i = 0; i < steps.wanted.size(); ++i) {
      const auto& wanted = steps.wanted[i];
      const auto& previous = steps.previous[i];
      if (wanted.server != row.server || wanted == previous) continue;
      const bool is_moved = wanted.address != previous.address && row.endpoint() == wanted.address;
      const bool is_retired = previous.ready && !wanted.ready && !row.is_ready();
      if (!is_moved && !is_retired) continue;
      auto server = row.server;
      const auto error =
          co_await async_cut_sessions(tools_, route_.backend, std::move(server), deadline);
      if (!error.empty()) tools_.instance->uncut.insert(route_.backend + "/" + row.server);
    }
  }
}

HaproxyAdapters::HaproxyAdapters(ProberServices services, ActWorker& worker, HaproxyLimits limits)
    : services_(services), worker_(worker), limits_(limits) {}

std::vector<std::shared_ptr<Adapter>> HaproxyAdapters::make(
    const std::vector<HaproxyRoute>& routes) {
  std::map<std::string, std::shared_ptr<HaproxyInstance>> instances;
  std::vector<std::shared_ptr<Adapter>> adapters;
  for (const auto& route : routes) {
    auto& instance = instances[route.socket];
    if (!instance) instance = instances_[route.socket];
    if (!instance) instance = std::make_shared<HaproxyInstance>(services_.executor, route.socket);
    adapters.push_back(std::make_shared<HaproxyAdapter>(
        HaproxyTools{services_, &worker_, instance, limits_}, route));
  }
  // What no route uses any more goes with the last switch that still runs.
  instances_ = std::move(instances);
  return adapters;
}

}  // namespace pointsman
