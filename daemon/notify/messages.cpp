#include "daemon/notify/messages.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <boost/json.hpp>

#include "daemon/notify/text.hpp"
#include "probes/clock.hpp"
#include "probes/notifier_template.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

std::string incident_text(const OutboxEntry& entry) {
  return std::to_string(static_cast<std::uint64_t>(entry.incident));
}

json::object to_object(const Annotations& annotations) {
  json::object object;
  for (const auto& [name, value] : annotations) object[name] = value;
  return object;
}

json::string to_json(std::string_view text) {
  return json::string(json::string_view(text.data(), text.size()));
}

/// The clock may have been set back since: nothing ends before it starts.
WallTime end_of(const OutboxEntry& entry, WallTime now) {
  const auto least = std::chrono::milliseconds{1};
  return std::max(std::min(entry.resolved.value_or(now), now), entry.starts + least);
}

std::string ends_text(const OutboxEntry& entry, WallTime now) {
  return entry.state == AlertState::resolved ? to_rfc3339(end_of(entry, now)) : std::string();
}

std::string value_of(const OutboxEntry& entry, const MessageContext& context,
                     std::string_view name) {
  constexpr std::string_view annotation = "annotation.";
  if (name.substr(0, annotation.size()) == annotation) {
    return entry.annotation(name.substr(annotation.size())).value_or("");
  }
  if (name == "state") return std::string(to_text(entry.state));
  if (name == "alertname") return entry.alertname;
  if (name == "node") return context.node;
  if (name == "subject") return entry.subject;
  if (name == "incident") return incident_text(entry);
  if (name == "severity") return std::string(to_text(entry.severity));
  if (name == "summary") return entry.summary;
  if (name == "starts") return to_rfc3339(entry.starts);
  if (name == "ends") return ends_text(entry, context.now);
  return {};
}

/// Alertmanager knows an alert again by its labels, all of them.
json::object alertmanager_alert(const OutboxEntry& entry, const MessageContext& context,
                                Severity severity, WallTime ends) {
  json::object labels;
  labels["alertname"] = entry.alertname;
  labels["node"] = context.node;
  labels["subject"] = entry.subject;
  labels["incident"] = incident_text(entry);
  labels["severity"] = to_json(to_text(severity));
  json::object annotations;
  annotations["summary"] = entry.summary;
  for (const auto& [name, value] : entry.annotations) {
    // Alertmanager takes an empty value for a name that is not there.
    if (!value.empty() && !annotations.contains(name)) annotations[name] = value;
  }
  json::object alert;
  alert["labels"] = std::move(labels);
  alert["annotations"] = std::move(annotations);
  alert["startsAt"] = to_rfc3339(std::min(entry.starts, context.now));
  alert["endsAt"] = to_rfc3339(ends);
  return alert;
}

std::string_view to_text(PagerdutyAction action) {
  switch (action) {
    case PagerdutyAction::trigger:
      return "trigger";
    case PagerdutyAction::acknowledge:
      return "acknowledge";
    case PagerdutyAction::resolve:
      return "resolve";
  }
  return "trigger";
}

}  // namespace

std::string alertmanager_body(const OutboxEntry& entry, const MessageContext& context,
                              Duration refresh) {
  WallTime ends = end_of(entry, context.now);
  if (entry.state == AlertState::firing) {
    ends = context.now +
           std::chrono::duration_cast<std::chrono::milliseconds>(refreshes_until_end * refresh);
  }
  json::array alerts;
  if (entry.told_severity != entry.severity) {
    alerts.push_back(
        alertmanager_alert(entry, context, entry.told_severity, end_of(entry, context.now)));
  }
  alerts.push_back(alertmanager_alert(entry, context, entry.severity, ends));
  return json::serialize(alerts);
}

std::string pagerduty_dedup_key(const OutboxEntry& entry, const std::string& node) {
  const std::string tail = fmt::format("/{}/{}", entry.alertname, incident_text(entry));
  std::string key = "pointsman/" + node + tail;
  // A name that is too long is told apart by its fingerprint.
  if (utf16_units(key) > pagerduty_key_limit) {
    key = "pointsman/" + fingerprint_of(node + tail) + "/" + incident_text(entry);
  }
  return key;
}

std::string pagerduty_body(const OutboxEntry& entry, const MessageContext& context,
                           PagerdutyAction action, const Secret& routing_key) {
  json::object event;
  event["routing_key"] = routing_key.reveal();
  event["event_action"] = to_json(to_text(action));
  event["dedup_key"] = pagerduty_dedup_key(entry, context.node);
  if (action == PagerdutyAction::trigger) {
    json::object details = to_object(entry.annotations);
    details["subject"] = entry.subject;
    details["incident"] = incident_text(entry);
    json::object payload;
    payload["summary"] = cut_text(entry.summary, summary_units);
    payload["source"] = context.node;
    payload["severity"] = to_json(to_text(entry.severity));
    payload["timestamp"] = to_rfc3339(entry.starts);
    payload["component"] = entry.subject;
    payload["custom_details"] = std::move(details);
    event["client"] = "pointsman";
    event["payload"] = std::move(payload);
  }
  return json::serialize(event);
}

std::string webhook_body(const OutboxEntry& entry, const MessageContext& context) {
  json::object document;
  document["version"] = 1;
  for (const char* name :
       {"state", "alertname", "node", "subject", "incident", "severity", "summary", "starts"}) {
    document[name] = value_of(entry, context, name);
  }
  if (entry.state == AlertState::resolved) document["ends"] = ends_text(entry, context.now);
  document["annotations"] = to_object(entry.annotations);
  return json::serialize(document);
}

std::string webhook_body(const OutboxEntry& entry, const MessageContext& context,
                         const std::string& body_template) {
  return fill_notifier_template(body_template, [&](std::string_view name) {
    if (name == "json") return webhook_body(entry, context);
    return json_escape(value_of(entry, context, name));
  });
}

std::vector<std::string> exec_environment(const OutboxEntry& entry, const MessageContext& context) {
  std::vector<std::string> environment{"POINTSMAN_ALERT_JSON=" + webhook_body(entry, context)};
  const std::pair<const char*, const char*> names[] = {
      {"STATE", "state"},     {"ALERTNAME", "alertname"}, {"NODE", "node"},
      {"SUBJECT", "subject"}, {"INCIDENT", "incident"},   {"SEVERITY", "severity"},
      {"SUMMARY", "summary"}, {"STARTS", "starts"},       {"ENDS", "ends"}};
  for (const auto& [variable, name] : names) {
    environment.push_back(fmt::format("POINTSMAN_{}={}", variable, value_of(entry, context, name)));
  }
  return environment;
}

}  // namespace pointsman
