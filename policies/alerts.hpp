// From an incident, what notifiers are to be told: which of them, when, and in which words.
//
// Pure. A notifier that was told once hears of every change that matters and of the end; the book
// keeps what it was told last, so that the same is never said twice, not even after a restart.
#pragma once

#include <string>
#include <vector>

#include "policies/incidents.hpp"
#include "policies/model/alert.hpp"
#include "policies/model/effect.hpp"
#include "policies/model/policy.hpp"

namespace pointsman {

inline constexpr const char* alert_name = "PointsmanIncident";

/// Sends what each notifier has not heard of this incident yet: those whose `on:` names its
/// severity, and those that were told of it before.
void tell_notifiers(const PolicySet& policy, IncidentId id, IncidentBook& book,
                    std::vector<Effect>& effects);

Alert alert_of(const Incident& incident, const NotifierName& notifier);

}  // namespace pointsman
