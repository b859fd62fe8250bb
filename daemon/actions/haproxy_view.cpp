// What HAProxy has in effect, and the calls that a switch, a look and a recovery share.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "daemon/actions/file_write.hpp"
#include "daemon/actions/haproxy_switch.hpp"
#include "probes/resolver.hpp"

namespace pointsman {

asio::awaitable<HaproxyView> async_view_haproxy(HaproxyTools tools, HaproxyRoute route,
                                                MonoTime deadline) {
  HaproxyView view;
  auto command = fmt::format("show servers state {}", route.backend);
  const auto answer = co_await tools.instance->socket.async_ask(std::move(command), deadline);
  view.error = answer.error;
  if (!view.error.empty()) co_return view;
  view.is_reachable = true;
  const auto rows = read_servers_state(answer.text);
  if (!rows) {
    view.error = fmt::format(
        "{} (backend {} on {}): does `via.haproxy.backend` name what its "
        "configuration calls so?",
        rows.error().message, route.backend, tools.instance->socket.path());
    co_return view;
  }
  auto slots = find_slots(rows.value(), route.backend, route.servers);
  if (!slots) view.error = slots.error().message;
  if (slots) view.slots = std::move(slots.value());
  co_return view;
}

asio::awaitable<std::string> async_cut_sessions(HaproxyTools tools, std::string backend,
                                                std::string server, MonoTime deadline) {
  auto command = fmt::format("shutdown sessions server {}/{}", backend, server);
  const auto answer = co_await tools.instance->socket.async_ask(std::move(command), deadline);
  if (!answer.error.empty()) co_return answer.error;
  auto complaint = complaint_about_state(answer.text);
  if (!complaint.empty()) {
    complaint =
        fmt::format("HAProxy did not cut the sessions of {}/{}: {}", backend, server, complaint);
  }
  co_return complaint;
}

asio::awaitable<HaproxyTarget> async_resolve_target(HaproxyTools tools, Endpoint endpoint,
                                                    std::string& why) {
  HaproxyTarget target{std::move(endpoint), {}};
  auto host = target.endpoint.host;
  auto work = tools.services.resolver.async_resolve(std::move(host));
  const auto until = mono_now() + tools.limits.resolve;
  const auto resolved = co_await async_until(until, std::move(work));
  // HAProxy takes one address: IPv4 first, which servers listen on more often.
  for (const bool v4 : {true, false}) {
    for (const auto& address : resolved.addresses) {
      if (address.is_v4() == v4) target.addresses.push_back(address.to_string());
    }
  }
  if (target.addresses.empty()) {
    why = fmt::format("the name {} does not resolve here: {}", target.endpoint.host,
                      resolved.message);
  } else if (target.endpoint.port == 0) {
    why = fmt::format("{} has no port", to_text(target.endpoint));
  }
  co_return target;
}

asio::awaitable<std::string> async_save_state(HaproxyTools tools, std::string file,
                                              MonoTime deadline) {
  if (file.empty()) co_return std::string();
  auto& instance = *tools.instance;
  const auto held = co_await instance.saving.async_lock(deadline);
  if (!held) co_return fmt::format("{} is being written by another switch", file);
  const auto states = co_await instance.socket.async_ask("show servers state", deadline);
  instance.save_error = states.error;
  if (instance.save_error.empty()) {
    const auto rows = read_servers_state(states.text);
    if (!rows) instance.save_error = rows.error().message;
  }
  if (instance.save_error.empty()) {
    const auto gate = std::make_shared<WriteGate>();
    std::function<WriteReport()> work = [file, text = states.text + "\n", gate] {
      return replace_file(file, text, *gate);
    };
    const auto written = co_await tools.worker->async_run(std::move(work), deadline);
    if (written) instance.save_error = written->error;
    if (!written && gate->give_up()) {
      instance.save_error = fmt::format("the disk took too long to write {}", file);
    }
  }
  if (instance.save_error.empty()) co_return std::string();
  instance.save_error =
      fmt::format("a reload of HAProxy would go back to its old address: {}", instance.save_error);
  co_return instance.save_error;
}

}  // namespace pointsman
