#include "daemon/journal/thinning.hpp"

namespace pointsman {

std::vector<SampleRow> Thinning::add(const Sample& sample, WallTime at) {
  if (probes_.size() >= max_probes && probes_.find(sample.probe) == probes_.end()) probes_.clear();
  const auto [entry, is_new] = probes_.try_emplace(sample.probe);
  ProbeMemory& probe = entry->second;

  const bool changed =
      !is_new && (probe.outcome != sample.finding.outcome || probe.reason != sample.finding.reason);
  probe.outcome = sample.finding.outcome;
  probe.reason = sample.finding.reason;
  if (is_new || sample.finished - probe.minute_began >= keep_every) {
    probe.minute_began = sample.finished;
    probe.changes = 0;
  }

  std::vector<SampleRow> kept;
  const bool is_neighbour = changed && probe.changes < max_changes;
  if (is_neighbour) {
    ++probe.changes;
    if (probe.before) kept.push_back(std::move(*probe.before));
  }
  const bool keep =
      is_new || is_neighbour || probe.keep_next || sample.finished - probe.last_kept >= keep_every;
  probe.keep_next = is_neighbour;
  if (keep) {
    kept.push_back({at, sample});
    probe.last_kept = sample.finished;
    probe.before.reset();
  } else {
    probe.before = SampleRow{at, sample};
  }
  return kept;
}

}  // namespace pointsman
