// The outbox: what each notifier has still to tell or to keep telling, as plain values that survive
// a kill. One entry for each notifier and incident, from the first send until its end was told.
//
// An entry is durable before it is first tried, and put again when something was told; what is told
// is therefore told at least once, and after a kill between the two perhaps twice. Alertmanager and
// PagerDuty know it again by its labels and key. Limits: annotations_limit, annotation_bytes,
// outbox_limit.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policies/model/alert.hpp"
#include "policies/model/names.hpp"
#include "policies/model/result.hpp"
#include "policies/model/time.hpp"
#include "probes/asio.hpp"

namespace pointsman {

/// Entries of one notifier. Beyond it the oldest that is resolved goes, else the oldest.
inline constexpr std::size_t outbox_limit = 1000;
inline constexpr std::size_t annotations_limit = 64;
/// Names and values of one alert together: it has to fit an environment variable and Slack.
inline constexpr std::size_t annotation_bytes = 32 * 1024;
inline constexpr std::size_t summary_units = 1024;
/// A resolved alert that could not be told for so long is given up.
inline constexpr Duration resolved_kept{std::chrono::hours{7 * 24}};

/// The annotation that says that a person took the incident on: whatever it says, PagerDuty is told
/// to acknowledge.
inline constexpr std::string_view acknowledged_annotation = "acknowledged";
/// The one that says what a person is asked to do, or to answer.
inline constexpr std::string_view asked_annotation = "asked";

/// Where entries are kept (daemon/journal, joined by daemon/app). put and remove do not wait.
struct OutboxStore {
  std::function<void(const NotifierName&, IncidentId, const std::string& document)> put;
  std::function<void(const NotifierName&, IncidentId)> remove;
  /// As put, but ends when the entry outlives a kill, or when it is not to be had in a moment
  /// (Journal::intent_patience): bounded, whatever the disk does. Empty: put is all that there is.
  std::function<asio::awaitable<void>(NotifierName, IncidentId, std::string document)> async_put;
};
struct OutboxRow {
  NotifierName notifier;
  IncidentId incident{};
  std::string document;
};

/// What the receiver knows of it.
enum class Told { nothing, firing, acknowledged };

using Annotations = std::vector<std::pair<std::string, std::string>>;

struct OutboxEntry {
  IncidentId incident{};
  AlertState state = AlertState::firing;
  // Fixed from the first send on.
  std::string alertname, subject;
  WallTime starts{};
  // As of the last send.
  Severity severity = Severity::critical;
  std::string summary;
  Annotations annotations;  ///< no name twice
  std::optional<WallTime> resolved;
  // Delivery.
  Told told = Told::nothing;
  Severity told_severity = Severity::critical;  ///< by which the receiver knows it
  std::string told_content;                     ///< content_of what was told last
  std::string told_to;                          ///< destination_of whom was told; empty: not known
  std::string reference;                        ///< of the sender: Slack's channel and message

  std::optional<std::string> annotation(std::string_view name) const;
  bool is_acknowledged() const { return annotation(acknowledged_annotation).has_value(); }
  friend bool operator==(const OutboxEntry&, const OutboxEntry&) = default;
};

/// Cleaned and cut to the limits. `starts`: the alert's, as wall-clock time.
OutboxEntry make_entry(const Alert& alert, WallTime starts, WallTime now);
/// The same incident's next send: what is fixed and what was told stays. True where it says
/// something new.
bool update_entry(OutboxEntry& entry, const OutboxEntry& next);

/// Names what the receiver is to know: it changes when there is something to tell. calls_only, for
/// a receiver that gets a message for each change: what is wrong, and what is asked of a human; not
/// the story as it goes on.
enum class Detail { everything, calls_only };
std::string content_of(const OutboxEntry& entry, Detail detail);

std::string to_document(const OutboxEntry& entry);
Result<OutboxEntry> entry_of_document(IncidentId incident, const std::string& document);

}  // namespace pointsman
