#include "policies/simulation/agent_view.hpp"

#include <algorithm>

#include "policies/engine.hpp"

namespace pointsman::sim {

void AgentView::take(const Event& event) {
  if (const auto* loaded = std::get_if<PolicyLoaded>(&event)) policy = loaded->policy;
  if (const auto* taken = std::get_if<SampleTaken>(&event)) {
    Sample sample = taken->sample;
    const bool trusted = !distrust_since || sample.started >= *distrust_since;
    if (trusted && sample.finding.outcome != Outcome::inconclusive) {
      conclusive[sample.probe] = sample;
    }
    last[sample.probe] = std::move(sample);
    if (distrust_since && all_ran_since(*distrust_since)) distrust_since.reset();
  }
  if (const auto* distrust = std::get_if<LoopDistrusted>(&event)) {
    const Duration jump = std::max(distrust->clock_jump, -distrust->clock_jump);
    if (std::max({distrust->late, distrust->suspended, jump}) > distrust_limit) {
      distrust_since = now;
    }
  }
  if (const auto* set = std::get_if<AutomationSet>(&event)) {
    pause.reset();
    if (set->paused) pause = *set;
  }
  const auto* flag = std::get_if<FlagSet>(&event);
  if (flag && flag->flag == maintenance_flag) {
    maintenance.reset();
    if (flag->set) maintenance = *flag;
  }
  if (const auto* restored = std::get_if<MemoryRestored>(&event)) {
    last.clear();
    conclusive.clear();
    distrust_since.reset();
    pause = restored->automation;
    maintenance.reset();
    for (const FlagMemory& set : restored->flags) {
      const bool of_ladder = !set.until_recovered.empty() || set.by.starts_with("ladder ");
      if (set.flag != maintenance_flag || of_ladder) continue;
      maintenance = FlagSet{set.flag, true, set.reason, set.by, set.until};
    }
  }
}

void AgentView::take(const Effect& effect) {
  const auto* written = std::get_if<WriteFlag>(&effect);
  if (written && written->flag == maintenance_flag && !written->set) maintenance.reset();
}

bool AgentView::has_run_since(const ProbeName& probe, MonoTime since) const {
  const auto policy_of = policy->probes.find(probe);
  if (policy_of == policy->probes.end() || !policy_of->second.enabled) return true;
  const auto it = last.find(probe);
  return it != last.end() && it->second.started >= since;
}

bool AgentView::all_ran_since(MonoTime since) const {
  return std::all_of(policy->probes.begin(), policy->probes.end(),
                     [&](const auto& probe) { return has_run_since(probe.first, since); });
}

std::string_view AgentView::hands_off() const {
  if (observes()) return "its mode is observe";
  if (is_paused()) return "automation is paused";
  if (in_maintenance()) return "the flag maintenance is set";
  return {};
}

}  // namespace pointsman::sim
