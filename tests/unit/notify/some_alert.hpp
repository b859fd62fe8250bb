// An alert as the core makes it, for tests to change.
#pragma once

#include "daemon/notify/messages.hpp"
#include "daemon/notify/outbox.hpp"

namespace pointsman::testing {

inline const WallTime noon{std::chrono::milliseconds{1'700'000'000'000}};  // 2023-11-14T22:13:20Z

inline Alert some_alert() {
  Alert alert;
  alert.notifier = NotifierName("oncall");
  alert.incident = IncidentId{7};
  alert.alertname = "PointsmanIncident";
  alert.subject = "database";
  alert.severity = Severity::critical;
  alert.summary = "database is unhealthy: the primary is dead";
  alert.annotations = {{"cause", "primary_dead"}, {"asked", "look at replica-1"}};
  return alert;
}

inline OutboxEntry some_entry() {
  return make_entry(some_alert(), noon, noon);
}

inline MessageContext some_context(Duration later = Duration{}) {
  return {"web-1", noon + std::chrono::duration_cast<std::chrono::milliseconds>(later)};
}

}  // namespace pointsman::testing
