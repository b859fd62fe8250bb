#include "probes/child.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>

namespace pointsman {
namespace {

constexpr int max_groups = 65536;  // NGROUPS_MAX of Linux
constexpr long max_passwd_bytes = 64 * 1024;
constexpr int could_not_start = 127;

std::string error_text(int error) {
  return std::system_category().message(error);
}

/// What the child reports when it could not become the command.
struct Failure {
  int error;
  char step[16];
};

/// A descriptor that is closed unless it is handed on.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

struct Pipe {
  OwnedFd from, to;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error{fmt::format("pipe: {}", error_text(errno))};
  return Pipe{OwnedFd(ends[0]), OwnedFd(ends[1])};
}

std::vector<char*> to_pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const auto& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// All that the child needs, made before the fork: after it, only calls that are safe there.
struct Prepared {
  char* const* argv;
  char* const* envp;
  const UserIds* user;
  int null_in, output, errors, failure;
};

[[noreturn]] void give_up(int failure_fd, const char* step) {
  Failure failure{errno, {}};
  std::strncpy(failure.step, step, sizeof failure.step - 1);
  static_cast<void>(!::write(failure_fd, &failure, sizeof failure));
  ::_exit(could_not_start);
}

void reset_signals() {
  struct sigaction as_after_boot {};
  as_after_boot.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &as_after_boot, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// The raw calls: glibc's would signal threads that the child does not have.
void become(const UserIds& user, int failure_fd) {
  if (::syscall(SYS_setgroups, user.groups.size(), user.groups.data()) != 0) {
    give_up(failure_fd, "setgroups");
  }
  if (::syscall(SYS_setgid, user.gid) != 0) give_up(failure_fd, "setgid");
  if (::syscall(SYS_setuid, user.uid) != 0) give_up(failure_fd, "setuid");
}

[[noreturn]] void run_child(const Prepared& prepared) {
  ::setpgid(0, 0);
  if (::dup2(prepared.null_in, 0) < 0 || ::dup2(prepared.output, 1) < 0 ||
      ::dup2(prepared.errors, 2) < 0) {
    give_up(prepared.failure, "dup2");
  }
  // Whatever a library may have opened without O_CLOEXEC.
  ::syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
  if (::chdir("/") != 0) give_up(prepared.failure, "chdir");
  if (prepared.user != nullptr) become(*prepared.user, prepared.failure);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  reset_signals();
  ::execve(prepared.argv[0], prepared.argv, prepared.envp);
  give_up(prepared.failure, "exec");
}

}  // namespace

Result<UserIds> find_user(const std::string& name) {
  std::vector<char> buffer(max_passwd_bytes);
  passwd entry{};
  passwd* found = nullptr;
  const int r = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    return Error{r == 0 ? fmt::format("no such user: {}", name)
                        : fmt::format("user {}: {}", name, error_text(r))};
  }
  UserIds ids{entry.pw_uid, entry.pw_gid, std::vector<gid_t>(64)};
  int count = static_cast<int>(ids.groups.size());
  if (::getgrouplist(name.c_str(), ids.gid, ids.groups.data(), &count) < 0) {
    ids.groups.resize(static_cast<std::size_t>(std::clamp(count, 1, max_groups)));
    count = static_cast<int>(ids.groups.size());
    ::getgrouplist(name.c_str(), ids.gid, ids.groups.data(), &count);
  }
  ids.groups.resize(static_cast<std::size_t>(std::clamp(count, 0, max_groups)));
  return ids;
}

Result<std::shared_ptr<Child>> Child::start(asio::any_io_executor executor, const ChildSpec& spec) {
  auto output = make_pipe();
  if (!output) return output.error();
  auto errors = make_pipe();
  if (!errors) return errors.error();
  auto failure = make_pipe();
  if (!failure) return failure.error();
  const OwnedFd null_in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (null_in.get() < 0) return Error{fmt::format("/dev/null: {}", error_text(errno))};

  const auto argv = to_pointers(spec.command);
  const auto envp = to_pointers(spec.environment);
  const Prepared prepared{argv.data(),
                          envp.data(),
                          spec.user ? &*spec.user : nullptr,
                          null_in.get(),
                          output.value().to.get(),
                          errors.value().to.get(),
                          failure.value().to.get()};
  const pid_t pid = ::fork();
  if (pid == 0) run_child(prepared);
  if (pid < 0) return Error{fmt::format("fork: {}", error_text(errno))};
  ::setpgid(pid, pid);  // here too: whoever comes first; the other's failure means nothing
  OwnedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd.get() < 0) {
    const int error = errno;
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, WNOHANG);
    return Error{fmt::format("pidfd_open: {}", error_text(error))};
  }
  const Descriptors ours{pidfd.release(), output.value().from.release(),
                         errors.value().from.release(), failure.value().from.release()};
  std::shared_ptr<Child> child(new Child(std::move(executor), pid, ours));
  child->watch();
  return child;
}

