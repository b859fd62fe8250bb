// /v1/incidents: a line of each; /v1/incidents/ID: the whole story.
#include <algorithm>

#include <fmt/format.h>

#include "daemon/http/documents/parts.hpp"

namespace pointsman {
namespace {

constexpr Mark all_marks[] = {
    Mark::last_good, Mark::first_failure, Mark::unhealthy, Mark::diagnosed, Mark::claimed,
    Mark::chosen,    Mark::promoted,      Mark::in_effect, Mark::old_gone,  Mark::verified};
static_assert(std::size(all_marks) == mark_count);

void write_optional(JsonWriter& json, const std::optional<Duration>& value) {
  if (value) {
    json.milliseconds(*value);
  } else {
    json.null();
  }
}

void write_optional(JsonWriter& json, const std::optional<std::uint64_t>& value) {
  if (value) {
    json.unsigned_integer(*value);
  } else {
    json.null();
  }
}

void write_rpo(JsonWriter& json, const std::optional<Rpo>& rpo, const TimeScale& times) {
  if (!rpo) {
    json.null();
    return;
  }
  json.begin_object().key("lower_bytes").unsigned_integer(rpo->lower_bytes).key("upper_bytes");
  write_optional(json, rpo->upper_bytes);
  json.key("from");
  if (rpo->from) {
    json.time(times.to_wall(*rpo->from));
  } else {
    json.null();
  }
  json.key("to").time(times.to_wall(rpo->to)).key("window_ms");
  if (rpo->from) {
    json.milliseconds(rpo->to - *rpo->from);
  } else {
    json.null();
  }
  json.key("exact").boolean(rpo->exact);
  json.key("promotion_lsn").unsigned_integer(rpo->promotion_lsn).key("old_last_lsn");
  write_optional(json, rpo->old_last_lsn);
  json.end_object();
}

void write_texts(JsonWriter& json, const std::vector<std::string>& texts) {
  json.begin_array();
  for (const std::string& text : texts) json.text(text);
  json.end_array();
}

/// All ten, those not reached with null; `after_ms` counts from the first that is known.
void write_marks(JsonWriter& json, const Incident& incident, const TimeScale& times) {
  const auto known = [](const std::optional<MonoTime>& at) { return at.has_value(); };
  const auto zero = std::find_if(incident.marks.begin(), incident.marks.end(), known);
  json.begin_array();
  int number = 0;
  for (const Mark mark : all_marks) {
    const auto at = incident.mark(mark);
    json.begin_object().key("mark").text(fmt::format("T{}", number++));
    json.key("name").text(to_text(mark)).key("text").text(describe(mark)).key("at");
    write_time(json, at, times);
    json.key("after_ms");
    write_optional(json, at ? std::optional<Duration>(*at - **zero) : std::nullopt);
    json.end_object();
  }
  json.end_array();
}

void write_notes(JsonWriter& json, const std::vector<IncidentNote>& notes, const TimeScale& times) {
  json.begin_array();
  for (const IncidentNote& note : notes) {
    json.begin_object().key("at").time(times.to_wall(note.at)).key("text").text(note.text);
    json.key("details").details(note.details).end_object();
  }
  json.end_array();
}

void write_attempts(JsonWriter& json, const std::vector<Attempt>& attempts,
                    const TimeScale& times) {
  json.begin_array();
  for (const Attempt& attempt : attempts) {
    json.begin_object().key("at").time(times.to_wall(attempt.at));
    json.key("action").text(attempt.action).key("took_ms").milliseconds(attempt.took);
    json.key("outcome").text(to_text(attempt.outcome));
    json.key("message").text(attempt.message).end_object();
  }
  json.end_array();
}

void write_acknowledgement(JsonWriter& json, const std::optional<Acknowledgement>& one,
                           const TimeScale& times) {
  if (!one) {
    json.null();
    return;
  }
  json.begin_object().key("at").time(times.to_wall(one->at)).key("by").text(one->by);
  json.key("reason").text(one->reason).end_object();
}

}  // namespace

std::optional<MonoTime> began(const Incident& incident) {
  if (const auto failure = incident.mark(Mark::first_failure)) return failure;
  for (const auto& mark : incident.marks) {
    if (mark) return mark;
  }
  if (!incident.notes.empty()) return incident.notes.front().at;
  return std::nullopt;
}

std::vector<const Incident*> open_incidents(const Snapshot& snapshot) {
  std::vector<const Incident*> open;
  for (auto at = snapshot.incidents.rbegin(); at != snapshot.incidents.rend(); ++at) {
    if (at->second && at->second->state == IncidentState::open) open.push_back(at->second.get());
  }
  return open;
}

void write_incident(JsonWriter& json, const Incident& incident, const TimeScale& times) {
  json.key("id").unsigned_integer(static_cast<std::uint64_t>(incident.id));
  json.key("subject").text(incident.subject).key("state").text(to_text(incident.state));
  json.key("severity").text(to_text(incident.severity)).key("cause").text(incident.cause);
  json.key("why").text(incident.why).key("began_at");
  write_time(json, began(incident), times);
  json.key("closed_at");
  write_time(json, incident.closed_at, times);
  json.key("old_target").text(incident.old_target).key("new_target").text(incident.new_target);
  json.key("rto_ms");
  write_optional(json, incident.rto());
  json.key("rpo");
  write_rpo(json, incident.rpo, times);
  json.key("members");
  write_texts(json, incident.members);
  json.key("needs_human").boolean(incident.needs_human).key("asked").text(incident.asked);
  json.key("acknowledged");
  write_acknowledgement(json, incident.acknowledged, times);
}

std::string incidents_document(const DocumentInput& input, std::size_t limit) {
  const Snapshot& snapshot = input.snapshot;
  std::vector<const Incident*> listed = open_incidents(snapshot);
  for (auto at = snapshot.incidents.rbegin(); at != snapshot.incidents.rend(); ++at) {
    if (at->second && at->second->state == IncidentState::closed)
      listed.push_back(at->second.get());
  }
  listed.resize(std::min({listed.size(), limit, most_incidents}));
  JsonWriter json;
  json.begin_object().key("open").integer(snapshot.incidents_open);
  json.key("total").unsigned_integer(snapshot.incidents.size()).key("incidents").begin_array();
  for (const Incident* incident : listed) {
    json.begin_object();
    write_incident(json, *incident, input.times);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take_line();
}

std::optional<std::string> incident_document(const DocumentInput& input, IncidentId id) {
  const auto found = input.snapshot.incidents.find(id);
  if (found == input.snapshot.incidents.end() || !found->second) return std::nullopt;
  const Incident& incident = *found->second;
  JsonWriter json;
  json.begin_object();
  write_incident(json, incident, input.times);
  json.key("marks");
  write_marks(json, incident, input.times);
  json.key("notes");
  write_notes(json, incident.notes, input.times);
  json.key("attempts");
  write_attempts(json, incident.attempts, input.times);
  json.key("to_rebuild");
  write_texts(json, incident.to_rebuild);
  json.key("told").begin_array();
  for (const AlertTold& told : incident.told) json.text(told.notifier.text);
  json.end_array().key("left_out").unsigned_integer(incident.left_out).end_object();
  return json.take_line();
}

}  // namespace pointsman
