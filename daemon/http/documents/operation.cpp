// What operators and ladders have set, as /v1/status shows it, and what became of requests:
// /v1/requests and /v1/requests/ID.
#include "daemon/http/documents/parts.hpp"
#include "policies/explain.hpp"

namespace pointsman {
namespace {

void write_flags(JsonWriter& json, const Snapshot& snapshot, const TimeScale& times) {
  json.key("flags").begin_array();
  for (const auto& [name, flag] : snapshot.flags) json.text(name.text);
  json.end_array().key("flag_details").begin_object();
  for (const auto& [name, flag] : snapshot.flags) {
    json.key(name.text).begin_object().key("since").time(times.to_wall(flag.since));
    json.key("reason").text(flag.reason).key("by").text(flag.by).key("until");
    write_time(json, flag.until, times);
    json.key("until_recovered");
    if (flag.until_recovered.empty()) {
      json.null();
    } else {
      json.text(join_names(flag.until_recovered));
    }
    json.end_object();
  }
  json.end_object();
}

/// An id of ours, or null where there is none.
template <class Id>
void write_id(JsonWriter& json, Id id) {
  if (id == Id{}) {
    json.null();
  } else {
    json.unsigned_integer(static_cast<std::uint64_t>(id));
  }
}

void write_ladder(JsonWriter& json, const LadderView& ladder, const TimeScale& times) {
  json.begin_object().key("phase").text(ladder.phase);
  json.key("since").time(times.to_wall(ladder.since));
  json.key("triggered").boolean(ladder.triggered);
  json.key("step").integer(ladder.step).key("steps").integer(ladder.steps);
  json.key("attempt").integer(ladder.attempt).key("step_text").text(ladder.step_text);
  json.key("approval");
  write_id(json, ladder.approval);
  json.key("incident");
  write_id(json, ladder.incident);
  json.key("until");
  write_time(json, ladder.until, times);
  json.key("guards");
  write_guards(json, ladder.guards, times);
  json.key("runs").unsigned_integer(ladder.runs).key("skipped").unsigned_integer(ladder.skipped);
  json.key("last_end").text(ladder.last_end).end_object();
}

void write_request(JsonWriter& json, RequestId id, const RequestView& request,
                   const TimeScale& times) {
  json.begin_object().key("id").unsigned_integer(static_cast<std::uint64_t>(id));
  json.key("route").text(request.route.text).key("at").time(times.to_wall(request.at));
  json.key("state").text(to_text(request.state)).key("lines").begin_array();
  for (const std::string& line : request.lines) json.text(line);
  json.end_array().end_object();
}

}  // namespace

void write_operation(JsonWriter& json, const Snapshot& snapshot, const TimeScale& times) {
  json.key("paused");
  if (const auto& paused = snapshot.automation) {
    json.begin_object().key("reason").text(paused->reason).key("by").text(paused->by).key("until");
    write_time(json, paused->until, times);
    json.end_object();
  } else {
    json.null();
  }
  json.key("drained");
  if (const auto& drain = snapshot.drain) {
    json.begin_object().key("reason").text(drain->reason).key("by").text(drain->by).end_object();
  } else {
    json.null();
  }
  write_flags(json, snapshot, times);
  json.key("ladders").begin_object();
  for (const auto& [name, ladder] : snapshot.ladders) {
    json.key(name.text);
    write_ladder(json, ladder, times);
  }
  json.end_object();
}

std::string requests_document(const DocumentInput& input) {
  const auto& requests = input.snapshot.requests;
  JsonWriter json;
  json.begin_object().key("requests").begin_array();
  for (auto at = requests.rbegin(); at != requests.rend(); ++at) {
    write_request(json, at->first, at->second, input.times);
  }
  json.end_array().end_object();
  return json.take_line();
}

std::optional<std::string> request_document(const DocumentInput& input, RequestId id) {
  const auto found = input.snapshot.requests.find(id);
  if (found == input.snapshot.requests.end()) return std::nullopt;
  JsonWriter json;
  write_request(json, id, found->second, input.times);
  return json.take_line();
}

}  // namespace pointsman