Child::Child(asio::any_io_executor executor, pid_t pid, const Descriptors& descriptors)
    : pid_(pid),
      exit_(executor, descriptors.pidfd),
      output_(executor, descriptors.output),
      errors_(executor, descriptors.errors),
      failure_(descriptors.failure),
      reaped_(executor) {}

Child::~Child() {
  // Alive still when the loop is destroyed with its waits: it is not to outlive us.
  if (!is_reaped()) kill();
  ::close(failure_);
}

void Child::watch() {
  output_.pipe.non_blocking(true);
  errors_.pipe.non_blocking(true);
  read_on(output_);
  read_on(errors_);
  exit_.async_wait(asio::posix::descriptor_base::wait_read,
                   [self = shared_from_this()](error_code ec) {
                     if (!ec) self->reap();
                   });
}

void Child::read_on(Stream& stream) {
  stream.pipe.async_read_some(asio::buffer(stream.buffer), [self = shared_from_this(), &stream](
                                                               error_code ec, std::size_t size) {
    if (ec) return;  // the end, or closed by reap()
    self->take(stream, size);
    if (!self->too_much_) self->read_on(stream);
  });
}

void Child::take(Stream& stream, std::size_t size) {
  stream.seen += size;
  stream.kept.append(stream.buffer.data(), std::min(size, kept_bytes - stream.kept.size()));
  if (stream.seen <= max_bytes || too_much_) return;
  too_much_ = true;
  kill();
}

/// What is in the pipe already, without waiting for those who still hold its other end.
void Child::drain(Stream& stream) {
  error_code ec;
  while (!ec && stream.kept.size() < kept_bytes) {
    const auto size = stream.pipe.read_some(asio::buffer(stream.buffer), ec);
    if (!ec) take(stream, size);
  }
  stream.pipe.close(ec);
}

void Child::kill() {
  if (is_reaped()) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);  // should it not have made its group yet
}

void Child::reap() {
  drain(output_);
  drain(errors_);
  // While it is a zombie its id is ours: the rest of its group can be killed without hitting
  // another.
  ::kill(-pid_, SIGKILL);
  int status = 0;
  const pid_t got = ::waitpid(pid_, &status, WNOHANG);
  Failure failure{};
  if (got == pid_ && WIFSIGNALED(status)) {
    end_.how = too_much_ ? ChildEnd::How::wrote_too_much : ChildEnd::How::killed;
    end_.code = WTERMSIG(status);
  } else if (got == pid_ && WIFEXITED(status)) {
    end_.how = ChildEnd::How::exited;
    end_.code = WEXITSTATUS(status);
    if (end_.code == could_not_start &&
        ::read(failure_, &failure, sizeof failure) == static_cast<ssize_t>(sizeof failure)) {
      end_.how = ChildEnd::How::not_started;
      end_.code = failure.error;
      end_.failed_step = failure.step;
    }
  }
  end_.output = std::move(output_.kept);
  end_.errors = std::move(errors_.kept);
  error_code ignored;
  exit_.close(ignored);
  reaped_.set();
}

asio::awaitable<std::optional<ChildEnd>> Child::async_wait() {
  const bool ended = co_await reaped_.async_wait();
  std::optional<ChildEnd> end;
  if (ended) end = end_;
  co_return end;
}

asio::awaitable<bool> Child::async_reap(std::chrono::nanoseconds limit) {
  co_return co_await reaped_.async_wait_at_most(limit);
}

}  // namespace pointsman
