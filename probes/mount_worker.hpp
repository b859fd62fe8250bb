// Looks at file systems, made in a process that may hang for ever and be left behind.
//
// A call on a hung file system can be beyond SIGKILL, and a process with such a thread never ends:
// so no thread of ours makes one. This program runs once more as the mount worker (MountWorker::
// run), which touches no file system itself and forks a looker for each mount: a process that makes
// one look after the other there. The worker is started at the first look and again should it have
// been killed; it ends when we do, and what can be killed of its lookers with it. A looker that
// nobody has asked for `max_idle` ends as well.
//
// At most one look at each mount in the whole process, and at most `max_busy` together. While one
// hangs, further ones of its mount end at their deadline, or at once when it has hung for longer
// than that already. Once it is back, the next goes on. Nothing waits for them at our exit, and
// they hold none of our descriptors. The registry is touched by the loop's thread only.
#pragma once

#include "policies/model/time.hpp"
#include "probes/asio.hpp"
#include "probes/mount_visit.hpp"

namespace pointsman {

struct VisitEnd {
  enum class How {
    done,
    stuck,      ///< cancelled at the deadline, or the mount has hung for as long as that already
    no_worker,  ///< our own limits: max_busy hang, or the system gives no process
  };
  How how = How::stuck;
  Visit visit;  ///< when done
};

class MountWorker {
 public:
  static constexpr int max_busy = 32;
  static constexpr Duration max_idle = std::chrono::minutes(10);
  /// The only argument of this program when it is to be the worker.
  static constexpr const char* argument = "mount-worker";

  static asio::awaitable<VisitEnd> async_visit(asio::any_io_executor executor, VisitOrder order,
                                               MonoTime deadline);
  /// The worker's whole life: sockets for new lookers come in on standard input, until that is
  /// closed. Gives the exit code.
  static int run();

  /// Looks under way now, and all that were ever begun.
  struct Count {
    int busy = 0;
    long started = 0;
  };
  static Count count();
};

}  // namespace pointsman
