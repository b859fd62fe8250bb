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
[[noreturn]] void become_worker(int orders) {
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (::dup2(orders, 0) < 0 || ::dup2(nowhere, 1) < 0 || ::dup2(nowhere, 2) < 0 ||
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

/// The other process: this program once more, and the socket that it takes orders from.
class Worker {
 public:
  /// False when there is none and none can be had. `answer` goes with the order.
  bool send(const std::string& order, int answer);

 private:
  bool start();
  bool try_send(const std::string& order, int answer);
  void bury();

  pid_t pid_ = 0;
  int socket_ = -1;
};

bool Worker::send(const std::string& order, int answer) {
  if (socket_ < 0 && !start()) return false;
  if (try_send(order, answer)) return true;
  if (errno != EPIPE && errno != ECONNRESET) return false;
  bury();  // somebody killed it
  return start() && try_send(order, answer);
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

bool Worker::try_send(const std::string& order, int answer) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec data{const_cast<char*>(order.data()), order.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof answer);
  std::memcpy(CMSG_DATA(head), &answer, sizeof answer);
  return ::sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void Worker::bury() {
  ::close(std::exchange(socket_, -1));
  // Its end of the socket is closed, so that it is ending: it touches no file system that could
  // keep it.
  ::waitpid(std::exchange(pid_, 0), nullptr, 0);
}

/// One look under way. Its socket gives what was found, or its end.
class Look {
 public:
  explicit Look(int socket) : socket_(socket) {}
  ~Look() { ::close(socket_); }
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;

  int socket() const { return socket_; }
  MonoTime since() const { return since_; }
  /// Looks whether the answer is there.
  bool is_finished();
  /// Once finished: absent when the process ended without an answer.
  const std::optional<Visit>& visit() const { return visit_; }

 private:
  int socket_;
  MonoTime since_ = mono_now();
  bool finished_ = false;
  std::optional<Visit> visit_;
};

bool Look::is_finished() {
  if (finished_) return true;
  std::array<char, max_visit_wire> buffer;
  const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  finished_ = true;
  if (size > 0) visit_ = Visit::from_wire({buffer.data(), static_cast<std::size_t>(size)});
  return true;
}

/// The loop's book of what is under way.
class Registry {
 public:
  /// What keeps the mount busy; nullptr when it is free.
  std::shared_ptr<Look> find(const std::string& mount_key);
  /// nullptr when no process is to be had.
  std::shared_ptr<Look> start(const VisitOrder& order);
  MountWorker::Count count();

 private:
  void forget_finished();

  Worker worker_;
  std::map<std::string, std::shared_ptr<Look>> busy_;
  long started_ = 0;
};

Registry& registry() {
  // Never destroyed: what hangs at exit is left as it is.
  static auto& the_one = *new Registry;
  return the_one;
}

void Registry::forget_finished() {
  std::erase_if(busy_, [](const auto& entry) { return entry.second->is_finished(); });
}

std::shared_ptr<Look> Registry::find(const std::string& mount_key) {
  forget_finished();
  const auto found = busy_.find(mount_key);
  return found == busy_.end() ? nullptr : found->second;
}

std::shared_ptr<Look> Registry::start(const VisitOrder& order) {
  if (busy_.size() >= MountWorker::max_busy) return nullptr;
  const SocketPair pair = make_pair();
  if (pair.ours < 0 || pair.theirs < 0) return nullptr;
  auto look = std::make_shared<Look>(pair.ours);
  const bool sent = worker_.send(order.to_wire(), pair.theirs);
  ::close(pair.theirs);
  if (!sent) return nullptr;
  busy_.insert_or_assign(order.mount_key, look);
  ++started_;
  return look;
}

MountWorker::Count Registry::count() {
  forget_finished();
  return {static_cast<int>(busy_.size()), started_};
}

/// True once it is finished, false when cancelled first. Several may wait for one look.
asio::awaitable<bool> async_finish(asio::any_io_executor executor, std::shared_ptr<Look> look) {
  if (look->is_finished()) co_return true;
  const int own = ::fcntl(look->socket(), F_DUPFD_CLOEXEC, 0);
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
