#include "probes/mount_worker.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "probes/clock.hpp"

namespace pointsman {
namespace {

constexpr int first_own_descriptor = 3;
constexpr int could_not_start = 127;

struct SocketPair {
  int ours = -1, theirs = -1;
};

/// Whole messages, or nothing; none of the two is standard input or output.
SocketPair make_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return {};
  for (int& end : ends) {
    if (end >= first_own_descriptor) continue;
    const int low = std::exchange(end, ::fcntl(end, F_DUPFD_CLOEXEC, first_own_descriptor));
    ::close(low);
  }
  return {ends[0], ends[1]};
}

/// Only calls that are safe between fork and exec. Its environment is empty: no secret in it.
[[noreturn]] void become_worker(int hiring) {
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (::dup2(hiring, 0) < 0 || ::dup2(nowhere, 1) < 0 || ::dup2(nowhere, 2) < 0 ||
      ::chdir("/") != 0) {
    ::_exit(could_not_start);
  }
  ::syscall(SYS_close_range, static_cast<unsigned>(first_own_descriptor), ~0u, 0u);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  static char name[] = "pointsman";
  char* const argv[] = {name, const_cast<char*>(MountWorker::argument), nullptr};
  char* const envp[] = {nullptr};
  ::execve("/proc/self/exe", argv, envp);
  ::_exit(could_not_start);
}

/// The other process: this program once more, and the socket that it takes its lookers' sockets
/// from.
class Worker {
 public:
  /// Has a looker forked that talks on `socket`. False when there is no worker and none can be had.
  bool hire(int socket);

 private:
  bool start();
  bool try_hire(int socket);
  void bury();

  pid_t pid_ = 0;
  int socket_ = -1;
};

bool Worker::hire(int socket) {
  if (socket_ < 0 && !start()) return false;
  if (try_hire(socket)) return true;
  if (errno != EPIPE && errno != ECONNRESET) return false;
  bury();  // somebody killed it
  return start() && try_hire(socket);
}

bool Worker::start() {
  const SocketPair pair = make_pair();
  if (pair.ours < 0 || pair.theirs < 0) return false;
  const pid_t pid = ::fork();
  if (pid == 0) become_worker(pair.theirs);
  ::close(pair.theirs);
  if (pid < 0) {
    ::close(pair.ours);
    return false;
  }
  pid_ = pid;
  socket_ = pair.ours;
  return true;
}

bool Worker::try_hire(int socket) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  char byte = 0;  // a descriptor does not travel alone
  iovec data{&byte, sizeof byte};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof socket);
  std::memcpy(CMSG_DATA(head), &socket, sizeof socket);
  return ::sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void Worker::bury() {
  ::close(std::exchange(socket_, -1));
  // Its end of the socket is closed, so that it is ending: it touches no file system that could
  // keep it.
  ::waitpid(std::exchange(pid_, 0), nullptr, 0);
}

/// A process that looks at one mount: our end of its socket. Closing that ends it, once it can.
class Looker {
 public:
  explicit Looker(int socket) : socket_(socket) {}
  ~Looker() { ::close(socket_); }
  Looker(const Looker&) = delete;
  Looker& operator=(const Looker&) = delete;

  int socket() const { return socket_; }
  /// False when it has ended.
  bool send(const std::string& order) const {
    return ::send(socket_, order.data(), order.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
  }

 private:
  int socket_;
};

/// One look under way: its looker sends what was found, or ends.
class Look {
 public:
  explicit Look(std::shared_ptr<Looker> looker) : looker_(std::move(looker)) {}

  const std::shared_ptr<Looker>& looker() const { return looker_; }
  MonoTime since() const { return since_; }
  /// Looks whether the answer is there.
  bool is_finished();
  /// Once finished: absent when the looker ended without an answer.
  const std::optional<Visit>& visit() const { return visit_; }

