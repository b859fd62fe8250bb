// The real server on a loop of its own, and clients that speak through plain sockets, so that what
// is sent wrong on purpose is sent exactly so. Every wait of a client has a deadline of ten
// seconds.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>

#include "daemon/http/event_ring.hpp"
#include "daemon/http/server.hpp"

namespace pointsman::test {

/// Short enough for tests that wait for them, long enough for a machine that is busy.
HttpLimits short_limits();

class RunningServer {
 public:
  explicit RunningServer(HttpSettings settings = {{"127.0.0.0/8", "::1/128"}, {}, short_limits()});
  ~RunningServer();
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  /// On the loop's thread.
  void on_loop(const std::function<void()>& act);

  HttpServer& server() { return *server_; }
  asio::io_context::executor_type executor() { return context_.get_executor(); }
  int port() const { return port_; }
  int agent_port() const { return agent_port_; }
  std::vector<std::string> commands();
  const std::string& control_path() const { return control_path_; }

  /// Adds an event, on the loop.
  void say(const std::string& text);
  /// The next start of the ring's numbers: as a daemon that was restarted.
  void restart_ring(std::uint64_t after);
  /// What notify/test waits for; empty until it was asked.
  CommandCallback take_waiting();

  std::atomic<bool> serving{true};
  std::atomic<int> reloads{0};
  std::atomic<int> warnings{0};

 private:
  void tick();

  std::string folder_, control_path_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  asio::steady_timer timer_{context_};
  MonoTime tick_{};
  std::shared_ptr<Snapshot> snapshot_;
  EventRing ring_;
  CommandCallback waiting_;
  std::vector<std::string> commands_;
  std::optional<HttpServer> server_;
  int port_ = 0, agent_port_ = 0;
  std::thread thread_;
};

struct Reply {
  int status = 0;  ///< 0: the connection ended without a whole answer
  std::string head, body;
};

class Client {
 public:
  /// To 127.0.0.1, or to a socket file. `receive_buffer` 0: the kernel's default.
  explicit Client(int port, int receive_buffer = 0);
  explicit Client(const std::string& path);
  ~Client();
  Client(Client&& other) noexcept;
  Client& operator=(Client&&) = delete;

  bool connected() const { return descriptor_ >= 0; }
  /// False when the peer has gone.
  bool send(std::string_view bytes);
  void half_close();
  void reset();  ///< RST instead of a farewell
  /// One answer by its Content-Length; `head_only` when it answers a HEAD.
  Reply read_reply(bool head_only = false);
  Reply ask(std::string_view request);
  /// Reads on until `text` has come; all that was read up to and with it. Empty: it did not come.
  std::string read_until(std::string_view text);
  /// Reads on to the end; nothing when the end does not come.
  std::optional<std::string> read_to_end();

 private:
  bool fill();  ///< false: end, reset or deadline

  int descriptor_ = -1;
  std::string buffer_;
  bool timed_out_ = false;
};

/// "GET PATH HTTP/1.1" with a Host and, where given, more fields ("Name: value\r\n").
std::string get(const std::string& path, const std::string& fields = {});
double seconds_since(std::chrono::steady_clock::time_point start);

}  // namespace pointsman::test
