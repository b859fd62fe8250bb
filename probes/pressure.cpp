#include "probes/pressure.hpp"

#include <fmt/format.h>

namespace pointsman {

Finding judge_pressure(Finding finding, std::optional<double> psi, const PressureLimits& limits) {
  if (!limits.warn && !limits.fail) return finding;
  if (!psi) {
    if (finding.outcome != Outcome::pass) return finding;
    finding.outcome = Outcome::inconclusive;
    finding.reason = Reason::prober_error;
    finding.message += "; pressure cannot be read here (no PSI in the kernel, or hidden)";
    return finding;
  }
  const bool fails = limits.fail && *psi >= *limits.fail * 100;
  const bool warns = limits.warn && *psi >= *limits.warn * 100;
  if (!fails && !warns) return finding;
  finding.message += fmt::format("; pressure {:.1f}%", *psi);
  if (finding.outcome == Outcome::fail || (!fails && finding.outcome == Outcome::warn))
    return finding;
  finding.outcome = fails ? Outcome::fail : Outcome::warn;
  finding.reason = Reason::over_threshold;
  return finding;
}

}  // namespace pointsman
