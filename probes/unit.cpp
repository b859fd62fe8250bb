#include "probes/unit.hpp"

#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "probes/kinds.hpp"
#include "probes/system_bus.hpp"

namespace pointsman {
namespace {

constexpr const char* manager_name = "org.freedesktop.systemd1";
constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* manager_interface = "org.freedesktop.systemd1.Manager";

bool is_service(const std::string& unit) {
  constexpr std::string_view end = ".service";
  return unit.size() > end.size() && unit.compare(unit.size() - end.size(), end.size(), end) == 0;
}

/// systemd's own rule for `systemctl status NAME`.
std::string with_suffix(std::string unit) {
  if (unit.find('.') == std::string::npos) unit += ".service";
  return unit;
}

struct ListedUnit {
  UnitState state;
  std::string path;
};

/// a(ssssssouso): name, description, load, active, sub, followed, object path, job id, type and
/// path.
std::optional<ListedUnit> read_listed_unit(sd_bus_message* message) {
  const char *name = nullptr, *description = nullptr, *load = nullptr, *active = nullptr,
             *sub = nullptr, *followed = nullptr, *path = nullptr;
  if (sd_bus_message_enter_container(message, 'a', "(ssssssouso)") < 0) return std::nullopt;
  if (sd_bus_message_enter_container(message, 'r', "ssssssouso") <= 0) return std::nullopt;
  if (sd_bus_message_read(message, "sssssso", &name, &description, &load, &active, &sub, &followed,
                          &path) < 0) {
    return std::nullopt;
  }
  return ListedUnit{{load, active, sub, 0}, path};
}

std::optional<std::int64_t> read_restarts(sd_bus_message* message) {
  std::uint32_t restarts = 0;
  if (sd_bus_message_enter_container(message, 'v', "u") < 0) return std::nullopt;
  if (sd_bus_message_read(message, "u", &restarts) < 0) return std::nullopt;
  return std::int64_t{restarts};
}

/// A reply that is no answer.
Finding no_answer(const BusReply& reply) {
  switch (reply.kind) {
    case BusReply::Kind::cancelled:
      return {Outcome::inconclusive, Reason::timeout, "systemd did not answer in time", {}};
    case BusReply::Kind::refused:
      return {
          Outcome::inconclusive, Reason::prober_error, fmt::format("systemd: {}", reply.text), {}};
    default:
      return {Outcome::inconclusive, Reason::prober_error, reply.text, {}};
  }
}

class UnitProber final : public Prober {
 public:
  UnitProber(const UnitSpec& spec, ProberServices services)
      : spec_(spec), unit_(with_suffix(spec.unit)), executor_(services.executor) {}

  asio::awaitable<Finding> async_run(RunContext& context) override;
  void close() override { bus_.reset(); }

 private:
  asio::awaitable<BusReply> async_ask_state();
  asio::awaitable<BusReply> async_ask_restarts(std::string path);

  UnitSpec spec_;
  std::string unit_;
  asio::any_io_executor executor_;
  std::shared_ptr<SystemBus> bus_;
};

asio::awaitable<BusReply> UnitProber::async_ask_state() {
  BusCallBuilder build = [unit = unit_](sd_bus* bus, sd_bus_message** call) {
    int r = sd_bus_message_new_method_call(bus, call, manager_name, manager_path, manager_interface,
                                           "ListUnitsByNames");
    if (r >= 0) r = sd_bus_message_append(*call, "as", 1, unit.c_str());
    return r;
  };
  co_return co_await bus_->async_call(std::move(build));
}

asio::awaitable<BusReply> UnitProber::async_ask_restarts(std::string path) {
  BusCallBuilder build = [path = std::move(path)](sd_bus* bus, sd_bus_message** call) {
    int r = sd_bus_message_new_method_call(bus, call, manager_name, path.c_str(),
                                           "org.freedesktop.DBus.Properties", "Get");
    if (r >= 0) {
      r = sd_bus_message_append(*call, "ss", "org.freedesktop.systemd1.Service", "NRestarts");
    }
    return r;
  };
  co_return co_await bus_->async_call(std::move(build));
}

asio::awaitable<Finding> UnitProber::async_run(RunContext& context) {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (!bus_) bus_ = SystemBus::shared(executor_);
  const auto reply = co_await async_ask_state();
  if (reply.kind != BusReply::Kind::answered) co_return no_answer(reply);
  auto listed = read_listed_unit(reply.message.get());
  if (!listed) {
    co_return Finding{Outcome::inconclusive,
                      Reason::prober_error,
                      fmt::format("systemd lists no unit named {}", unit_),
                      {}};
  }
  context.tell(fmt::format("{} is {}, {} ({})", unit_, listed->state.load, listed->state.active,
                           listed->state.sub));
  if (is_service(unit_) && listed->state.load == "loaded") {
    const auto restarts = co_await async_ask_restarts(listed->path);
    if (restarts.kind == BusReply::Kind::answered) {
      listed->state.restarts = read_restarts(restarts.message.get()).value_or(0);
    } else if (restarts.kind != BusReply::Kind::refused) {
      co_return no_answer(restarts);
    }
  }
  co_return judge_unit(spec_, listed->state);
}

}  // namespace

Finding judge_unit(const UnitSpec& spec, const UnitState& state) {
  const UnitFacts facts{state.active, state.sub, state.restarts};
  const auto is = fmt::format("{} ({})", state.active, state.sub);
  if (state.load == "not-found") {
    return {Outcome::fail, Reason::not_active, fmt::format("no such unit: {}", spec.unit), facts};
  }
  if (state.active == "active") {
    if (spec.substate.empty() || spec.substate == state.sub) {
      return {Outcome::pass, Reason::ok, is, facts};
    }
    return {Outcome::fail, Reason::not_active, fmt::format("{}, not {}", is, spec.substate), facts};
  }
  const bool restarts_after_failure = state.sub.rfind("auto-restart", 0) == 0;
  const bool under_way =
      state.active == "activating" || state.active == "reloading" || state.active == "refreshing";
  if (under_way && !restarts_after_failure) return {Outcome::warn, Reason::not_active, is, facts};
  if (state.load != "loaded") {
    return {Outcome::fail, Reason::not_active, fmt::format("{}, {}", is, state.load), facts};
  }
  return {Outcome::fail, Reason::not_active, is, facts};
}

std::unique_ptr<Prober> make_unit_prober(const UnitSpec& spec, ProberServices services) {
  return std::make_unique<UnitProber>(spec, services);
}

}  // namespace pointsman
