#include "daemon/http/listener.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "probes/clock.hpp"

namespace pointsman {

Listener::Listener(std::shared_ptr<ServerState> server, ConnectionSet& set, int descriptor,
                   Serve serve)
    : server_(std::move(server)),
      set_(set),
      socket_(server_->io.get_executor(), descriptor),
      backoff_(server_->io),
      serve_(std::move(serve)) {}

void Listener::close() {
  error_code ignored;
  socket_.close(ignored);
  backoff_.cancel();
}

void Listener::wait() {
  if (!socket_.is_open()) return;
  socket_.async_wait(asio::posix::descriptor_base::wait_read,
                     [self = shared_from_this()](const error_code& error) {
                       if (!error) self->accept_some();
                     });
}

void Listener::accept_some() {
  for (int i = 0; i < batch && socket_.is_open(); ++i) {
    const auto on_room = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->wait();
    };
    if (!set_.make_room(mono_now(), on_room)) return;

    const int client =
        ::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0) {
      warned_ = false;
      serve_(*Connection::open(server_, set_, client));
    } else if (errno == EAGAIN) {
      break;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      back_off(errno);
      return;
    }
    // Anything else is the trouble of one client, which has gone (accept(2), "Error handling").
  }
  wait();
}

void Listener::back_off(int error_number) {
  if (!warned_ && server_->source.warn) {
    server_->source.warn(
        fmt::format("cannot accept connections: {}; raise LimitNOFILE= of the unit if this lasts",
                    std::strerror(error_number)));
  }
  warned_ = true;
  backoff_.expires_after(server_->limits.accept_backoff);
  backoff_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error) self->wait();
  });
}

}  // namespace pointsman
