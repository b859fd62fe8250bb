// Which samples are kept: at most one a minute for each probe, and where the outcome or the reason
// changes the neighbours on both sides, so that one can see later what stood before and after.
//
// Pure: no clock, no I/O. Lives on the loop's thread. Limits: max_changes changes a minute for each
// probe (a probe that flaps every second does not fill the disk), max_probes probes remembered.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "daemon/journal/rows.hpp"

namespace pointsman {

class Thinning {
 public:
  static constexpr Duration keep_every = std::chrono::minutes{1};
  static constexpr int max_changes = 5;  ///< each minute: at most 3 rows each
  static constexpr std::size_t max_probes = 10'000;

  /// The samples that are to be written now: none, this one, or the one before it and this one.
  std::vector<SampleRow> add(const Sample& sample, WallTime at);

 private:
  struct ProbeMemory {
    MonoTime last_kept{};
    MonoTime minute_began{};
    int changes = 0;         ///< since minute_began
    bool keep_next = false;  ///< the neighbour after a change
    Outcome outcome{};
    Reason reason{};
    std::optional<SampleRow> before;  ///< the last one, when it was not kept
  };
  std::map<ProbeName, ProbeMemory> probes_;
};

}  // namespace pointsman
