#include "probes/unit_job.hpp"

#include <cstdint>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "probes/clock.hpp"
#include "probes/deadline.hpp"

namespace pointsman {
namespace {

using End = UnitJobResult::End;

constexpr const char* manager_name = "org.freedesktop.systemd1";
constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* manager_interface = "org.freedesktop.systemd1.Manager";
constexpr const char* unit_interface = "org.freedesktop.systemd1.Unit";
constexpr const char* properties_interface = "org.freedesktop.DBus.Properties";
/// How often a job is asked for. A restart takes tens of milliseconds at least.
constexpr Duration poll = std::chrono::milliseconds{30};

std::string with_suffix(std::string unit) {
  if (unit.find('.') == std::string::npos) unit += ".service";
  return unit;
}

BusCallBuilder call_with_unit(const char* method, std::string unit, const char* mode) {
  return [method, unit = std::move(unit), mode](sd_bus* bus, sd_bus_message** call) {
    int r = sd_bus_message_new_method_call(bus, call, manager_name, manager_path, manager_interface,
                                           method);
    if (r >= 0) r = sd_bus_message_append(*call, "s", unit.c_str());
    if (r >= 0 && mode != nullptr) r = sd_bus_message_append(*call, "s", mode);
    return r;
  };
}

BusCallBuilder get_property(std::string path, const char* interface, const char* name) {
  return [path = std::move(path), interface, name](sd_bus* bus, sd_bus_message** call) {
    int r = sd_bus_message_new_method_call(bus, call, manager_name, path.c_str(),
                                           properties_interface, "Get");
    if (r >= 0) r = sd_bus_message_append(*call, "ss", interface, name);
    return r;
  };
}

std::string read_path(const BusReply& reply) {
  const char* path = nullptr;
  if (sd_bus_message_read(reply.message.get(), "o", &path) < 0) return {};
  return path != nullptr ? path : "";
}

std::string read_string(const BusReply& reply) {
  const char* text = nullptr;
  if (sd_bus_message_read(reply.message.get(), "v", "s", &text) < 0) return {};
  return text != nullptr ? text : "";
}

/// 16 bytes, another at each start of the unit.
std::string read_bytes(const BusReply& reply) {
  const void* bytes = nullptr;
  std::size_t size = 0;
  if (sd_bus_message_enter_container(reply.message.get(), 'v', "ay") < 0) return {};
  if (sd_bus_message_read_array(reply.message.get(), 'y', &bytes, &size) < 0) return {};
  return std::string(static_cast<const char*>(bytes), size);
}

bool is_refusal_of_rights(const std::string& error) {
  return error == "org.freedesktop.DBus.Error.AccessDenied" ||
         error == "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired";
}

class UnitJob {
 public:
  UnitJob(std::shared_ptr<SystemBus> bus, UnitVerb verb, std::string unit)
      : bus_(std::move(bus)), verb_(verb), unit_(with_suffix(std::move(unit))) {}

  asio::awaitable<UnitJobResult> async_run() {
    UnitJobResult result = co_await async_ask();
    if (result.end != End::done) co_return result;
    result = co_await async_wait_job();
    if (result.end != End::done) co_return result;
    co_return co_await async_judge();
  }

 private:
  const char* word() const { return verb_ == UnitVerb::restart ? "restart" : "reload"; }

  /// What a reply that is no answer means, before or after the manager had the request.
  UnitJobResult no_answer(const BusReply& reply, bool asked) const {
    if (reply.kind == BusReply::Kind::refused) {
      if (is_refusal_of_rights(reply.error_name)) {
        return {End::failed,
                fmt::format("{} {}: systemd refuses it to us. Name the unit in the polkit rule "
                            "50-pointsman.rules (etc/polkit): {}",
                            word(), unit_, reply.text)};
      }
      return {End::failed, fmt::format("{} {}: systemd: {}", word(), unit_, reply.text)};
    }
    const std::string text =
        reply.kind == BusReply::Kind::cancelled ? "systemd did not answer in time" : reply.text;
    return {asked ? End::unknown : End::failed, fmt::format("{} {}: {}", word(), unit_, text)};
  }

