// An alert: what a notifier is to be told of one incident, as plain values.
//
// The core decides that and what; daemon/notify delivers: durably, with back-off, refreshed while
// it fires, until it has told that it is resolved. One alert for each notifier and incident.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "policies/model/incident.hpp"
#include "policies/model/names.hpp"

namespace pointsman {

enum class AlertState { firing, resolved };

struct Alert {
  NotifierName notifier;
  IncidentId incident{};
  AlertState state = AlertState::firing;
  // Labels, by which a receiver knows it again. The shell adds `node`. All but the severity are
  // fixed for the incident's life.
  std::string alertname;  ///< "PointsmanIncident"
  std::string subject;
  Severity severity = Severity::critical;
  MonoTime starts{};
  std::string summary;  ///< one sentence: what is wrong, or that it is over
  /// Failure type, attempts with action, result, error and time, what is asked of the human, …
  std::vector<std::pair<std::string, std::string>> annotations;
  friend bool operator==(const Alert&, const Alert&) = default;
};

std::string_view to_text(AlertState state);

}  // namespace pointsman
