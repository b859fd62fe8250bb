#include "tests/integration/http/running_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/json/serialize.hpp>

#include "probes/clock.hpp"

namespace pointsman::test {
namespace {

using std::chrono::milliseconds;

/// Enough probes for a document that does not fit into a socket's buffers.
std::shared_ptr<Snapshot> make_snapshot() {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->at = mono_now();
  snapshot->generation = 1;
  snapshot->overall = State::healthy;
  auto policy = std::make_shared<PolicySet>();
  policy->notify.emplace(NotifierName{"oncall"}, NotifierPolicy{});
  snapshot->policy = policy;
  for (int i = 0; i < 3000; ++i) {
    ProbeView view;
    view.kind = ProbeKind::tcp;
    view.state = State::healthy;
    snapshot->probes.emplace(ProbeName{"tcp-" + std::to_string(i)}, view);
  }
  return snapshot;
}

}  // namespace

HttpLimits short_limits() {
  HttpLimits limits;
  limits.header_deadline = milliseconds{600};
  limits.body_deadline = milliseconds{600};
  limits.write_deadline = milliseconds{600};
  limits.idle = milliseconds{1200};
  limits.linger = milliseconds{400};
  limits.drain = milliseconds{500};
  limits.sweep = milliseconds{20};
  limits.quiet = milliseconds{100};
  limits.later_deadline = milliseconds{500};
  limits.event_streams = 3;
  limits.event_poll = milliseconds{10};
  limits.event_heartbeat = milliseconds{300};
  return limits;
}

RunningServer::RunningServer(HttpSettings settings) : snapshot_(make_snapshot()) {
  char folder[] = "/tmp/pointsman-http-XXXXXX";
  if (::mkdtemp(folder) == nullptr) throw std::runtime_error("mkdtemp");
  folder_ = folder;
  control_path_ = folder_ + "/control.sock";

  HttpSource source;
  source.snapshot = [this] { return snapshot_; };
  source.shell = [] {
    ShellView shell;
    shell.node = "test";
    return shell;
  };
  source.serving = [this] {
    return serving ? Serving{.ok = true, .reason = {}} : Serving{.ok = false, .reason = "drained"};
  };
  source.last_tick = [this] { return tick_; };
  source.reload = [this] {
    ++reloads;
    return CommandAnswer{.status = 200, .body = {{"ok", true}}};
  };
  source.flag_set = [](const std::string& name) { return name == "maintenance_page"; };
  source.command = [this](const std::string& name, const boost::json::object& body,
                          const std::string& by) {
    commands_.push_back(name + " " + boost::json::serialize(body) + " by " + by);
    return CommandAnswer{.status = 200, .body = {{"message", "done"}}};
  };
  source.command_later = [this](const std::string&, const boost::json::object&,
                                CommandCallback answer) { waiting_ = std::move(answer); };
  source.events_since = [this](std::uint64_t seq, std::size_t limit) {
    return ring_.since(seq, limit);
  };
  source.last_event = [this] { return ring_.last(); };
  source.warn = [this](const std::string&) { ++warnings; };
  server_.emplace(context_, std::move(source), std::move(settings));

  const auto must = [](const Status& status) {
    if (!status) throw std::runtime_error(status.error().message);
  };
  must(server_->listen_tcp({"127.0.0.1", 0}));
  must(server_->listen_agent_check({"127.0.0.1", 0}));
  must(server_->listen_unix(control_path_));
  port_ = server_->local_endpoints().at(0).port;
  agent_port_ = server_->local_endpoints().at(1).port;
  tick();
  thread_ = std::thread([this] { context_.run(); });
}

void RunningServer::tick() {
  tick_ = mono_now();
  timer_.expires_after(milliseconds{10});
  timer_.async_wait([this](const error_code& error) {
    if (!error && server_) tick();  // it may have come just before it was cancelled
  });
}

void RunningServer::say(const std::string& text) {
  on_loop([&] { ring_.add(Record{RecordKind::decision, "bud", text, {}, {}}, wall_now()); });
}

void RunningServer::restart_ring(std::uint64_t after) {
  on_loop([&] {
    ring_ = EventRing{};
    ring_.start_after(after);
  });
}

CommandCallback RunningServer::take_waiting() {
  CommandCallback taken;
  on_loop([&] { taken = std::exchange(waiting_, nullptr); });
  return taken;
}

std::vector<std::string> RunningServer::commands() {
  std::vector<std::string> all;
  on_loop([&] { all = commands_; });
  return all;
}

void RunningServer::on_loop(const std::function<void()>& act) {
  std::promise<void> done;
  asio::post(context_, [&] {
    act();
    done.set_value();
  });
  done.get_future().wait();
}

RunningServer::~RunningServer() {
  on_loop([this] {
    server_.reset();
    timer_.cancel();
    work_.reset();
  });
  thread_.join();  // ends by itself: the server has left nothing behind
  std::filesystem::remove_all(folder_);
}

Client::Client(int port, int receive_buffer) {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) {
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const timeval deadline{10, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    ::close(std::exchange(descriptor_, -1));
  }
}

Client::Client(const std::string& path) {
  descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval deadline{10, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path, path.c_str(), sizeof to.sun_path - 1);
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    ::close(std::exchange(descriptor_, -1));
  }
}

Client::~Client() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Client::Client(Client&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      buffer_(std::move(other.buffer_)),
      timed_out_(other.timed_out_) {}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void Client::half_close() {
  ::shutdown(descriptor_, SHUT_WR);
}

void Client::reset() {
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(std::exchange(descriptor_, -1));
}

bool Client::fill() {
  char piece[65536];
  const ssize_t count = ::recv(descriptor_, piece, sizeof piece, 0);
  timed_out_ = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  if (count <= 0) return false;
  buffer_.append(piece, static_cast<std::size_t>(count));
  return true;
}

Reply Client::read_reply(bool head_only) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return {};
  }
  Reply reply;
  reply.head = buffer_.substr(0, end + 4);
  buffer_.erase(0, end + 4);
  reply.status = std::atoi(reply.head.c_str() + std::strlen("HTTP/1.1 "));
  const auto field = reply.head.find("Content-Length: ");
  if (head_only || field == std::string::npos) return reply;
  const auto length = std::stoul(reply.head.substr(field + std::strlen("Content-Length: ")));
  while (buffer_.size() < length) {
    if (!fill()) return {};
  }
  reply.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return reply;
}

std::string Client::read_until(std::string_view text) {
  std::size_t found = 0;
  while ((found = buffer_.find(text)) == std::string::npos) {
    if (!fill()) return {};
  }
  std::string read = buffer_.substr(0, found + text.size());
  buffer_.erase(0, found + text.size());
  return read;
}

Reply Client::ask(std::string_view request) {
  return send(request) ? read_reply() : Reply{};
}

std::optional<std::string> Client::read_to_end() {
  while (fill()) {
  }
  if (timed_out_) return std::nullopt;
  return std::exchange(buffer_, {});
}

std::string get(const std::string& path, const std::string& fields) {
  return "GET " + path + " HTTP/1.1\r\nHost: test\r\n" + fields + "\r\n";
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace pointsman::test
