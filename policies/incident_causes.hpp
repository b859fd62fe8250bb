// One cause is one incident: whose incident a failing part belongs to, how severe it is at first,
// and when what is not a route's is over.
//
// Pure functions over states and the book. A route's own incident is opened and closed by its
// keeper (route_incident.cpp), since it knows the diagnosis and the marks; these look after
// services and after probes that a ladder watches. Level-triggered: called whenever a state has
// changed, in the order in which members come before those that name them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "policies/incidents.hpp"
#include "policies/model/policy.hpp"

namespace pointsman {

/// T0 and T1 of a part, where they are known.
struct Onset {
  std::optional<MonoTime> last_good, first_failure;
};

/// What the rules look at. `why_of` gives one sentence about a part that is not well.
struct CauseView {
  const PolicySet& policy;
  std::function<State(const Member&)> state_of;
  std::function<std::string(const Member&)> why_of;
  std::function<Onset(const Member&)> onset_of{};
};

struct Root {
  IncidentId incident{};             ///< the open one that covers it; 0: it has to open its own
  std::string subject;               ///< of that one, or of its own
  std::vector<std::string> members;  ///< of its own: the parts that fail
};

/// The open incident that names `part` as its subject or a member; null: none.
std::shared_ptr<const Incident> covering(const IncidentBook& book, const std::string& part);

/// Whose incident a part that is not well belongs to: its own open one; else that of a member that
/// is unhealthy (routes before services before probes); of a probe, that of a route that it is a
/// candidate of, or of another probe of the same server (host and port); else one of its own. Two
/// routes that lost one server keep an incident each, since each has marks of its own.
Root root_of(const CauseView& view, const IncidentBook& book, const Member& part);

/// Critical where a critical service is or contains it and no ladder will try anything first:
/// somebody has to hear of it. Else a warning, that is raised when the ladder is exhausted.
Severity severity_at_first(const PolicySet& policy, const Member& part);

/// Joins `part` to the incident that covers its cause, or opens one for it.
IncidentId open_or_join(MonoTime now, const CauseView& view, const Member& part,
                        IncidentBook& book);

/// Every service that is unhealthy is covered by an open incident afterwards. `order`: members
/// before those that name them.
void cover_services(MonoTime now, const CauseView& view, const std::vector<ServiceName>& order,
                    IncidentBook& book);

/// Closes the incidents of services and probes whose subject is known to be well again. `held`: a
/// ladder still has business with it.
void close_recovered(MonoTime now, const CauseView& view,
                     const std::function<bool(IncidentId)>& held, IncidentBook& book);

}  // namespace pointsman
