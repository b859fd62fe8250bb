// The mount worker's side: takes sockets, and forks a looker for each.
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "probes/mount_worker.hpp"

namespace pointsman {
namespace {

constexpr int hiring_fd = STDIN_FILENO;

/// The socket of the next looker. -1: nobody is left to send any.
int receive_socket() {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  char byte = 0;
  iovec data{&byte, sizeof byte};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = -1;
  do {
    size = ::recvmsg(hiring_fd, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  const cmsghdr* head = size > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  int socket = -1;
  if (head != nullptr && head->cmsg_type == SCM_RIGHTS) {
    std::memcpy(&socket, CMSG_DATA(head), sizeof socket);
  }
  return socket;
}

/// Absent: whoever sends has closed the socket.
std::optional<VisitOrder> receive_order(int socket) {
  static std::array<char, max_visit_wire> buffer;
  ssize_t size = -1;
  do {
    size = ::recv(socket, buffer.data(), buffer.size(), 0);
  } while (size < 0 && errno == EINTR);
  if (size <= 0) return std::nullopt;
  return VisitOrder::from_wire({buffer.data(), static_cast<std::size_t>(size)});
}

/// Dies with the worker where a signal can still end it.
[[noreturn]] void look_at_orders(int socket, pid_t worker) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != worker) ::_exit(0);
  ::close(hiring_fd);
  while (const auto order = receive_order(socket)) {
    const auto found = visit(*order).to_wire();
    ::send(socket, found.data(), found.size(), MSG_NOSIGNAL);
  }
  ::_exit(0);
}

}  // namespace

int MountWorker::run() {
  ::prctl(PR_SET_NAME, "pointsman-mount");
  // Ctrl-C and systemd tell all of us: who sent us knows best when to end, and our children are
  // reaped by the kernel.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) ::signal(signal, SIG_IGN);
  const pid_t self = ::getpid();
  while (true) {
    const int socket = receive_socket();
    if (socket < 0) return 0;
    // Where no process is to be had, the socket's closed end tells.
    if (::fork() == 0) look_at_orders(socket, self);
    ::close(socket);
  }
}

}  // namespace pointsman
