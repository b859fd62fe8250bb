// Accepts connections of one port and hands each over at once.
//
// Waits for the socket to be readable and then accepts a batch: one turn of the reactor for many
// clients. Out of descriptors it waits `accept_backoff` instead of spinning; with its set full it
// waits until one has gone. Each is owned by the server and kept alive by what it waits for.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "daemon/http/server_state.hpp"
#include "probes/asio.hpp"

namespace pointsman {

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  using Serve = std::function<void(Connection&)>;

  /// Takes the descriptor. `serve` is told each new connection, which is a member of `set`.
  Listener(std::shared_ptr<ServerState> server, ConnectionSet& set, int descriptor, Serve serve);

  void start() { wait(); }
  /// No further client; those in the backlog are refused by the kernel.
  void close();

 private:
  static constexpr int batch = 32;

  void wait();
  void accept_some();
  void back_off(int error_number);

  std::shared_ptr<ServerState> server_;
  ConnectionSet& set_;
  asio::posix::basic_stream_descriptor<asio::io_context::executor_type> socket_;
  asio::steady_timer backoff_;
  Serve serve_;
  bool warned_ = false;
};

}  // namespace pointsman
