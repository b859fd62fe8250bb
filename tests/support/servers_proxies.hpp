// Real HAProxy and nginx for integration tests, beside tests/support/servers.hpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/servers_process.hpp"

namespace pointsman::test {

/// HAProxy in master-worker mode with one frontend (port()) and one backend, "redis". Its runtime
/// API is on socket() (level admin) and operator_socket().
class HaproxyServer {
 public:
  /// `servers` are the backend's lines: "server active 127.0.0.1:1". `more`: of the backend too.
  explicit HaproxyServer(const std::vector<std::string>& servers, std::string_view more = "");

  std::uint16_t port() const { return port_; }
  std::string socket() const { return place_.path("admin.sock"); }
  std::string operator_socket() const { return place_.path("operator.sock"); }
  /// What it reads at a start and at a reload, where it is there.
  std::string state_file() const { return place_.path("state"); }
  /// One command on the runtime API.
  std::string ask(std::string_view command) const;
  /// A new worker with the configuration as it stands; returns when it serves.
  void reload();
  const Place& place() const { return place_; }
  Process& process() { return *process_; }
  std::string log() const { return place_.read("log"); }

 private:
  Place place_;
  std::uint16_t port_ = free_port();
  std::unique_ptr<Process> process_;
};

/// nginx that includes a file of ours (`include FILE;` in its http section) with its upstream
/// "app", to which it passes what comes to port().
class NginxProxy {
 public:
  /// `upstream`: the file's first text.
  explicit NginxProxy(std::string_view upstream);

  std::uint16_t port() const { return port_; }
  std::string file() const { return place_.path("upstream.conf"); }
  /// argv that makes it read the file again.
  Argv reload_command() const;
  std::string get() const;
  const Place& place() const { return place_; }
  Process& process() { return *process_; }

 private:
  Argv argv() const;
  Place place_;
  std::uint16_t port_ = free_port();
  std::unique_ptr<Process> process_;
};

/// nginx that answers every request with one text.
class NginxAnswer {
 public:
  explicit NginxAnswer(std::string_view text);
  std::uint16_t port() const { return port_; }
  Process& process() { return *process_; }

 private:
  Place place_;
  std::uint16_t port_ = free_port();
  std::unique_ptr<Process> process_;
};

/// A plain TCP client that waits for at most a few seconds.
class Client {
 public:
  explicit Client(std::uint16_t port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view text) const;
  /// What comes within the time: empty where nothing does, or the peer has hung up.
  std::string receive(std::chrono::milliseconds limit = std::chrono::seconds{2}) const;
  /// The peer hangs up within the time.
  bool is_cut(std::chrono::milliseconds limit = std::chrono::seconds{2}) const;

 private:
  int fd_ = -1;
};

}  // namespace pointsman::test
