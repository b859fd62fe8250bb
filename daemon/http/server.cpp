#include "daemon/http/server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "daemon/http/agent_check.hpp"
#include "daemon/http/listen_socket.hpp"
#include "daemon/http/listener.hpp"
#include "daemon/http/server_state.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

/// While closing, whether all have gone is looked at more often.
constexpr Duration closing_sweep = std::chrono::milliseconds{20};

/// The control socket's file, which is ours to remove only while it is still the one we made.
struct SocketFile {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;

  explicit SocketFile(std::string at) : path(std::move(at)) {
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0) {
      device = found.st_dev;
      inode = found.st_ino;
    }
  }
  void remove() const {
    struct stat found {};
    const bool ours =
        ::lstat(path.c_str(), &found) == 0 && found.st_dev == device && found.st_ino == inode;
    if (ours) ::unlink(path.c_str());
  }
};

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(asio::io_context& context, HttpSource source, HttpSettings settings)
      : state(std::make_shared<ServerState>(context, std::move(source), std::move(settings))),
        timer(context) {}

  void add(ConnectionSet& set, int descriptor, Listener::Serve serve) {
    auto serve_and_sweep = [this, serve = std::move(serve)](Connection& connection) {
      serve(connection);
      arm();
    };
    listeners.push_back(
        std::make_shared<Listener>(state, set, descriptor, std::move(serve_and_sweep)));
    listeners.back()->start();
  }

  /// The sweep's timer runs only while there is something to sweep.
  void arm() {
    if (armed || (state->idle() && state->answers.idle())) return;
    armed = true;
    Duration next = state->limits.sweep;
    if (state->full()) next = std::min(next, state->limits.quiet);
    if (on_closed) next = std::min(next, closing_sweep);
    timer.expires_after(next);
    timer.async_wait([self = weak_from_this()](const error_code& error) {
      if (const auto impl = self.lock(); impl && !error) impl->sweep();
    });
  }

  void sweep() {
    armed = false;
    const MonoTime now = mono_now();
    for (ConnectionSet* set : {&state->tcp, &state->control, &state->agent}) set->sweep(now);
    state->answers.forget_old(now);
    if (on_closed && (state->idle() || now >= drain_until)) {
      close_now();
      std::exchange(on_closed, nullptr)();
    }
    arm();
  }

  void stop_listening() {
    for (const auto& listener : listeners) listener->close();
    listeners.clear();
    endpoints.clear();
    for (const SocketFile& file : socket_files) file.remove();
    socket_files.clear();
  }

  void close_now() {
    stop_listening();
    for (ConnectionSet* set : {&state->tcp, &state->control, &state->agent}) set->close_all();
  }

  void begin_close(std::function<void()> closed) {
    stop_listening();
    for (ConnectionSet* set : {&state->tcp, &state->control, &state->agent}) set->finish_all();
    if (state->idle()) {
      asio::post(state->io, std::move(closed));
      return;
    }
    drain_until = mono_now() + state->limits.drain;
    on_closed = std::move(closed);
    timer.cancel();
    armed = false;
    arm();
  }

  std::shared_ptr<ServerState> state;
  asio::steady_timer timer;
  bool armed = false;
  std::vector<std::shared_ptr<Listener>> listeners;
  std::vector<Endpoint> endpoints;
  std::vector<SocketFile> socket_files;
  std::function<void()> on_closed;
  MonoTime drain_until{};
};

HttpServer::HttpServer(asio::io_context& context, HttpSource source, HttpSettings settings)
    : impl_(std::make_shared<Impl>(context, std::move(source), std::move(settings))) {}

HttpServer::~HttpServer() {
  impl_->close_now();
}

Status HttpServer::listen_tcp(const Endpoint& endpoint) {
  const auto opened = open_tcp_listener(endpoint, "listen.http");
  if (!opened) return opened.error();
  impl_->endpoints.push_back(local_endpoint(opened.value()));
  impl_->add(impl_->state->tcp, opened.value(),
             [](Connection& connection) { connection.serve_requests(); });
  return Nothing{};
}

Status HttpServer::listen_unix(const std::string& path) {
  const auto opened = open_unix_listener(path);
  if (!opened) return opened.error();
  impl_->socket_files.emplace_back(path);
  impl_->add(impl_->state->control, opened.value(),
             [](Connection& connection) { connection.serve_requests(); });
  return Nothing{};
}

Status HttpServer::listen_agent_check(const Endpoint& endpoint) {
  const auto opened = open_tcp_listener(endpoint, "listen.agent_check");
  if (!opened) return opened.error();
  impl_->endpoints.push_back(local_endpoint(opened.value()));
  impl_->add(impl_->state->agent, opened.value(),
             [state = impl_->state.get()](Connection& connection) {
               connection.say_and_end(agent_check_line(state->health.serving(mono_now())));
             });
  return Nothing{};
}

std::vector<Endpoint> HttpServer::local_endpoints() const {
  return impl_->endpoints;
}

void HttpServer::set_access(const HttpSettings& settings) {
  impl_->state->answers.set_access(settings);
}

void HttpServer::close(std::function<void()> closed) {
  impl_->begin_close(std::move(closed));
}

asio::awaitable<void> HttpServer::async_close() {
  // Named and moved in: g++ 12 frees the captures of a temporary in a co_await expression twice.
  auto initiate = [impl = impl_](auto handler) {
    // std::function wants to copy what it holds; a completion handler can only be moved.
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    impl->begin_close([shared] { std::move (*shared)(); });
  };
  auto closed = asio::async_initiate<decltype(asio::use_awaitable), void()>(std::move(initiate),
                                                                            asio::use_awaitable);
  co_await std::move(closed);
}

}  // namespace pointsman
