// A child process: argv without a shell, in a process group of its own, its output captured up to a
// cap.
//
// The loop's thread only forks; it never waits for the exec (the file may lie on a mount that
// hangs). Standard input is /dev/null, the working folder /, the environment exactly what is given;
// signals are as after boot, no descriptor is inherited, and the child dies with us. When the
// command has ended, or at kill(), the whole group gets SIGKILL, so that nothing of it outlives its
// run. A child that cannot die (its own call hangs in the kernel) is reaped when it does: a Child
// is kept alive by its waits. Limits: `kept_bytes` of each stream are kept, what comes after is
// read and dropped, and a command that writes more than `max_bytes` is killed.
#pragma once

#include <sys/types.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "policies/model/result.hpp"
#include "probes/asio.hpp"
#include "probes/one_shot.hpp"

namespace pointsman {

/// A user as the kernel needs it: asked for beforehand, since asking may block.
struct UserIds {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  friend bool operator==(const UserIds&, const UserIds&) = default;
};
/// Looks the name up (files, or whatever NSS asks): not on the loop while it serves.
Result<UserIds> find_user(const std::string& name);

struct ChildSpec {
  std::vector<std::string> command;      ///< the first is an absolute path
  std::vector<std::string> environment;  ///< "NAME=value"
  std::optional<UserIds> user;           ///< absent: ours
};

struct ChildEnd {
  enum class How { exited, killed, not_started, wrote_too_much, lost };
  How how = How::lost;
  int code = 0;  ///< the exit code, the signal, or the errno of what kept it from starting
  std::string failed_step;     ///< when not_started: "exec", "setuid", …
  std::string output, errors;  ///< the first kept_bytes of each stream
};

class Child : public std::enable_shared_from_this<Child> {
 public:
  static constexpr std::size_t kept_bytes = 4096;
  static constexpr std::size_t max_bytes = 8u << 20;

  static Result<std::shared_ptr<Child>> start(asio::any_io_executor executor,
                                              const ChildSpec& spec);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Waits for the command's end. nullopt: cancelled first; then kill() and async_reap.
  asio::awaitable<std::optional<ChildEnd>> async_wait();
  /// SIGKILL to the whole group, at once.
  void kill();
  /// After kill(): true when it has been reaped within `limit`, whether or not we were cancelled.
  asio::awaitable<bool> async_reap(std::chrono::nanoseconds limit);

  pid_t pid() const { return pid_; }
  bool is_reaped() const { return reaped_.is_set(); }

 private:
  struct Stream {
    explicit Stream(asio::any_io_executor executor, int fd) : pipe(executor, fd) {}
    asio::posix::stream_descriptor pipe;
    std::string kept;
    std::size_t seen = 0;
    std::array<char, 4096> buffer{};
  };
  struct Descriptors {
    int pidfd, output, errors, failure;
  };

  Child(asio::any_io_executor executor, pid_t pid, const Descriptors& descriptors);
  void watch();
  void read_on(Stream& stream);
  void take(Stream& stream, std::size_t size);
  void drain(Stream& stream);
  void reap();

  pid_t pid_;
  asio::posix::stream_descriptor exit_;  // the pidfd: readable once the command has ended
  Stream output_, errors_;
  int failure_;  // what the child says when it cannot start the command
  OneShot reaped_;
  bool too_much_ = false;
  ChildEnd end_;
};

}  // namespace pointsman