 private:
  std::shared_ptr<Looker> looker_;
  MonoTime since_ = mono_now();
  bool finished_ = false;
  std::optional<Visit> visit_;
};

bool Look::is_finished() {
  if (finished_) return true;
  std::array<char, max_visit_wire> buffer;
  const ssize_t size = ::recv(looker_->socket(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  finished_ = true;
  if (size > 0) visit_ = Visit::from_wire({buffer.data(), static_cast<std::size_t>(size)});
  return true;
}

/// The loop's book of what is under way, and of who waits for the next order.
class Registry {
 public:
  /// What keeps the mount busy; nullptr when it is free.
  std::shared_ptr<Look> find(const std::string& mount_key);
  /// The mount is free. nullptr when no process is to be had.
  std::shared_ptr<Look> start(const VisitOrder& order);
  MountWorker::Count count();

 private:
  struct Idle {
    std::shared_ptr<Looker> looker;
    MonoTime since;
  };

  void collect_finished();
  std::shared_ptr<Looker> take_idle(const std::string& mount_key);
  std::shared_ptr<Looker> hire();

  Worker worker_;
  std::map<std::string, std::shared_ptr<Look>> busy_;  ///< by the mount's key, as `idle_`
  std::map<std::string, Idle> idle_;
  long started_ = 0;
};

Registry& registry() {
  // Never destroyed: what hangs at exit is left as it is.
  static auto& the_one = *new Registry;
  return the_one;
}

void Registry::collect_finished() {
  const auto now = mono_now();
  std::erase_if(busy_, [&](const auto& entry) {
    const auto& [mount_key, look] = entry;
    if (!look->is_finished()) return false;
    if (look->visit()) idle_.insert_or_assign(mount_key, Idle{look->looker(), now});
    return true;
  });
  std::erase_if(
      idle_, [now](const auto& entry) { return now - entry.second.since > MountWorker::max_idle; });
}

std::shared_ptr<Look> Registry::find(const std::string& mount_key) {
  collect_finished();
  const auto found = busy_.find(mount_key);
  return found == busy_.end() ? nullptr : found->second;
}

std::shared_ptr<Looker> Registry::take_idle(const std::string& mount_key) {
  const auto entry = idle_.extract(mount_key);
  return entry ? entry.mapped().looker : nullptr;
}

std::shared_ptr<Looker> Registry::hire() {
  const SocketPair pair = make_pair();
  if (pair.ours < 0 || pair.theirs < 0) return nullptr;
  auto looker = std::make_shared<Looker>(pair.ours);
  const bool hired = worker_.hire(pair.theirs);
  ::close(pair.theirs);
  return hired ? looker : nullptr;
}

std::shared_ptr<Look> Registry::start(const VisitOrder& order) {
  if (busy_.size() >= MountWorker::max_busy) return nullptr;
  const auto wire = order.to_wire();
  auto looker = take_idle(order.mount_key);
  if (looker == nullptr || !looker->send(wire)) {
    looker = hire();
    if (looker == nullptr || !looker->send(wire)) return nullptr;
  }
  auto look = std::make_shared<Look>(std::move(looker));
  busy_.insert_or_assign(order.mount_key, look);
  ++started_;
  return look;
}

MountWorker::Count Registry::count() {
  collect_finished();
  return {static_cast<int>(busy_.size()), started_};
}

/// True once it is finished, false when cancelled first. Several may wait for one look.
asio::awaitable<bool> async_finish(asio::any_io_executor executor, std::shared_ptr<Look> look) {
  if (look->is_finished()) co_return true;
  const int own = ::fcntl(look->looker()->socket(), F_DUPFD_CLOEXEC, 0);
  if (own < 0) co_return false;
  asio::posix::stream_descriptor event(executor, own);
  while (!look->is_finished()) {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return false;
    co_await event.async_wait(asio::posix::descriptor_base::wait_read, as_result);
  }
  co_return true;
}

}  // namespace

asio::awaitable<VisitEnd> MountWorker::async_visit(asio::any_io_executor executor, VisitOrder order,
                                                   MonoTime deadline) {
  const Duration patience = deadline - mono_now();
  // Whoever else waits for the mount may be first when it is free.
  while (const auto busy = registry().find(order.mount_key)) {
    if (mono_now() - busy->since() > patience) co_return VisitEnd{};
    const bool is_free = co_await async_finish(executor, busy);
    if (!is_free) co_return VisitEnd{};
  }
  const auto look = registry().start(order);
  if (!look) co_return VisitEnd{VisitEnd::How::no_worker, {}};
  const bool finished = co_await async_finish(executor, look);
  if (!finished) co_return VisitEnd{};
  if (!look->visit()) co_return VisitEnd{VisitEnd::How::no_worker, {}};
  co_return VisitEnd{VisitEnd::How::done, *look->visit()};
}

MountWorker::Count MountWorker::count() {
  return registry().count();
}

}  // namespace pointsman
