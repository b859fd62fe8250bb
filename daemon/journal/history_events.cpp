#include "daemon/journal/history_events.hpp"

#include <string>

namespace pointsman {
namespace {

namespace json = boost::json;

std::int64_t number(Duration duration) {
  return duration.count();
}
json::value number(const std::optional<MonoTime>& at) {
  return at ? json::value(at->time_since_epoch().count()) : json::value(nullptr);
}

struct Write {
  json::object operator()(const ActionFinished& e) const {
    json::object object{{"event", "action_finished"},  {"id", static_cast<std::uint64_t>(e.id)},
                        {"route", e.route.text},       {"outcome", to_text(e.outcome)},
                        {"message", e.message},        {"verified", to_text(e.verified)},
                        {"rolled_back", e.rolled_back}};
    if (e.timeline) object["timeline"] = *e.timeline;
    if (e.promotion_lsn) object["promotion_lsn"] = *e.promotion_lsn;
    return object;
  }
  json::object operator()(const StepFinished& e) const {
    return {{"event", "step_finished"},
            {"id", static_cast<std::uint64_t>(e.id)},
            {"ladder", e.ladder.text},
            {"outcome", to_text(e.outcome)},
            {"message", e.message}};
  }
  json::object operator()(const SessionEnded& e) const {
    return {{"event", "session_ended"}, {"probe", e.probe.text}, {"how", to_text(e.how)}};
  }
  json::object operator()(const LoopDistrusted& e) const {
    return {{"event", "loop_distrusted"},
            {"late", number(e.late)},
            {"suspended", number(e.suspended)},
            {"clock_jump", number(e.clock_jump)}};
  }
  json::object operator()(const SwitchRequested& e) const {
    return {{"event", "switch_requested"},
            {"request", static_cast<std::uint64_t>(e.request)},
            {"route", e.route.text},
            {"to", e.to ? json::value(e.to->text) : json::value(nullptr)},
            {"dry_run", e.dry_run},
            {"allow_data_loss", e.allow_data_loss},
            {"unfenced", e.unfenced},
            {"by", e.by}};
  }
  json::object operator()(const SwitchCancelled& e) const {
    return {{"event", "switch_cancelled"}, {"request", static_cast<std::uint64_t>(e.request)}};
  }
  json::object operator()(const AutomationSet& e) const {
    return {{"event", "automation_set"},
            {"paused", e.paused},
            {"reason", e.reason},
            {"by", e.by},
            {"until", number(e.until)}};
  }
  json::object operator()(const FlagSet& e) const {
    return {{"event", "flag_set"}, {"flag", e.flag.text}, {"set", e.set},
            {"reason", e.reason},  {"by", e.by},          {"until", number(e.until)}};
  }
  json::object operator()(const DrainSet& e) const {
    return {{"event", "drain_set"}, {"drained", e.drained}, {"reason", e.reason}, {"by", e.by}};
  }
  json::object operator()(const IncidentAcknowledged& e) const {
    return {{"event", "incident_acknowledged"},
            {"incident", static_cast<std::uint64_t>(e.incident)},
            {"by", e.by},
            {"reason", e.reason}};
  }
  json::object operator()(const StepApproved& e) const {
    return {{"event", "step_approved"},
            {"id", static_cast<std::uint64_t>(e.id)},
            {"approved", e.approved},
            {"by", e.by}};
  }
  template <class Other>
  json::object operator()(const Other&) const {
    return {{"event", "none"}};
  }
};

/// One event's members, as they are asked for.
class Members {
 public:
  explicit Members(const json::object& object) : object_(object) {}

  std::string text(std::string_view name) const {
    return std::string(object_.at(name).as_string());
  }
  bool flag(std::string_view name) const { return object_.at(name).as_bool(); }
  template <class Id>
  Id id(std::string_view name) const {
    return Id{object_.at(name).to_number<std::uint64_t>()};
  }
  Duration duration(std::string_view name) const {
    return Duration{object_.at(name).to_number<std::int64_t>()};
  }
  std::optional<MonoTime> time(std::string_view name) const {
    if (object_.at(name).is_null()) return std::nullopt;
    return MonoTime{duration(name)};
  }
  ActionOutcome outcome() const {
    return word_of(object_.at("outcome"),
                   {ActionOutcome::unknown, ActionOutcome::ok, ActionOutcome::failed});
  }
  const json::object& object() const { return object_; }

