// For tests of the network probes: a loop of their own, runs with a deadline as the daemon's runner
// gives them, and a server on loopback that does what the test says to each connection.
#pragma once

#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "probes/clock.hpp"
#include "probes/kinds.hpp"
#include "probes/resolver.hpp"
#include "probes/tls.hpp"

namespace pointsman::testing {

using Tcp = asio::ip::tcp;

struct NetWorld {
  asio::io_context loop{1};
  Resolver resolver;
  TlsContexts tls;
  std::vector<std::string> trace;

  NetWorld() : resolver(loop.get_executor()) {}
  explicit NetWorld(Resolver::Lookup lookup) : resolver(loop.get_executor(), std::move(lookup)) {}

  ProberServices services() { return {loop.get_executor(), resolver, tls}; }

  RunContext context(Duration timeout) {
    RunContext made;
    made.deadline = mono_now() + timeout;
    made.trace = [this](std::string_view step) { trace.emplace_back(step); };
    return made;
  }

  /// Runs `work` to its end, cancelled at the deadline; the rest of the world goes on meanwhile.
  template <class T>
  T run(asio::awaitable<T> work, Duration timeout = std::chrono::seconds{5}) {
    std::optional<T> result;
    std::exception_ptr failure;
    asio::cancellation_signal cancel;
    asio::steady_timer timer(loop, timeout);
    timer.async_wait([&](const error_code& ec) {
      if (!ec) cancel.emit(asio::cancellation_type::terminal);
    });
    asio::co_spawn(loop, std::move(work),
                   asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e, T value) {
                     failure = e;
                     result.emplace(std::move(value));
                     loop.stop();
                   }));
    loop.restart();
    loop.run();
    timer.cancel();
    loop.restart();
    loop.poll();
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }

  Finding probe(Prober& prober, Duration timeout = std::chrono::seconds{5}) {
    RunContext run_context = context(timeout);
    return run(prober.async_run(run_context), timeout);
  }
  Finding http(const HttpSpec& spec, Duration timeout = std::chrono::seconds{5}) {
    return probe(*make_http_prober(spec, services()), timeout);
  }
  Finding tcp(const TcpSpec& spec, Duration timeout = std::chrono::seconds{5}) {
    return probe(*make_tcp_prober(spec, services()), timeout);
  }
};

/// A listener that hands each connection to `serve`; closed, with all it serves, when destroyed.
class RawServer {
 public:
  using Serve = std::function<asio::awaitable<void>(Tcp::socket)>;

  RawServer(asio::io_context& loop, Serve serve, const char* address = "127.0.0.1",
            std::uint16_t port = 0)
      : loop_(loop),
        acceptor_(loop, Tcp::endpoint(asio::ip::make_address(address), port)),
        serve_(std::move(serve)) {
    asio::co_spawn(loop_, accept(*this),
                   asio::bind_cancellation_slot(stop_.slot(), asio::detached));
  }
  ~RawServer() {
    acceptor_.close();
    for (auto& connection : connections_) connection.emit(asio::cancellation_type::terminal);
    loop_.restart();
    loop_.poll();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int accepted() const { return accepted_; }

 private:
  static asio::awaitable<void> accept(RawServer& self) {
    while (true) {
      auto [ec, socket] = co_await self.acceptor_.async_accept(as_result);
      if (ec) co_return;
      ++self.accepted_;
      auto& signal = self.connections_.emplace_back();
      asio::co_spawn(self.loop_, self.serve_(std::move(socket)),
                     asio::bind_cancellation_slot(signal.slot(), asio::detached));
    }
  }

  asio::io_context& loop_;
  Tcp::acceptor acceptor_;
  Serve serve_;
  asio::cancellation_signal stop_;
  std::list<asio::cancellation_signal> connections_;
  int accepted_ = 0;
};

/// Reads the request's header, then says `answer` and closes.
inline RawServer::Serve answering(std::string answer) {
  struct Each {
    static asio::awaitable<void> serve(Tcp::socket socket, std::string text) {
      std::string request;
      co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n", as_result);
      co_await asio::async_write(socket, asio::buffer(text), as_result);
      error_code ignored;
      socket.shutdown(Tcp::socket::shutdown_send, ignored);
    }
  };
  return [answer](Tcp::socket socket) { return Each::serve(std::move(socket), answer); };
}

/// Says `first`, then `again` every 5 ms, until the peer goes.
inline RawServer::Serve trickling(std::string first, std::string again) {
  struct Each {
    static asio::awaitable<void> serve(Tcp::socket socket, std::string text, std::string more) {
      asio::steady_timer timer(socket.get_executor());
      while (true) {
        const auto [ec, n] = co_await asio::async_write(socket, asio::buffer(text), as_result);
        if (ec) co_return;
        text = more;
        timer.expires_after(std::chrono::milliseconds{5});
        const auto [stopped] = co_await timer.async_wait(as_result);
        if (stopped) co_return;
      }
    }
  };
  return
      [first, again](Tcp::socket socket) { return Each::serve(std::move(socket), first, again); };
}

/// Reads and never says anything.
inline RawServer::Serve silent() {
  struct Each {
    static asio::awaitable<void> serve(Tcp::socket socket) {
      std::string got(1024, '\0');
      while (true) {
        const auto [ec, n] = co_await socket.async_read_some(asio::buffer(got), as_result);
        if (ec) co_return;
      }
    }
  };
  return [](Tcp::socket socket) { return Each::serve(std::move(socket)); };
}

/// Closes at once, with a reset if `reset`.
inline RawServer::Serve closing(bool reset) {
  struct Each {
    static asio::awaitable<void> serve(Tcp::socket socket, bool hard) {
      if (hard) socket.set_option(asio::socket_base::linger(true, 0));
      socket.close();
      co_return;
    }
  };
  return [reset](Tcp::socket socket) { return Each::serve(std::move(socket), reset); };
}

/// A listener whose queue is full: what connects to it gets no answer, as with a host that is gone.
class BlackHole {
 public:
  explicit BlackHole(asio::io_context& loop, const char* address = "127.0.0.1",
                     std::uint16_t port = 0)
      : listener_(loop, Tcp::v4()) {
    listener_.set_option(Tcp::acceptor::reuse_address(true));
    listener_.bind(Tcp::endpoint(asio::ip::make_address(address), port));
    listener_.listen(0);
    for (int i = 0; i < 4; ++i) {
      auto& socket = fillers_.emplace_back(loop, Tcp::v4());
      socket.non_blocking(true);
      // Not Asio's connect: it waits for the answer, whatever the socket's mode.
      const auto there = listener_.local_endpoint();
      static_cast<void>(
          ::connect(socket.native_handle(), there.data(), static_cast<socklen_t>(there.size())));
    }
  }
  std::uint16_t port() const { return listener_.local_endpoint().port(); }

 private:
  Tcp::acceptor listener_;
  std::list<Tcp::socket> fillers_;
};

inline std::uint16_t free_port() {
  asio::io_context loop;
  return Tcp::acceptor(loop, Tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0))
      .local_endpoint()
      .port();
}

inline HttpSpec http_to(std::uint16_t port, const std::string& target = "/") {
  HttpSpec spec;
  spec.host = "127.0.0.1";
  spec.port = port;
  spec.target = target;
  spec.url = "http://127.0.0.1:" + std::to_string(port) + target;
  return spec;
}

inline TcpSpec tcp_to(std::uint16_t port) {
  TcpSpec spec;
  spec.host = "127.0.0.1";
  spec.port = port;
  return spec;
}

}  // namespace pointsman::testing
