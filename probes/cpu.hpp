// The cpu probe's pure half: utilisation over a window, from readings that the runs themselves
// took.
//
// No timer of its own: each run adds the kernel's counters to a ring. Until `over` has passed since
// the first reading the window is shorter, and the first run of all has none (it passes and says
// so). busy is all time that was not idle and not spent waiting for a disk; time stolen by the
// hypervisor is in it, since it is not to be had.
#pragma once

#include <deque>
#include <optional>

#include "policies/model/sample.hpp"
#include "probes/proc.hpp"
#include "probes/spec.hpp"

namespace pointsman {

struct CpuUse {
  double busy = 0, steal = 0;  ///< 0..1
  Duration over{};             ///< the window that it was measured over
};

class CpuWindow {
 public:
  /// Readings kept, whatever the window and the interval: the window's start is as exact as that.
  static constexpr int max_readings = 64;

  explicit CpuWindow(Duration over) : over_(over) {}
  /// Absent for the first reading, and when the counters stood still or went back.
  std::optional<CpuUse> add(MonoTime at, CpuTimes times);

 private:
  struct Reading {
    MonoTime at;
    CpuTimes times;
  };
  Duration over_;
  std::deque<Reading> readings_;  // oldest first; at most one is older than the window
};

/// `use` absent: the first reading.
Finding judge_cpu(const CpuSpec& spec, const std::optional<CpuUse>& use, double load1,
                  std::optional<double> psi);

}  // namespace pointsman
