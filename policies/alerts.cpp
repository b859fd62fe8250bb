#include "policies/alerts.hpp"

#include <algorithm>

#include "policies/explain.hpp"

namespace pointsman {
namespace {

MonoTime start_of(const Incident& incident) {
  const auto first = incident.mark(Mark::first_failure);
  return first ? *first : incident.mark(Mark::unhealthy).value_or(MonoTime{});
}

/// Times are relative to the first failure: the core has no wall clock.
std::string print_attempt(const Attempt& attempt, MonoTime start) {
  std::string text = attempt.at < start ? "-" : "+";
  text += print_duration(attempt.at < start ? start - attempt.at : attempt.at - start) + " " +
          attempt.action + ": " + std::string(to_text(attempt.outcome));
  if (attempt.took > Duration::zero()) text += " after " + print_duration(attempt.took);
  if (!attempt.message.empty()) text += ": " + attempt.message;
  return text;
}

std::string print_attempts(const Incident& incident, MonoTime start) {
  const std::vector<Attempt>& all = incident.attempts;
  const std::size_t first = all.size() - std::min(all.size(), alert_attempts_limit);
  std::string text;
  if (first > 0) text = std::to_string(first) + " earlier";
  for (std::size_t i = first; i < all.size(); ++i) {
    if (!text.empty()) text += '\n';
    text += print_attempt(all[i], start);
  }
  return text;
}

std::string print_list(const std::vector<std::string>& list, std::size_t limit,
                       std::string_view between) {
  std::string text;
  for (std::size_t i = 0; i < std::min(list.size(), limit); ++i) {
    if (i > 0) text += between;
    text += list[i];
  }
  if (list.size() > limit) {
    text += std::string(between) + "and " + std::to_string(list.size() - limit) + " more";
  }
  return text;
}

std::string print_rpo(const Rpo& rpo) {
  std::string bytes = std::to_string(rpo.lower_bytes);
  if (!rpo.exact) {
    bytes =
        rpo.upper_bytes ? bytes + " to " + std::to_string(*rpo.upper_bytes) : "at least " + bytes;
  }
  return bytes + " bytes of WAL, commits within " +
         (rpo.from ? print_duration(rpo.to - *rpo.from) : "a time that is not known");
}

/// How often this notifier was called to it; the first time goes without saying.
std::string print_calls(const Incident& incident, const NotifierName& notifier) {
  for (const AlertTold& told : incident.told) {
    if (told.notifier != notifier || told.calls_again == 0) continue;
    return " [call " + std::to_string(told.calls_again + 1) + "]";
  }
  return {};
}

std::string summarise(const Incident& incident, const NotifierName& notifier, MonoTime now) {
  const MonoTime start = start_of(incident);
  if (incident.state == IncidentState::closed) {
    return incident.subject + " is well again after " +
           print_duration(incident.closed_at.value_or(now) - start);
  }
  std::string text =
      incident.subject + ": " + (incident.why.empty() ? incident.cause : incident.why);
  if (incident.needs_human) text += " (a human is needed)";
  return text + print_calls(incident, notifier);
}

/// That are told without having been named: by their `on:`.
void tell_subscribers(const PolicySet& policy, const Incident& incident, IncidentBook& book) {
  if (incident.state == IncidentState::closed) return;
  for (const auto& [name, notifier] : policy.notify) {
    const bool wanted =
        incident.severity == Severity::critical ? notifier.on_critical : notifier.on_warning;
    if (wanted) book.tell(incident.id, name);
  }
}

}  // namespace

Alert make_alert(const Incident& incident, const NotifierName& notifier, MonoTime now) {
  const MonoTime start = start_of(incident);
  const bool open = incident.state == IncidentState::open;
  Alert alert;
  alert.notifier = notifier;
  alert.incident = incident.id;
  alert.state = open ? AlertState::firing : AlertState::resolved;
  alert.alertname = incident_alertname;
  alert.subject = incident.subject;
  alert.severity = incident.severity;
  alert.starts = start;
  alert.summary = summarise(incident, notifier, now);
  const auto add = [&alert](const char* name, std::string value) {
    if (!value.empty()) alert.annotations.emplace_back(name, std::move(value));
  };
  add("failure_type", incident.cause);
  add("why", incident.why);
  if (open) add("asked", incident.asked);
  add("attempts", print_attempts(incident, start));
  add("dependents", print_list(incident.members, alert_dependents_limit, ", "));
  add("age", print_duration(incident.closed_at.value_or(now) - start));
  if (incident.acknowledged) {
    const Acknowledgement& ack = *incident.acknowledged;
    add("acknowledged",
        (ack.by.empty() ? "yes" : "by " + ack.by) + (ack.reason.empty() ? "" : ": " + ack.reason));
  }
  add("to_rebuild", print_list(incident.to_rebuild, alert_dependents_limit, "\n"));
  if (const auto rto = incident.rto()) add("rto", print_duration(*rto));
  if (incident.rpo) add("rpo", print_rpo(*incident.rpo));
  return alert;
}

std::string gist_of(const Incident& incident) {
  if (incident.state == IncidentState::closed) return "resolved";
  std::string gist = std::string(to_text(incident.severity)) + "|" + incident.cause + "|" +
                     std::to_string(incident.attempts.size()) + "|" +
                     std::to_string(incident.members.size());
  if (incident.acknowledged) gist += "|acknowledged";
  if (incident.needs_human) gist += "|" + incident.asked;
  return gist;
}

void send_alerts(MonoTime now, const PolicySet& policy, IncidentId id, IncidentBook& book,
                 std::vector<Effect>& effects) {
  const auto before = book.find(id);
  if (!before) return;
  tell_subscribers(policy, *before, book);
  const auto incident = book.find(id);
  const std::string gist = gist_of(*incident);
  for (const AlertTold& told : incident->told) {
    if (!policy.notify.contains(told.notifier)) {
      // It forgets with its outbox; should it be put back, it hears of what is open then.
      if (!told.gist.empty()) book.told(id, told.notifier, "");
      continue;
    }
    // One that never heard of it need not hear that it is over.
    const bool needless = told.gist.empty() && incident->state == IncidentState::closed;
    if (needless || (told.gist == gist && !told.is_called)) continue;
    effects.push_back(SendAlert{make_alert(*incident, told.notifier, now)});
    book.told(id, told.notifier, gist);
  }
}

}  // namespace pointsman
