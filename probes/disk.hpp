// The disk probe's pure half: what was read of a file system, and what to make of it.
//
// The prober itself (make_disk_prober, probes/kinds.hpp) has the mount's worker look
// (mount_worker.hpp) and judges on the loop's thread. Order of judgement: unreachable, read-only,
// write test, fail limits, warn limits. Limits are reached at the value itself: `warn: 80%` warns
// at 80 %.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "policies/model/sample.hpp"
#include "probes/mount.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// As statvfs(3) gives them.
struct DiskFigures {
  std::uint64_t block_size = 0;  ///< f_frsize
  std::uint64_t blocks = 0, blocks_free = 0, blocks_available = 0;
  std::uint64_t inodes = 0, inodes_free = 0;
};

/// What one run read. `error` is an errno, 0 when all went well, and `step` what it came from.
struct DiskReading : DiskFigures {
  enum class Step { find, statvfs, write_test };
  int error = 0;
  Step step = Step::find;
  std::string path;  ///< where the error came
};

/// How fast it fills: a straight line through the last hour of runs, one point a minute at most.
class FillRate {
 public:
  static constexpr Duration window = std::chrono::hours{1};
  static constexpr Duration spacing = std::chrono::minutes{1};
  static constexpr std::size_t min_points = 5;

  void add(MonoTime at, std::uint64_t used);
  /// Absent with fewer than min_points, and when it does not fill.
  std::optional<double> hours_to_full(std::uint64_t free) const;

 private:
  struct Point {
    MonoTime at;
    double used;
  };
  std::vector<Point> points_;
};

/// The facts but for hours_to_full. `mount` may be nullptr (not in the table).
DiskFacts to_disk_facts(const DiskReading& reading, const Mount* mount);
Finding judge_disk(const DiskSpec& spec, const DiskReading& reading, const Mount* mount,
                   const DiskFacts& facts);

/// "12.3 GiB"
std::string to_size_text(std::uint64_t bytes);

}  // namespace pointsman
