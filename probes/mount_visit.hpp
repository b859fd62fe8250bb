// One look at a file system: the walk to the path, its figures, a test of writing. And how the
// order for it and what it found are written down, since it is made in another process.
//
// visit() MAY HANG for ever, in a call that not even SIGKILL ends: only a looker, a process that
// the mount worker (mount_worker.hpp) forked for one mount, calls it. It never steps onto another
// mount than the one it was sent to: it says where the path goes on instead. Both ends are the same
// program, so that the figures travel as they lie in memory.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "probes/disk.hpp"

namespace pointsman {

struct VisitOrder {
  std::string mount_key;  ///< Mount::key()
  std::string path;
  bool write_test = false;
  pid_t owner = 0;  ///< whose test of writing: the file that it writes is named after it

  std::string to_wire() const;
  static std::optional<VisitOrder> from_wire(std::string_view wire);
};

/// A reading, or that the path goes on elsewhere.
struct Visit {
  std::optional<std::string> left;  ///< the path to look up in the table, and to visit there
  DiskReading reading;

  std::string to_wire() const;
  static std::optional<Visit> from_wire(std::string_view wire);
};

/// Longer than any order or answer: a path is at most PATH_MAX, what a link adds as much again.
inline constexpr std::size_t max_visit_wire = 32 * 1024;

Visit visit(const VisitOrder& order);

}  // namespace pointsman
