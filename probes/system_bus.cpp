#include "probes/system_bus.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include "probes/one_shot.hpp"

namespace pointsman {
namespace {

constexpr const char* default_address = "unix:path=/run/dbus/system_bus_socket";
/// A message each; more are left for the next turn of the loop.
constexpr int max_steps_each_turn = 64;

std::string error_text(int error) {
  return std::system_category().message(error);
}

std::string bus_address() {
  const char* given = std::getenv("DBUS_SYSTEM_BUS_ADDRESS");
  return given != nullptr && *given != '\0' ? given : default_address;
}

/// A call that waits for its answer. Lives in the coroutine's frame.
struct PendingCall {
  explicit PendingCall(asio::any_io_executor executor) : ended(std::move(executor)) {}
  OneShot ended;
  BusReply reply;
};

int on_reply(sd_bus_message* message, void* userdata, sd_bus_error*) {
  auto& call = *static_cast<PendingCall*>(userdata);
  if (const auto* error = sd_bus_message_get_error(message)) {
    call.reply.kind = BusReply::Kind::refused;
    call.reply.error_name = error->name != nullptr ? error->name : "";
    call.reply.text = error->message != nullptr ? error->message : call.reply.error_name;
  } else {
    call.reply.kind = BusReply::Kind::answered;
    call.reply.message.reset(sd_bus_message_ref(message));
  }
  call.ended.set();
  return 0;
}

}  // namespace

struct SystemBus::Impl : std::enable_shared_from_this<SystemBus::Impl> {
  explicit Impl(asio::any_io_executor e) : executor(std::move(e)) {}
  ~Impl() { disconnect("closed"); }

  bool is_open(std::uint64_t wanted) const { return bus != nullptr && generation == wanted; }
  Status connect();
  void disconnect(const std::string& why);
  /// Lets sd-bus read, write and dispatch, then waits for its descriptor again.
  void pump();
  void wait(asio::posix::descriptor_base::wait_type type, bool& waiting);

  asio::any_io_executor executor;
  sd_bus* bus = nullptr;
  std::unique_ptr<asio::posix::stream_descriptor> descriptor;
  bool waits_to_read = false, waits_to_write = false;
  std::uint64_t generation = 0;  ///< of the connection
  std::set<PendingCall*> calls;
};

Status SystemBus::Impl::connect() {
  if (bus != nullptr) return Nothing{};
  const auto address = bus_address();
  int r = sd_bus_new(&bus);
  if (r >= 0) r = sd_bus_set_address(bus, address.c_str());
  if (r >= 0) r = sd_bus_set_bus_client(bus, 1);
  if (r >= 0) r = sd_bus_start(bus);
  int fd = r >= 0 ? sd_bus_get_fd(bus) : r;
  if (fd >= 0) {
    // A copy for Asio, which closes what it has; sd-bus closes its own.
    fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) fd = -errno;
  }
  if (fd < 0) {
    const auto why = fmt::format("no system bus at {}: {}", address, error_text(-fd));
    disconnect(why);
    return Error{why};
  }
  descriptor = std::make_unique<asio::posix::stream_descriptor>(executor, fd);
  ++generation;
  return Nothing{};
}

void SystemBus::Impl::disconnect(const std::string& why) {
  descriptor.reset();
  waits_to_read = waits_to_write = false;
  // Taken out first: what is called back may connect anew.
  auto* const old = std::exchange(bus, nullptr);
  for (auto* call : std::exchange(calls, {})) {
    if (call->ended.is_set()) continue;
    call->reply.kind = BusReply::Kind::no_bus;
    call->reply.text = why;
    call->ended.set();
  }
  if (old != nullptr) sd_bus_close_unref(old);
}

void SystemBus::Impl::pump() {
  int step = 0;
  for (; step < max_steps_each_turn; ++step) {
    const int r = sd_bus_process(bus, nullptr);
    if (r == 0) break;
    if (r < 0) {
      disconnect(fmt::format("system bus: {}", error_text(-r)));
      return;
    }
  }
  if (step == max_steps_each_turn) {
    // What sd-bus has read already would not wake the descriptor again.
    asio::post(executor, [weak = weak_from_this(), g = generation] {
      if (const auto self = weak.lock(); self && self->is_open(g)) self->pump();
    });
  }
  const int events = sd_bus_get_events(bus);
  if (events < 0) {
    disconnect(fmt::format("system bus: {}", error_text(-events)));
    return;
  }
  wait(asio::posix::descriptor_base::wait_read, waits_to_read);
  if ((events & POLLOUT) != 0) wait(asio::posix::descriptor_base::wait_write, waits_to_write);
}

void SystemBus::Impl::wait(asio::posix::descriptor_base::wait_type type, bool& waiting) {
  if (waiting) return;
  waiting = true;
  descriptor->async_wait(type, [weak = weak_from_this(), &waiting, g = generation](error_code ec) {
    const auto self = weak.lock();
    if (!self || !self->is_open(g)) return;
    waiting = false;
    if (ec) {
      self->disconnect(fmt::format("system bus: {}", ec.message()));
      return;
    }
    self->pump();
  });
}

SystemBus::SystemBus(asio::any_io_executor executor)
    : impl_(std::make_shared<Impl>(std::move(executor))) {}
SystemBus::~SystemBus() = default;

std::shared_ptr<SystemBus> SystemBus::shared(asio::any_io_executor executor) {
  static std::weak_ptr<SystemBus> the_one;
  if (auto bus = the_one.lock(); bus && bus->impl_->executor == executor) return bus;
  auto bus = std::make_shared<SystemBus>(std::move(executor));
  the_one = bus;
  return bus;
}

asio::awaitable<BusReply> SystemBus::async_call(BusCallBuilder build) {
  const auto impl = impl_;
  PendingCall call(impl->executor);
  if (auto connected = impl->connect(); !connected.ok()) {
    call.reply.text = connected.error().message;
    co_return std::move(call.reply);
  }
  sd_bus_message* raw = nullptr;
  int r = build(impl->bus, &raw);
  const BusMessage message(raw);
  sd_bus_slot* slot = nullptr;
  // The coroutine's deadline ends the call; sd-bus's own timeout is out of the way.
  if (r >= 0) r = sd_bus_call_async(impl->bus, &slot, message.get(), on_reply, &call, UINT64_MAX);
  if (r < 0) {
    call.reply.text = fmt::format("system bus: {}", error_text(-r));
    impl->disconnect(call.reply.text);
    co_return std::move(call.reply);
  }
  impl->calls.insert(&call);
  struct Forget {  // also when the loop is destroyed while we wait
    Impl& impl;
    PendingCall& call;
    sd_bus_slot* slot;
    ~Forget() {
      impl.calls.erase(&call);
      sd_bus_slot_unref(slot);
    }
  };
  const Forget forget{*impl, call, slot};
  const auto generation = impl->generation;
  impl->pump();
  if (co_await call.ended.async_wait()) co_return std::move(call.reply);
  // Everybody on this connection asks the same bus and the same manager: try a new one.
  if (impl->is_open(generation)) impl->disconnect("system bus: no answer");
  call.reply.kind = BusReply::Kind::cancelled;
  co_return std::move(call.reply);
}

}  // namespace pointsman
