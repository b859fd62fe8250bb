// The mount worker's side: takes orders, and forks a process for each.
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "probes/mount_worker.hpp"

namespace pointsman {
namespace {

constexpr int orders_fd = STDIN_FILENO;

/// An order as it came: its text, and where the answer goes.
struct Letter {
  std::size_t size = 0;
  int answer = -1;
};

/// size 0: nobody is left to send any.
Letter receive(std::array<char, max_visit_wire>& buffer) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec data{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = -1;
  do {
    size = ::recvmsg(orders_fd, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  Letter letter;
  if (size <= 0) return letter;
  letter.size = static_cast<std::size_t>(size);
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head != nullptr && head->cmsg_type == SCM_RIGHTS) {
    std::memcpy(&letter.answer, CMSG_DATA(head), sizeof letter.answer);
  }
  return letter;
}

/// Dies with the worker where a signal can still end it.
[[noreturn]] void make_visit(std::string_view wire, int answer, pid_t worker) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != worker) ::_exit(0);
  ::close(orders_fd);
  if (const auto order = VisitOrder::from_wire(wire)) {
    const auto found = visit(*order).to_wire();
    ::send(answer, found.data(), found.size(), MSG_NOSIGNAL);
  }
  ::_exit(0);
}

}  // namespace

int MountWorker::run() {
  ::prctl(PR_SET_NAME, "pointsman-mount");
  // Ctrl-C and systemd tell all of us: who sent us knows best when to end, and our children are
  // reaped by the kernel.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) ::signal(signal, SIG_IGN);
  static std::array<char, max_visit_wire> buffer;
  const pid_t self = ::getpid();
  while (true) {
    const auto letter = receive(buffer);
    if (letter.size == 0) return 0;
    // Without an answer its closed end tells: no process was to be had.
    if (::fork() == 0) make_visit({buffer.data(), letter.size}, letter.answer, self);
    ::close(letter.answer);
  }
}

}  // namespace pointsman
