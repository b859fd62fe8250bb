// The D-Bus system bus on Asio's reactor: one connection that all unit probes of a loop share.
//
// sd-bus is told to connect, then driven by its descriptor's readiness; no call here blocks. A
// broken connection is dropped, every call that waits on it ends with its error, and the next call
// connects anew. Not thread-safe: the loop's thread. The address is $DBUS_SYSTEM_BUS_ADDRESS, else
// the usual one.
#pragma once

#include <systemd/sd-bus.h>

#include <functional>
#include <memory>
#include <string>

#include "policies/model/result.hpp"
#include "probes/asio.hpp"

namespace pointsman {

struct BusMessageUnref {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using BusMessage = std::unique_ptr<sd_bus_message, BusMessageUnref>;

/// What a call ended with. `no_bus`: nobody could be asked. `refused`: an answer, and it is an
/// error.
struct BusReply {
  enum class Kind { answered, refused, no_bus, cancelled };
  Kind kind = Kind::no_bus;
  BusMessage message;      ///< when answered
  std::string error_name;  ///< when refused: "org.freedesktop.DBus.Error.ServiceUnknown"
  std::string text;        ///< why not, one line
};

/// Fills a method call. sd-bus's convention: below 0 is an errno.
using BusCallBuilder = std::function<int(sd_bus* bus, sd_bus_message** call)>;

class SystemBus {
 public:
  /// The one of this loop; made when the first asks, gone when the last lets go.
  static std::shared_ptr<SystemBus> shared(asio::any_io_executor executor);

  explicit SystemBus(asio::any_io_executor executor);
  ~SystemBus();
  SystemBus(const SystemBus&) = delete;
  SystemBus& operator=(const SystemBus&) = delete;

  /// One method call. Its deadline is the coroutine's cancellation, which also drops the
  /// connection: the next call tries a new one.
  asio::awaitable<BusReply> async_call(BusCallBuilder build);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace pointsman
