#include "policies/incidents.hpp"

#include <algorithm>

#include "policies/explain.hpp"

namespace pointsman {
namespace {

/// Evidence is bounded; that of the end is kept all the same.
bool has_room(const Incident& incident, const Details& more) {
  if (incident.state == IncidentState::closed) return true;
  std::size_t bytes = 0;
  const auto count = [&bytes](const Details& details) {
    for (const auto& [name, value] : details) bytes += name.size() + value.size();
  };
  count(more);
  for (const IncidentNote& note : incident.notes) count(note.details);
  return more.empty() || bytes <= incident_evidence_bytes;
}

/// What it was told counts no more. One that was not told yet is told anyhow.
void call_again(AlertTold& told) {
  if (told.gist.empty()) return;
  ++told.calls_again;
  told.is_called = true;
}

void ask_anew(Incident& incident, const std::string& asked) {
  incident.needs_human = true;
  incident.asked = asked;
  incident.acknowledged.reset();
  if (incident.state == IncidentState::closed) return;
  for (AlertTold& told : incident.told) call_again(told);
}

}  // namespace

IncidentId IncidentBook::open(MonoTime now, const OpenIncident& what) {
  if (const auto it = open_.find(what.subject); it != open_.end()) return it->second;
  const IncidentId id{++last_};
  Incident incident;
  incident.id = id;
  incident.subject = what.subject;
  incident.severity = what.severity;
  incident.cause = what.cause;
  incident.why = cut_text(what.why, incident_text_limit);
  incident.old_target = what.old_target;
  const MonoTime first = what.first_failure.value_or(now);
  incident.marks[static_cast<std::size_t>(Mark::first_failure)] = first;
  incident.marks[static_cast<std::size_t>(Mark::last_good)] = what.last_good.value_or(first);
  stories_[id] = std::make_shared<const Incident>(std::move(incident));
  open_[what.subject] = id;
  changed_.insert(id);
  forget_old();
  return id;
}

/// A story that a snapshot may hold is not changed under it: it is copied.
Incident* IncidentBook::edit(IncidentId id) {
  const auto it = stories_.find(id);
  if (it == stories_.end()) return nullptr;
  auto copy = std::make_shared<Incident>(*it->second);
  Incident* writable = copy.get();
  it->second = std::move(copy);
  changed_.insert(id);
  return writable;
}

void IncidentBook::mark(IncidentId id, Mark mark, MonoTime at) {
  const auto known = find(id);
  if (!known || known->mark(mark)) return;
  // The marks are a timeline: one that is set late is not set before those that came first.
  MonoTime latest = at;
  for (std::size_t i = 0; i < static_cast<std::size_t>(mark); ++i) {
    if (known->marks[i]) latest = std::max(latest, *known->marks[i]);
  }
  edit(id)->marks[static_cast<std::size_t>(mark)] = latest;
}

void IncidentBook::note(IncidentId id, MonoTime now, std::string text, Details details) {
  Incident* incident = edit(id);
  if (!incident) return;
  if (incident->notes.size() >= incident_notes_limit) {
    ++incident->left_out;
    return;
  }
  if (!has_room(*incident, details)) {
    ++incident->left_out;
    details.clear();
  }
  incident->notes.push_back(
      {now, cut_text(std::move(text), incident_text_limit), std::move(details)});
}

void IncidentBook::add_evidence(IncidentId id, MonoTime now, std::string text, Details evidence) {
  const auto known = find(id);
  if (!known || evidence.empty()) return;
  if (known->notes.empty() || known->notes.back().at != now) {
    note(id, now, std::move(text), std::move(evidence));
    return;
  }
  Incident* incident = edit(id);
  if (!has_room(*incident, evidence)) {
    ++incident->left_out;
    return;
  }
  Details& kept = incident->notes.back().details;
  for (auto& [name, value] : evidence) {
    // What the line's writer has said of it already, it said of this moment.
    const bool said = std::any_of(kept.begin(), kept.end(),
                                  [&name = name](const auto& each) { return each.first == name; });
    if (!said) kept.emplace_back(std::move(name), std::move(value));
  }
}

void IncidentBook::attempt(IncidentId id, Attempt attempt) {
  Incident* incident = edit(id);
  if (!incident) return;
  if (incident->attempts.size() >= incident_attempts_limit) {
    ++incident->left_out;
    return;
  }
  attempt.action = cut_text(std::move(attempt.action), incident_text_limit);
  attempt.message = cut_text(std::move(attempt.message), incident_text_limit);
  incident->attempts.push_back(std::move(attempt));
}

void IncidentBook::join(IncidentId id, const std::string& member) {
  const auto known = find(id);
  if (!known || known->subject == member) return;
  const auto& members = known->members;
  if (std::find(members.begin(), members.end(), member) != members.end()) return;
  edit(id)->members.push_back(member);
}

void IncidentBook::set_cause(IncidentId id, MonoTime now, const std::string& cause,
                             const std::string& why) {
  const auto known = find(id);
  if (!known || (known->cause == cause && known->why == why)) return;
  if (known->cause != cause) note(id, now, cause + ": " + why, {});
  Incident* incident = edit(id);
  incident->cause = cause;
  incident->why = why;
}

void IncidentBook::set_targets(IncidentId id, const std::string& old_target,
                               const std::string& new_target) {
  if (Incident* incident = edit(id)) {
    incident->old_target = old_target;
    incident->new_target = new_target;
  }
}

void IncidentBook::set_rpo(IncidentId id, const Rpo& rpo) {
  if (Incident* incident = edit(id)) incident->rpo = rpo;
}

void IncidentBook::add_to_rebuild(IncidentId id, const std::string& what) {
  const auto known = find(id);
  if (!known) return;
  const auto& list = known->to_rebuild;
  if (std::find(list.begin(), list.end(), what) != list.end()) return;
  edit(id)->to_rebuild.push_back(what);
}

void IncidentBook::raise(IncidentId id, Severity severity) {
  const auto known = find(id);
  if (known && known->severity < severity) edit(id)->severity = severity;
}

void IncidentBook::needs_human(IncidentId id, const std::string& asked) {
  const auto known = find(id);
  if (known && !(known->needs_human && known->asked == asked)) call_human(id, asked);
}

void IncidentBook::call_human(IncidentId id, const std::string& asked) {
  Incident* incident = edit(id);
  if (!incident) return;
  ask_anew(*incident, asked);
  incident->severity = Severity::critical;
}

void IncidentBook::ask(IncidentId id, const std::string& asked) {
  const auto known = find(id);
  if (known && !(known->needs_human && known->asked == asked)) ask_anew(*edit(id), asked);
}

void IncidentBook::ask_nothing(IncidentId id) {
  const auto known = find(id);
  if (!known || (!known->needs_human && known->asked.empty())) return;
  Incident* incident = edit(id);
  incident->needs_human = false;
  incident->asked.clear();
}

bool IncidentBook::acknowledge(IncidentId id, Acknowledgement acknowledgement) {
  const auto known = find(id);
  if (!known || (known->acknowledged && known->state == IncidentState::closed)) return false;
  edit(id)->acknowledged = std::move(acknowledgement);
  return true;
}

void IncidentBook::tell(IncidentId id, const NotifierName& notifier) {
  const auto known = find(id);
  if (!known) return;
  for (const AlertTold& told : known->told) {
    if (told.notifier == notifier) return;
  }
  edit(id)->told.push_back({notifier, ""});
}

void IncidentBook::call(IncidentId id, const NotifierName& notifier) {
  tell(id, notifier);
  Incident* incident = edit(id);
  if (!incident || incident->state == IncidentState::closed) return;
  for (AlertTold& told : incident->told) {
    if (told.notifier == notifier) call_again(told);
  }
}

void IncidentBook::told(IncidentId id, const NotifierName& notifier, const std::string& gist) {
  tell(id, notifier);
  Incident* incident = edit(id);
  if (!incident) return;
  for (AlertTold& told : incident->told) {
    if (told.notifier != notifier) continue;
    told.gist = gist;
    told.is_called = false;
    if (gist.empty()) told.calls_again = 0;
  }
}

void IncidentBook::close(IncidentId id, MonoTime now) {
  const auto known = find(id);
  if (!known || known->state == IncidentState::closed) return;
  Incident* incident = edit(id);
  incident->state = IncidentState::closed;
  incident->closed_at = now;
  open_.erase(incident->subject);
  forget_old();
}

std::shared_ptr<const Incident> IncidentBook::find(IncidentId id) const {
  const auto it = stories_.find(id);
  return it == stories_.end() ? nullptr : it->second;
}

std::shared_ptr<const Incident> IncidentBook::find_open(const std::string& subject) const {
  const auto it = open_.find(subject);
  return it == open_.end() ? nullptr : find(it->second);
}

std::shared_ptr<const Incident> IncidentBook::find_open_with(const std::string& member) const {
  std::shared_ptr<const Incident> oldest;
  for (const auto& [subject, id] : open_) {
    const auto incident = find(id);
    const auto& list = incident->members;
    if (std::find(list.begin(), list.end(), member) == list.end()) continue;
    if (!oldest || incident->id < oldest->id) oldest = incident;
  }
  return oldest;
}

std::vector<IncidentId> IncidentBook::take_changed() {
  std::vector<IncidentId> changed(changed_.begin(), changed_.end());
  changed_.clear();
  return changed;
}

void IncidentBook::restore(const std::vector<std::shared_ptr<const Incident>>& incidents,
                           std::uint64_t last) {
  last_ = std::max(last_, last);
  for (const auto& incident : incidents) {
    last_ = std::max(last_, static_cast<std::uint64_t>(incident->id));
    stories_[incident->id] = incident;
    if (incident->state == IncidentState::open) open_[incident->subject] = incident->id;
  }
  forget_old();
}

/// The oldest closed ones that the journal has been told of.
void IncidentBook::forget_old() {
  for (auto it = stories_.begin(); stories_.size() > incidents_kept && it != stories_.end();) {
    const bool done = it->second->state == IncidentState::closed && !changed_.contains(it->first);
    it = done ? stories_.erase(it) : std::next(it);
  }
}

}  // namespace pointsman
