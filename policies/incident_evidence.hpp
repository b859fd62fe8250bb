// The evidence of an incident at the moment of a transition: the last sample of everything that it
// is about, with its facts; where its routes lead and what their guards say; the pools of their
// poolers; memory, processor and pooler of this host.
//
// Pure. The engine keeps it with the story at each transition, so that what was known
// when something was decided can be read long after. Limits: evidence_probes, evidence_routes and
// evidence_text for one transition, incident_evidence_bytes for all of an incident's; the end of an
// incident is always kept.
#pragma once

#include <array>
#include <map>
#include <string>

#include "policies/model/incident.hpp"
#include "policies/model/policy.hpp"
#include "policies/probe_entry.hpp"
#include "policies/route_keeper.hpp"

namespace pointsman {

inline constexpr std::size_t evidence_probes = 16;
inline constexpr std::size_t evidence_routes = 4;
/// Pools of one route that are listed; those whose clients wait first.
inline constexpr std::size_t evidence_pools = 8;
/// Bytes of one entry.
inline constexpr std::size_t evidence_text = 400;

struct EvidenceView {
  const PolicySet& policy;
  const std::map<ProbeName, ProbeEntry>& probes;
  const std::map<RouteName, RouteKeeper>& routes;
};

/// What has to change for new evidence to be worth keeping.
struct IncidentStage {
  IncidentState state = IncidentState::open;
  Severity severity = Severity::warning;
  std::string cause;
  std::size_t attempts = 0;
  bool needs_human = false;
  std::array<bool, mark_count> marks{};
  friend bool operator==(const IncidentStage&, const IncidentStage&) = default;
};
IncidentStage stage_of(const Incident& incident);
/// "claimed, chosen, promoted", "attempt 2, critical, a human is needed".
std::string describe_change(const IncidentStage& before, const IncidentStage& after);

Details gather_evidence(const EvidenceView& view, const Incident& incident, MonoTime now);

/// The part that an incident's subject or member names; nothing where it is not configured.
std::optional<Member> part_named(const PolicySet& policy, const std::string& name);

}  // namespace pointsman
