// Alerts from incidents: who is told, what, and when again.
//
// Pure. A notifier is told of an incident when a ladder's step or `escalate` named it
// (IncidentBook::tell), or when its `on:` asks for the severity. From then on it is told of every
// change that matters (gist_of), of each further call (IncidentBook::call, call_human, ask) and of
// the end; the incident remembers who, what and how often, so that a restart neither repeats nor
// forgets. Nothing is sent twice with the same gist and number of calls. A notifier that is no
// longer configured is forgotten with its outbox. Limits: attempts and dependents that an alert
// lists.
#pragma once

#include <string>
#include <vector>

#include "policies/incidents.hpp"
#include "policies/model/alert.hpp"
#include "policies/model/effect.hpp"
#include "policies/model/policy.hpp"

namespace pointsman {

inline constexpr std::string_view incident_alertname = "PointsmanIncident";
/// The newest attempts that an alert lists; earlier ones are counted.
inline constexpr std::size_t alert_attempts_limit = 10;
inline constexpr std::size_t alert_dependents_limit = 20;

/// What is said of the incident now. A further call of the notifier shows at the summary's end
/// ("[call 2]"), so that it is news to whoever compares no more than that. Annotations:
/// failure_type, why, asked, attempts, dependents, age, acknowledged, to_rebuild, rto, rpo; those
/// that say nothing are left out.
Alert make_alert(const Incident& incident, const NotifierName& notifier, MonoTime now);

/// Changes exactly when there is something to tell: state, severity, whether and what a human is
/// asked, acknowledgement, number of attempts and of dependents, failure type.
std::string gist_of(const Incident& incident);

/// Sends what has to be sent of this incident. Called for each that has changed, before it is
/// stored, since the incident remembers what was sent; and for each that is open when the policy or
/// the memory was loaded, since notifiers come and go with them.
void send_alerts(MonoTime now, const PolicySet& policy, IncidentId id, IncidentBook& book,
                 std::vector<Effect>& effects);

}  // namespace pointsman