 private:
  const json::object& object_;
};

ActionFinished action_finished(const Members& m) {
  ActionFinished e{m.id<ActionId>("id"), RouteName(m.text("route")), m.outcome(),
                   m.text("message")};
  e.verified =
      word_of(m.object().at("verified"), {Verified::no, Verified::servers, Verified::query});
  e.rolled_back = m.flag("rolled_back");
  if (const auto* timeline = m.object().if_contains("timeline")) {
    e.timeline = timeline->to_number<std::uint32_t>();
  }
  if (const auto* lsn = m.object().if_contains("promotion_lsn")) {
    e.promotion_lsn = lsn->to_number<std::uint64_t>();
  }
  return e;
}

SwitchRequested switch_requested(const Members& m) {
  SwitchRequested e;
  e.request = m.id<RequestId>("request");
  e.route = RouteName(m.text("route"));
  if (!m.object().at("to").is_null()) e.to = ProbeName(m.text("to"));
  e.dry_run = m.flag("dry_run");
  e.allow_data_loss = m.flag("allow_data_loss");
  e.unfenced = m.flag("unfenced");
  e.by = m.text("by");
  return e;
}

}  // namespace

json::array poolers_json(const std::vector<PoolerObservation>& poolers) {
  json::array array;
  for (const PoolerObservation& pooler : poolers) {
    json::array addresses;
    for (const Endpoint& at : pooler.addresses) addresses.push_back(json::array{at.host, at.port});
    array.push_back(json::object{{"reachable", pooler.reachable},
                                 {"error", pooler.error},
                                 {"listed", pooler.listed},
                                 {"paused", pooler.paused},
                                 {"disabled", pooler.disabled},
                                 {"addresses", std::move(addresses)},
                                 {"file", to_text(pooler.file)}});
  }
  return array;
}

std::vector<PoolerObservation> poolers_of(const json::value& value) {
  std::vector<PoolerObservation> poolers;
  for (const auto& one : value.as_array()) {
    const Members m(one.as_object());
    PoolerObservation pooler;
    pooler.reachable = m.flag("reachable");
    pooler.error = m.text("error");
    pooler.listed = m.flag("listed");
    pooler.paused = m.flag("paused");
    pooler.disabled = m.flag("disabled");
    for (const auto& at : m.object().at("addresses").as_array()) {
      pooler.addresses.push_back({std::string(at.as_array().at(0).as_string()),
                                  at.as_array().at(1).to_number<std::uint16_t>()});
    }
    pooler.file = word_of(m.object().at("file"), {FileState::unknown, FileState::as_wanted,
                                                  FileState::differs, FileState::missing});
    poolers.push_back(std::move(pooler));
  }
  return poolers;
}

json::object event_json(const Event& event) {
  return std::visit(Write{}, event);
}

std::optional<Event> event_of_json(const json::object& object) {
  const Members m(object);
  const std::string kind = m.text("event");
  if (kind == "action_finished") return action_finished(m);
  if (kind == "step_finished") {
    return StepFinished{m.id<ActionId>("id"), LadderName(m.text("ladder")), m.outcome(),
                        m.text("message")};
  }
  if (kind == "session_ended") {
    return SessionEnded{ProbeName(m.text("probe")),
                        word_of(object.at("how"), {SessionEnd::lost, SessionEnd::administrator,
                                                   SessionEnd::crashed})};
  }
  if (kind == "loop_distrusted") {
    return LoopDistrusted{m.duration("late"), m.duration("suspended"), m.duration("clock_jump")};
  }
  if (kind == "switch_requested") return switch_requested(m);
  if (kind == "switch_cancelled") return SwitchCancelled{m.id<RequestId>("request")};
  if (kind == "automation_set") {
    return AutomationSet{m.flag("paused"), m.text("reason"), m.text("by"), m.time("until")};
  }
  if (kind == "flag_set") {
    return FlagSet{FlagName(m.text("flag")), m.flag("set"), m.text("reason"), m.text("by"),
                   m.time("until")};
  }
  if (kind == "drain_set") return DrainSet{m.flag("drained"), m.text("reason"), m.text("by")};
  if (kind == "incident_acknowledged") {
    return IncidentAcknowledged{m.id<IncidentId>("incident"), m.text("by"), m.text("reason")};
  }
  if (kind == "step_approved") {
    return StepApproved{m.id<ActionId>("id"), m.flag("approved"), m.text("by")};
  }
  return std::nullopt;
}

}  // namespace pointsman
