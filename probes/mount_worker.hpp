// Calls that may hang, on a thread of the mount's own that can be abandoned.
//
// At most one thread for each mount in the whole process, and at most `max_threads` together. A
// thread makes one call and ends. While it hangs, calls to its mount end at their deadline, or at
// once when it has hung for longer than that already; no thread is added. Once it is back, the next
// call goes on. Nothing ever joins them, and they share nothing with the loop but the call: each
// has a table of descriptors of its own, so that a thread that the kernel cannot end does not keep
// our sockets open (and their ports taken) after the process has ended. All signals are blocked
// there. The registry is touched by the loop's thread only.
#pragma once

#include <functional>
#include <string>

#include "policies/model/time.hpp"
#include "probes/asio.hpp"

namespace pointsman {

enum class MountCallEnd {
  done,
  stuck,      ///< cancelled at the deadline, or the mount has hung for as long as that already
  no_thread,  ///< our own limits: max_threads hang, or the system gives none
};

class MountWorkers {
 public:
  static constexpr int max_threads = 32;

  /// Runs `work` on a worker of `mount_key` and waits for it. `work` must own what it uses and what
  /// it gives back (a shared_ptr in its closure), for it may outlive the caller and the loop.
  static asio::awaitable<MountCallEnd> async_call(asio::any_io_executor executor,
                                                  std::string mount_key, MonoTime deadline,
                                                  std::function<void()> work);

  /// Calls under way now, each on its thread, and threads that were ever started.
  struct Count {
    int busy = 0;
    long started = 0;
  };
  static Count count();
};

}  // namespace pointsman
