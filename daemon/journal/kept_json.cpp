#include "daemon/journal/kept_json.hpp"

#include <algorithm>
#include <charconv>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace pointsman {
namespace {

namespace json = boost::json;

// --- writing -----------------------------------------------------------------------------------

std::int64_t stored(MonoTime at, const Clocks& now) {
  return now.to_wall(at).time_since_epoch().count();
}

json::value stored(const std::optional<MonoTime>& at, const Clocks& now) {
  return at ? json::value(stored(*at, now)) : json::value(nullptr);
}

json::array texts_json(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

json::object of(const LadderMemory& ladder, const Clocks& now) {
  json::object object{{"phase", ladder.phase},
                      {"step", ladder.step},
                      {"attempt", ladder.attempt},
                      {"incident", static_cast<std::uint64_t>(ladder.incident)},
                      {"action", static_cast<std::uint64_t>(ladder.action)},
                      {"phase_since", stored(ladder.phase_since, now)},
                      {"cooldown_until", stored(ladder.cooldown_until, now)},
                      {"fingerprint", ladder.fingerprint}};
  json::array runs;
  for (const MonoTime run : ladder.runs) runs.emplace_back(stored(run, now));
  object["runs"] = std::move(runs);
  return object;
}

json::array ladders_json(const std::vector<LadderName>& ladders) {
  json::array array;
  for (const LadderName& ladder : ladders) array.emplace_back(ladder.text);
  return array;
}

json::object of(const FlagMemory& flag, const Clocks& now) {
  return {{"since", stored(flag.since, now)},
          {"reason", flag.reason},
          {"by", flag.by},
          {"until", stored(flag.until, now)},
          {"until_recovered", ladders_json(flag.until_recovered)}};
}

json::object of(const Rpo& rpo, const Clocks& now) {
  return {
      {"lower_bytes", rpo.lower_bytes},
      {"upper_bytes", rpo.upper_bytes ? json::value(*rpo.upper_bytes) : json::value(nullptr)},
      {"from", stored(rpo.from, now)},
      {"to", stored(rpo.to, now)},
      {"exact", rpo.exact},
      {"promotion_lsn", rpo.promotion_lsn},
      {"old_last_lsn", rpo.old_last_lsn ? json::value(*rpo.old_last_lsn) : json::value(nullptr)}};
}

json::array notes_json(const std::vector<IncidentNote>& notes, const Clocks& now) {
  json::array array;
  for (const IncidentNote& note : notes) {
    json::array details;
    for (const auto& [name, value] : note.details) details.push_back(json::array{name, value});
    array.push_back(json::object{
        {"at", stored(note.at, now)}, {"text", note.text}, {"details", std::move(details)}});
  }
  return array;
}

json::array attempts_json(const std::vector<Attempt>& attempts, const Clocks& now) {
  json::array array;
  for (const Attempt& one : attempts) {
    array.push_back(json::object{{"at", stored(one.at, now)},
                                 {"action", one.action},
                                 {"took_ns", one.took.count()},
                                 {"outcome", to_text(one.outcome)},
                                 {"message", one.message}});
  }
  return array;
}

json::array told_json(const Incident& incident) {
  json::array array;
  for (const auto& told : incident.told) {
    array.push_back(json::array{told.notifier.text, told.gist, told.calls_again, told.is_called});
  }
  return array;
}

// --- reading: Boost.JSON's at() and as_...() throw; the file may be anybody's --------------------

/// What a server or a hook said stands in here as it came, which may be no UTF-8.
json::value parsed(const std::string& document) {
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  return json::parse(document, {}, options);
}

std::string text(const json::object& object, std::string_view name) {
  return std::string(object.at(name).as_string());
}

std::vector<std::string> texts(const json::value& value) {
  std::vector<std::string> list;
  for (const auto& one : value.as_array()) list.emplace_back(one.as_string());
  return list;
}

MonoTime time(const json::value& value, const Clocks& now) {
  return now.to_mono(WallTime{std::chrono::milliseconds{value.to_number<std::int64_t>()}});
}

std::optional<MonoTime> maybe_time(const json::value& value, const Clocks& now) {
  if (value.is_null()) return std::nullopt;
  return time(value, now);
}

/// A journal of before has one name, or an empty text.
std::vector<LadderName> ladders_of(const json::value& value) {
  std::vector<LadderName> ladders;
  if (const auto* array = value.if_array()) {
    for (const json::value& name : *array) ladders.emplace_back(std::string(name.as_string()));
  } else if (!value.as_string().empty()) {
    ladders.emplace_back(std::string(value.as_string()));
  }
  return ladders;
}

std::optional<std::uint64_t> maybe_number(const json::value& value) {
  if (value.is_null()) return std::nullopt;
  return value.to_number<std::uint64_t>();
}

template <class Enum>
Enum word_of(const json::value& value, std::initializer_list<Enum> all) {
  for (const Enum one : all) {
    if (to_text(one) == std::string_view(value.as_string())) return one;
  }
  return *all.begin();
}

LadderMemory ladder_of(const std::string& name, const json::object& o, const Clocks& now) {
  LadderMemory ladder;
  ladder.ladder = LadderName(name);
  ladder.phase = text(o, "phase");
  ladder.step = o.at("step").to_number<int>();
  ladder.attempt = o.at("attempt").to_number<int>();
  ladder.incident = IncidentId{o.at("incident").to_number<std::uint64_t>()};
  ladder.action = ActionId{o.at("action").to_number<std::uint64_t>()};
  ladder.phase_since = time(o.at("phase_since"), now);
  ladder.cooldown_until = maybe_time(o.at("cooldown_until"), now);
  for (const auto& run : o.at("runs").as_array()) ladder.runs.push_back(time(run, now));
  if (const auto* print = o.if_contains("fingerprint")) ladder.fingerprint = print->as_string();
  return ladder;
}

FlagMemory flag_of(const std::string& name, const json::object& o, const Clocks& now) {
  FlagMemory flag;
  flag.flag = FlagName(name);
  flag.since = time(o.at("since"), now);
  flag.reason = text(o, "reason");
  flag.by = text(o, "by");
  flag.until = maybe_time(o.at("until"), now);
  flag.until_recovered = ladders_of(o.at("until_recovered"));
  return flag;
}

Rpo rpo_of(const json::object& o, const Clocks& now) {
  Rpo rpo;
  rpo.lower_bytes = o.at("lower_bytes").to_number<std::uint64_t>();
  rpo.upper_bytes = maybe_number(o.at("upper_bytes"));
  rpo.from = maybe_time(o.at("from"), now);
  rpo.to = time(o.at("to"), now);
  rpo.exact = o.at("exact").as_bool();
  rpo.promotion_lsn = o.at("promotion_lsn").to_number<std::uint64_t>();
  rpo.old_last_lsn = maybe_number(o.at("old_last_lsn"));
  return rpo;
}

void read_story(Incident& incident, const json::object& o, const Clocks& now) {
  for (const auto& value : o.at("notes").as_array()) {
    const json::object& note = value.as_object();
    IncidentNote one{time(note.at("at"), now), text(note, "text"), {}};
    for (const auto& pair : note.at("details").as_array()) {
      one.details.emplace_back(std::string(pair.as_array().at(0).as_string()),
                               std::string(pair.as_array().at(1).as_string()));
    }
    incident.notes.push_back(std::move(one));
  }
  for (const auto& value : o.at("attempts").as_array()) {
    const json::object& one = value.as_object();
    incident.attempts.push_back(
        {time(one.at("at"), now), text(one, "action"),
         Duration{one.at("took_ns").to_number<std::int64_t>()},
         word_of(one.at("outcome"),
                 {ActionOutcome::unknown, ActionOutcome::ok, ActionOutcome::failed}),
         text(one, "message")});
  }
  for (const auto& one : o.at("told").as_array()) {
    const json::array& told = one.as_array();
    AlertTold& read = incident.told.emplace_back();
    read.notifier = NotifierName(std::string(told.at(0).as_string()));
    read.gist = std::string(told.at(1).as_string());
    if (told.size() < 4) continue;  // of a journal of before
    read.calls_again = told.at(2).to_number<std::uint64_t>();
    read.is_called = told.at(3).as_bool();
  }
}

Incident incident_of(const json::object& o, const Clocks& now) {
  Incident incident;
  incident.id = IncidentId{o.at("id").to_number<std::uint64_t>()};
  incident.subject = text(o, "subject");
  incident.state = word_of(o.at("state"), {IncidentState::open, IncidentState::closed});
  incident.severity = word_of(o.at("severity"), {Severity::warning, Severity::critical});
  incident.cause = text(o, "cause");
  incident.why = text(o, "why");
  incident.old_target = text(o, "old_target");
  incident.new_target = text(o, "new_target");
  const json::array& marks = o.at("marks").as_array();
  for (std::size_t i = 0; i < mark_count; ++i) incident.marks[i] = maybe_time(marks.at(i), now);
  if (!o.at("rpo").is_null()) incident.rpo = rpo_of(o.at("rpo").as_object(), now);
  incident.members = texts(o.at("members"));
  incident.to_rebuild = texts(o.at("to_rebuild"));
  incident.left_out = o.at("left_out").to_number<std::uint64_t>();
  incident.needs_human = o.at("needs_human").as_bool();
  incident.asked = text(o, "asked");
  if (!o.at("acknowledged").is_null()) {
    const json::object& ack = o.at("acknowledged").as_object();
    incident.acknowledged = {time(ack.at("at"), now), text(ack, "by"), text(ack, "reason")};
  }
  incident.closed_at = maybe_time(o.at("closed_at"), now);
  read_story(incident, o, now);
  return incident;
}

/// Fills what the row is about into `restored`. Throws where it is not ours.
void restore_row(const KeptRow& row, const Clocks& now, MemoryRestored& restored) {
  const json::value value = parsed(row.document);
  const json::object& o = value.as_object();
  if (row.kind == "ladder") restored.ladders.push_back(ladder_of(row.name, o, now));
  if (row.kind == "flag") restored.flags.push_back(flag_of(row.name, o, now));
  if (row.kind == "automation") {
    restored.automation =
        AutomationSet{true, text(o, "reason"), text(o, "by"), maybe_time(o.at("until"), now)};
  }
  if (row.kind == "drain") restored.drain = DrainSet{true, text(o, "reason"), text(o, "by")};
  if (row.kind == "incident") {
    restored.incidents.push_back(std::make_shared<const Incident>(incident_of(o, now)));
  }
}

}  // namespace

WallTime Clocks::to_wall(MonoTime at) const {
  return wall + std::chrono::round<std::chrono::milliseconds>(at - mono);
}
MonoTime Clocks::to_mono(WallTime at) const {
  // What stands in a damaged file may be any number; nanoseconds have 64 bits.
  constexpr std::chrono::hours century{24 * 36525};
  return mono + (std::clamp(at, wall - century, wall + century) - wall);
}

MemoryRow row_of(const RouteMemory& memory, Clocks now) {
  MemoryRow row{memory, now.wall};
  if (memory.last_seen) row.last_seen_at = now.to_wall(memory.last_seen->at);
  if (memory.last_switch) row.last_switch_at = now.to_wall(*memory.last_switch);
  if (memory.told_to_stop) row.told_to_stop_at = now.to_wall(*memory.told_to_stop);
  return row;
}

RouteMemory memory_of(const MemoryRow& row, Clocks now) {
  RouteMemory memory = row.memory;
  memory.last_switch.reset();
  if (row.last_switch_at) memory.last_switch = now.to_mono(*row.last_switch_at);
  memory.told_to_stop.reset();
  if (row.told_to_stop_at) memory.told_to_stop = now.to_mono(*row.told_to_stop_at);
  if (!row.last_seen_at) memory.last_seen.reset();
  if (memory.last_seen) memory.last_seen->at = now.to_mono(*row.last_seen_at);
  return memory;
}

std::optional<KeptRow> kept_row_of(const Memory& memory, Clocks now) {
  KeptRow row;
  row.at = now.wall;
  if (const auto* ladder = std::get_if<LadderMemory>(&memory)) {
    row.kind = "ladder";
    row.name = ladder->ladder.text;
    row.document = json::serialize(of(*ladder, now));
  } else if (const auto* flag = std::get_if<FlagMemory>(&memory)) {
    row.kind = "flag";
    row.name = flag->flag.text;
    row.document = json::serialize(of(*flag, now));
  } else if (const auto* cleared = std::get_if<FlagCleared>(&memory)) {
    row.kind = "flag";
    row.name = cleared->flag.text;
  } else if (const auto* automation = std::get_if<AutomationSet>(&memory)) {
    row.kind = row.name = "automation";
    if (automation->paused) {
      row.document = json::serialize(json::object{{"reason", automation->reason},
                                                  {"by", automation->by},
                                                  {"until", stored(automation->until, now)}});
    }
  } else if (const auto* drain = std::get_if<DrainSet>(&memory)) {
    row.kind = row.name = "drain";
    if (drain->drained) {
      row.document = json::serialize(json::object{{"reason", drain->reason}, {"by", drain->by}});
    }
  } else {
    return std::nullopt;
  }
  return row;
}

KeptRow kept_row_of(const Incident& incident, Clocks now) {
  json::array marks;
  for (const auto& mark : incident.marks) marks.push_back(stored(mark, now));
  json::object object{{"id", static_cast<std::uint64_t>(incident.id)},
                      {"subject", incident.subject},
                      {"state", to_text(incident.state)},
                      {"severity", to_text(incident.severity)},
                      {"cause", incident.cause},
                      {"why", incident.why},
                      {"old_target", incident.old_target},
                      {"new_target", incident.new_target},
                      {"marks", std::move(marks)},
                      {"rpo", nullptr},
                      {"members", texts_json(incident.members)},
                      {"to_rebuild", texts_json(incident.to_rebuild)},
                      {"left_out", incident.left_out},
                      {"needs_human", incident.needs_human},
                      {"asked", incident.asked},
                      {"acknowledged", nullptr},
                      {"closed_at", stored(incident.closed_at, now)},
                      {"notes", notes_json(incident.notes, now)},
                      {"attempts", attempts_json(incident.attempts, now)},
                      {"told", told_json(incident)}};
  if (incident.rpo) object["rpo"] = of(*incident.rpo, now);
  if (incident.acknowledged) {
    object["acknowledged"] = json::object{{"at", stored(incident.acknowledged->at, now)},
                                          {"by", incident.acknowledged->by},
                                          {"reason", incident.acknowledged->reason}};
  }
  return {"incident", std::to_string(static_cast<std::uint64_t>(incident.id)),
          json::serialize(object), now.wall};
}

std::optional<Incident> incident_of_json(const std::string& document, Clocks now) {
  try {
    const json::value value = parsed(document);
    return incident_of(value.as_object(), now);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

bool is_over(const KeptRow& row) {
  return row.kind == "incident" && row.document.find(closed_mark) != std::string::npos;
}

std::string outbox_key(const NotifierName& notifier, IncidentId incident) {
  return notifier.text + "/" + std::to_string(static_cast<std::uint64_t>(incident));
}

std::vector<OutboxDocument> outbox_of(const JournalMemory& memory) {
  std::vector<OutboxDocument> documents;
  for (const KeptRow& row : memory.kept) {
    const auto slash = row.name.rfind('/');
    if (row.kind != "outbox" || slash == std::string::npos) continue;
    std::uint64_t id = 0;
    const char* end = row.name.data() + row.name.size();
    if (std::from_chars(row.name.data() + slash + 1, end, id).ptr != end) continue;
    documents.push_back({NotifierName(row.name.substr(0, slash)), IncidentId{id}, row.document});
  }
  return documents;
}

MemoryRestored restored_of(const JournalMemory& memory, Clocks now, std::size_t closed_limit) {
  MemoryRestored restored;
  restored.routes = memory.routes;
  for (const KeptRow& row : memory.kept) {
    try {
      restore_row(row, now, restored);
    } catch (const std::exception&) {
      continue;  // one that cannot be read is left out; the others count
    }
  }
  auto& incidents = restored.incidents;
  std::sort(incidents.begin(), incidents.end(),
            [](const auto& a, const auto& b) { return a->id < b->id; });
  if (!incidents.empty()) {
    restored.last_incident = static_cast<std::uint64_t>(incidents.back()->id);
  }
  // Where incidents were lost and ladders were not, their numbers are not given again.
  for (const LadderMemory& ladder : restored.ladders) {
    restored.last_incident =
        std::max(restored.last_incident, static_cast<std::uint64_t>(ladder.incident));
  }
  auto closed =
      static_cast<std::size_t>(std::count_if(incidents.begin(), incidents.end(), [](const auto& i) {
        return i->state == IncidentState::closed;
      }));
  std::erase_if(incidents, [&](const auto& incident) {
    if (incident->state == IncidentState::open || closed <= closed_limit) return false;
    --closed;
    return true;
  });
  return restored;
}

}  // namespace pointsman