  asio::awaitable<BusReply> async_unit_property(const char* interface, const char* name) {
    BusCallBuilder build = get_property(unit_path_, interface, name);
    co_return co_await bus_->async_call(std::move(build));
  }

  /// LoadUnit also answers for units that are not running.
  asio::awaitable<UnitJobResult> async_ask() {
    BusCallBuilder load = call_with_unit("LoadUnit", unit_, nullptr);
    const BusReply found = co_await bus_->async_call(std::move(load));
    if (found.kind != BusReply::Kind::answered) co_return no_answer(found, false);
    unit_path_ = read_path(found);
    const BusReply before = co_await async_unit_property(unit_interface, "InvocationID");
    if (before.kind == BusReply::Kind::answered) invocation_ = read_bytes(before);

    BusCallBuilder build =
        call_with_unit(verb_ == UnitVerb::restart ? "RestartUnit" : "ReloadUnit", unit_, "replace");
    const BusReply asked = co_await bus_->async_call(std::move(build));
    if (asked.kind != BusReply::Kind::answered) co_return no_answer(asked, true);
    job_path_ = read_path(asked);
    co_return UnitJobResult{End::done, {}};
  }

  asio::awaitable<UnitJobResult> async_wait_job() {
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    while (!was_cancelled(cancellation)) {
      BusCallBuilder build = get_property(job_path_, "org.freedesktop.systemd1.Job", "State");
      const BusReply reply = co_await bus_->async_call(std::move(build));
      // The object is gone with the job.
      if (reply.kind == BusReply::Kind::refused) co_return UnitJobResult{End::done, {}};
      if (reply.kind != BusReply::Kind::answered) co_return no_answer(reply, true);
      co_await async_sleep_until(mono_now() + poll);
    }
    co_return UnitJobResult{End::unknown,
                            fmt::format("{} {}: its job did not end in time", word(), unit_)};
  }

  asio::awaitable<UnitJobResult> async_judge() {
    const BusReply active = co_await async_unit_property(unit_interface, "ActiveState");
    if (active.kind != BusReply::Kind::answered) co_return no_answer(active, true);
    const std::string state = read_string(active);
    const BusReply sub = co_await async_unit_property(unit_interface, "SubState");
    const std::string detail = sub.kind == BusReply::Kind::answered ? read_string(sub) : "";
    const BusReply ended = co_await async_unit_property(
        "org.freedesktop.systemd1.Service", verb_ == UnitVerb::restart ? "Result" : "ReloadResult");
    // Units of other kinds have none.
    const std::string result =
        ended.kind == BusReply::Kind::answered ? read_string(ended) : "success";
    const std::string is = fmt::format("{} {}: it is {} ({})", word(), unit_, state, detail);
    if (state != "active" && !(state == "inactive" && result == "success")) {
      co_return UnitJobResult{End::failed,
                              result == "success" ? is : fmt::format("{}, {}", is, result)};
    }
    // A unit that ran to its end (oneshot) may have been forgotten, and its invocation with it.
    if (verb_ == UnitVerb::restart && state == "active") {
      const BusReply after = co_await async_unit_property(unit_interface, "InvocationID");
      if (after.kind == BusReply::Kind::answered && read_bytes(after) == invocation_) {
        co_return UnitJobResult{End::failed, is + ", and was not started anew"};
      }
    }
    if (verb_ == UnitVerb::reload && result != "success") {
      co_return UnitJobResult{End::failed, fmt::format("{}, {}", is, result)};
    }
    co_return UnitJobResult{End::done, is};
  }

  const std::shared_ptr<SystemBus> bus_;
  const UnitVerb verb_;
  const std::string unit_;
  std::string unit_path_, job_path_, invocation_;
};

}  // namespace

asio::awaitable<UnitJobResult> async_unit_job(std::shared_ptr<SystemBus> bus, UnitVerb verb,
                                              std::string unit) {
  co_await asio::this_coro::throw_if_cancelled(false);
  UnitJob job(std::move(bus), verb, std::move(unit));
  co_return co_await job.async_run();
}

}  // namespace pointsman
