#include "policies/alerts.hpp"

#include <set>

#include "policies/explain.hpp"

namespace pointsman {
namespace {

/// The last attempts are told; the first ones are in the incident's story.
constexpr std::size_t attempts_told = 10;

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

std::string attempts_text(const Incident& incident) {
  std::string text;
  const std::size_t size = incident.attempts.size();
  for (std::size_t i = size > attempts_told ? size - attempts_told : 0; i < size; ++i) {
    const Attempt& one = incident.attempts[i];
    text += (text.empty() ? "" : "\n") + one.action + ": " + std::string(to_text(one.outcome)) +
            (one.message.empty() ? "" : ", " + one.message) + " (took " + print_duration(one.took) +
            ")";
  }
  return text;
}

/// Changes when there is something new to say. Attempts are counted, not compared.
std::string gist_of(const Incident& incident) {
  if (incident.state == IncidentState::closed) return "closed";
  return std::string(to_text(incident.severity)) + "|" + incident.cause + "|" +
         (incident.needs_human ? incident.asked : "") + "|" +
         std::to_string(incident.attempts.size()) + "|" + incident.new_target + "|" +
         (incident.acknowledged ? "acknowledged" : "");
}

bool wants(const NotifierPolicy& notifier, Severity severity) {
  return severity == Severity::critical ? notifier.on_critical || notifier.on_warning
                                        : notifier.on_warning;
}

}  // namespace

Alert alert_of(const Incident& incident, const NotifierName& notifier) {
  Alert alert;
  alert.notifier = notifier;
  alert.incident = incident.id;
  const bool over = incident.state == IncidentState::closed;
  alert.state = over ? AlertState::resolved : AlertState::firing;
  alert.alertname = alert_name;
  alert.subject = incident.subject;
  alert.severity = incident.severity;
  alert.starts = incident.mark(Mark::first_failure).value_or(MonoTime{});
  alert.summary = over ? incident.subject + " has recovered (" + incident.cause + ")"
                       : incident.subject + ": " + incident.why;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) alert.annotations.emplace_back(name, value);
  };
  add("failure_type", incident.cause);
  add("why", incident.why);
  add("old_target", incident.old_target);
  add("new_target", incident.new_target);
  add("dependents", joined(incident.members));
  add("attempts", attempts_text(incident));
  if (incident.needs_human && !over) add("asked", incident.asked);
  add("to_rebuild", joined(incident.to_rebuild));
  if (const auto rto = incident.rto()) add("rto", print_duration(*rto));
  if (incident.acknowledged) {
    add("acknowledged",
        "by " + incident.acknowledged->by +
            (incident.acknowledged->reason.empty() ? "" : ": " + incident.acknowledged->reason));
  }
  return alert;
}

void tell_notifiers(const PolicySet& policy, IncidentId id, IncidentBook& book,
                    std::vector<Effect>& effects) {
  const auto incident = book.find(id);
  if (!incident) return;
  const bool over = incident->state == IncidentState::closed;
  std::set<NotifierName> known;
  for (const AlertTold& told : incident->told) known.insert(told.notifier);
  for (const auto& [name, notifier] : policy.notify) {
    if (!over && wants(notifier, incident->severity)) known.insert(name);
  }
  const std::string gist = gist_of(*incident);
  for (const NotifierName& name : known) {
    if (!policy.notify.contains(name)) continue;
    std::string before;
    for (const AlertTold& told : incident->told) {
      if (told.notifier == name) before = told.gist;
    }
    if (before == gist) continue;
    effects.push_back(SendAlert{alert_of(*incident, name)});
    book.tell(id, name);
    book.told(id, name, gist);
  }
}

}  // namespace pointsman
