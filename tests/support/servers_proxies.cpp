#include "tests/support/servers_proxies.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

namespace pointsman::test {
namespace {

std::string nginx_surroundings(const std::string& folder) {
  return fmt::format(
      "daemon off; worker_processes 1; pid {0}/pid; error_log stderr;\n"
      "events {{ worker_connections 256; }}\nhttp {{\n access_log off;\n"
      " client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/fastcgi;\n"
      " uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;\n",
      folder);
}

bool accepts(std::uint16_t port) {
  try {
    const Client client(port);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace

HaproxyServer::HaproxyServer(const std::vector<std::string>& servers, std::string_view more) {
  std::string lines;
  for (const auto& server : servers) lines += " " + server + "\n";
  place_.write("haproxy.cfg",
               fmt::format("global\n stats socket {} mode 600 level admin\n"
                           " stats socket {} mode 600 level operator\n server-state-file {}\n"
                           " hard-stop-after 5s\n"
                           "defaults\n mode tcp\n timeout connect 500ms\n timeout client 1h\n"
                           " timeout server 1h\n retries 0\n load-server-state-from-file global\n"
                           "frontend in\n bind 127.0.0.1:{}\n default_backend redis\n"
                           "backend redis\n{}{}\n",
                           socket(), operator_socket(), state_file(), port_, more, lines));
  process_ = std::make_unique<Process>(
      Argv{"/usr/sbin/haproxy", "-W", "-db", "-f", place_.path("haproxy.cfg")}, place_.path("log"));
  wait_for("HAProxy serves", [this] {
    if (!process_->is_running()) throw std::runtime_error("HAProxy ended:\n" + log());
    // The master takes signals once it has said so.
    return log().find("Loading success") != std::string::npos && accepts(port_) &&
           !ask("show info").empty();
  });
}

std::string HaproxyServer::ask(std::string_view command) const {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, socket().c_str(), sizeof name.sun_path - 1);
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0) {
    const auto text = std::string(command) + "\n";
    if (::write(fd, text.data(), text.size()) > 0) {
      char chunk[4096];
      for (ssize_t n = 0; (n = ::read(fd, chunk, sizeof chunk)) > 0;) {
        answer.append(chunk, static_cast<std::size_t>(n));
      }
    }
  }
  ::close(fd);
  return answer;
}

void HaproxyServer::reload() {
  const auto pid_of = [this] {
    const auto info = ask("show info");
    const auto at = info.find("\nPid: ");
    return at == std::string::npos ? std::string() : info.substr(at, info.find('\n', at + 1) - at);
  };
  const auto before = pid_of();
  const auto said = log().size();
  // Seen on a busy machine: the master sleeps over a signal that comes right before it polls, and
  // says nothing of it. The next one wakes it for both.
  constexpr auto patience = std::chrono::seconds{2};
  auto asked = std::chrono::steady_clock::time_point{};
  try {
    wait_for("HAProxy has another worker", [&] {
      if (std::chrono::steady_clock::now() - asked > patience) {
        process_->send(SIGUSR2);
        asked = std::chrono::steady_clock::now();
      }
      const auto now = pid_of();
      return !now.empty() && now != before &&
             log().find("Loading success", said) != std::string::npos;
    });
  } catch (const std::exception& e) {
    throw std::runtime_error(fmt::format("{}:\n{}", e.what(), log()));
  }
}

NginxProxy::NginxProxy(std::string_view upstream) {
  place_.write("upstream.conf", upstream);
  place_.write("nginx.conf",
               nginx_surroundings(place_.path("")) +
                   fmt::format(" include {};\n server {{ listen 127.0.0.1:{};\n  location / {{ "
                               "proxy_pass http://app; proxy_connect_timeout 300ms; }}\n }}\n}}\n",
                               file(), port_));
  process_ = std::make_unique<Process>(argv(), place_.path("log"));
  wait_for("nginx serves", [this] {
    if (!process_->is_running()) throw std::runtime_error("nginx:\n" + place_.read("log"));
    return accepts(port_);
  });
}

Argv NginxProxy::argv() const {
  return {"/usr/sbin/nginx", "-c", place_.path("nginx.conf"), "-e", place_.path("errors")};
}

Argv NginxProxy::reload_command() const {
  auto command = argv();
  command.insert(command.end(), {"-s", "reload"});
  return command;
}

std::string NginxProxy::get() const {
  const Client client(port_);
  client.send("GET / HTTP/1.0\r\nHost: app\r\n\r\n");
  return client.receive();
}

NginxAnswer::NginxAnswer(std::string_view text) {
  place_.write("nginx.conf", nginx_surroundings(place_.path("")) +
                                 fmt::format(" server {{ listen 127.0.0.1:{}; location / {{ "
                                             "return 200 '{}'; }} }}\n}}\n",
                                             port_, text));
  process_ = std::make_unique<Process>(
      Argv{"/usr/sbin/nginx", "-c", place_.path("nginx.conf"), "-e", place_.path("errors")},
      place_.path("log"));
  wait_for("nginx answers", [this] {
    if (!process_->is_running()) throw std::runtime_error("nginx:\n" + place_.read("log"));
    return accepts(port_);
  });
}

Client::Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd_);
    throw std::runtime_error(fmt::format("connect to {}: {}", port, std::strerror(errno)));
  }
}

Client::~Client() {
  ::close(fd_);
}

void Client::send(std::string_view text) const {
  if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) < 0) {
    throw std::runtime_error(fmt::format("send: {}", std::strerror(errno)));
  }
}

std::string Client::receive(std::chrono::milliseconds limit) const {
  pollfd ready{fd_, POLLIN, 0};
  if (::poll(&ready, 1, static_cast<int>(limit.count())) <= 0) return {};
  char chunk[4096];
  const auto size = ::recv(fd_, chunk, sizeof chunk, 0);
  return size > 0 ? std::string(chunk, static_cast<std::size_t>(size)) : std::string();
}

bool Client::is_cut(std::chrono::milliseconds limit) const {
  pollfd ready{fd_, POLLIN, 0};
  if (::poll(&ready, 1, static_cast<int>(limit.count())) <= 0) return false;
  char byte = 0;
  return ::recv(fd_, &byte, 1, MSG_PEEK) <= 0;
}

}  // namespace pointsman::test
