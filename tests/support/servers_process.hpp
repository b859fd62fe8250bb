// Started programs and their folders, for tests that need real servers.
//
// Everything here ends with the test, also when it fails or crashes: destructors stop what they
// started by its pid, and a guardian process (forked at the first start) kills what is left and
// removes the folders once the test program is gone. As root, programs run as the user postgres,
// which PostgreSQL and pgbouncer insist on. Polls; never sleeps for a guessed time. Failure throws:
// the test fails.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pointsman::test {

/// A port of 127.0.0.1 that was free a moment ago.
std::uint16_t free_port();

/// Polls until it is true; throws "not within ...: WHAT".
void wait_for(std::string_view what, const std::function<bool()>& is_true,
              std::chrono::milliseconds limit = std::chrono::seconds{20});

/// A folder of its own below /tmp that belongs to the user that servers run as.
class Place {
 public:
  Place();
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  std::string path(std::string_view name) const { return (folder_ / name).string(); }
  /// Also sets the owner, mode 0600.
  void write(std::string_view name, std::string_view text) const;
  void append(std::string_view name, std::string_view text) const;
  std::string read(std::string_view name) const;

 private:
  std::filesystem::path folder_;
};

using Argv = std::vector<std::string>;

/// Runs to its end as the servers' user; its output. Throws where it exits with another code than
/// 0.
std::string run(const Argv& argv);

class Process {
 public:
  Process(const Argv& argv, const std::string& log);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool is_running();
  /// The process and all that descend from it.
  std::vector<pid_t> family() const;
  void send(int signal) const;
  /// Sends the signal and waits for the end.
  void stop(int signal);
  /// SIGKILL for the whole family, as a power cut would.
  void kill_all();
  /// SIGSTOP for the whole family, also for those that are forked meanwhile.
  void freeze();
  void thaw();

 private:
  void wait();

  pid_t pid_ = -1;
  bool ended_ = false;
  std::vector<pid_t> frozen_;
};

}  // namespace pointsman::test
