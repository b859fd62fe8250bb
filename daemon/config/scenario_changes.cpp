// What an entry of a scenario's timeline changes in the world.
#include <algorithm>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/scenario_parts.hpp"

namespace pointsman {
namespace {

using Planned = std::variant<sim::Change, sim::AnswerApproval>;

constexpr const char* person = "operator";

class ChangeReader {
 public:
  ChangeReader(MapReader& entry, const ScenarioNames& names) : entry_(entry), names_(names) {}

  std::vector<Planned> read() {
    if (entry_.find("target")) read_target();
    if (entry_.find("pooler")) read_pooler();
    if (const YamlNode* cut = entry_.find("cut")) read_cut(*cut, "cut", false);
    if (const YamlNode* mend = entry_.find("mend")) read_cut(*mend, "mend", true);
    if (const YamlNode* actions = entry_.find("actions")) read_actions(*actions);
    if (entry_.find("daemon")) read_daemon();
    if (entry_.find("operator")) read_operator();
    return std::move(found_);
  }

 private:
  bool is_database(const std::string& probe) const {
    const ProbeKind kind = names_.policy.probes.at(ProbeName(probe)).kind;
    return kind == ProbeKind::postgres || kind == ProbeKind::redis;
  }

  void read_target() {
    const auto targets = known_words(entry_, "target", names_.probes, "probe");
    (void)entry_.require("becomes", "down, frozen, lagging, failing, …");
    const auto becomes = enum_word<sim::Becomes>(entry_, "becomes", sim::becomes_count);
    const auto reason = enum_word<Reason>(entry_, "reason", reason_count);
    const std::string message = entry_.text("message").value_or("");
    if (!becomes) return;
    for (const std::string& target : targets) {
      if (is_database(target) == is_verdict(*becomes)) {
        entry_.error(
            "becomes",
            fmt::format("{} is {}: {}", target, is_database(target) ? "a database" : "no database",
                        is_database(target) ? "it becomes down, frozen, lagging, …"
                                            : "it becomes passing, warning or failing"));
        continue;
      }
      sim::TargetBecomes change{ProbeName(target), *becomes};
      if (reason || !message.empty()) change.finding = finding(*becomes, reason, message);
      if (change.finding && is_database(target)) {
        entry_.error("reason", "what a database says follows from what it becomes");
        continue;
      }
      found_.emplace_back(sim::Change{std::move(change)});
    }
  }

  static bool is_verdict(sim::Becomes state) {
    return state == sim::Becomes::passing || state == sim::Becomes::warning ||
           state == sim::Becomes::failing;
  }

  static Finding finding(sim::Becomes state, const std::optional<Reason>& reason,
                         const std::string& message) {
    const Outcome outcome = state == sim::Becomes::failing   ? Outcome::fail
                            : state == sim::Becomes::warning ? Outcome::warn
                                                             : Outcome::pass;
    const Reason usual = outcome == Outcome::pass ? Reason::ok : Reason::over_threshold;
    return {outcome, reason.value_or(usual), message, {}};
  }

  void read_pooler() {
    const auto route = known_word(entry_, "pooler", names_.routes, "route");
    (void)entry_.require("becomes", "up, down, paused, resumed, disabled or edited");
    const auto becomes =
        enum_word<sim::PoolerBecomes>(entry_, "becomes", sim::pooler_becomes_count);
    std::optional<std::string> to;
    if (entry_.has("to")) to = known_word(entry_, "to", names_.probes, "probe");
    if (!route || !becomes) return;
    if ((*becomes == sim::PoolerBecomes::edited) != to.has_value()) {
      entry_.error("becomes", "`edited` says where somebody leads it by hand: `to: replica-1`");
      return;
    }
    found_.emplace_back(sim::Change{
        sim::PoolerChanges{"", RouteName(*route), *becomes, ProbeName(to.value_or(""))}});
  }

  std::vector<std::string> places() const {
    std::vector<std::string> places = names_.probes;
    places.emplace_back(sim::scenario_agent);
    return places;
  }

  /// `[a, b]`: both ways; `{from: a, to: b}`: this way alone.
  void read_cut(const YamlNode& node, const char* key, bool healed) {
    if (node.kind == YamlNode::Kind::map) {
      MapReader map(entry_.findings(), &node, entry_.path_of(key), node.at);
      (void)map.require("from", "a probe's name, or pointsman");
      (void)map.require("to", "a probe's name, or pointsman");
      const auto from = known_word(map, "from", places(), "place");
      const auto to = known_word(map, "to", places(), "place");
      map.finish();
      if (from && to) found_.emplace_back(sim::Change{sim::Cut{*from, *to, healed}});
      return;
    }
    const auto ends = known_words(entry_, key, places(), "place");
    if (ends.size() != 2 && entry_.list(key, "[pointsman, primary]").size() != 2) {
      entry_.error(key, "has two ends: [pointsman, primary], or {from: …, to: …} for one way");
    }
    if (ends.size() != 2) return;
    found_.emplace_back(sim::Change{sim::Cut{ends[0], ends[1], healed}});
    found_.emplace_back(sim::Change{sim::Cut{ends[1], ends[0], healed}});
  }

  /// `{promote: hanging}` or `{step: {ends: failing, of: database, takes: 5s}}`.
  void read_actions(const YamlNode& node) {
    MapReader map(entry_.findings(), &node, entry_.path_of("actions"), node.at);
    for (int i = 0; i < sim::act_kind_count; ++i) {
      const auto kind = static_cast<sim::ActKind>(i);
      const std::string_view word = to_text(kind);
      const YamlNode* how = map.find(word);
      if (!how) continue;
      sim::ActsEnd change{kind};
      if (how->kind == YamlNode::Kind::map) {
        MapReader inner(entry_.findings(), how, map.path_of(word), how->at);
        (void)inner.require("ends", "well, failing, hanging, answer_lost or late");
        change.how =
            enum_word<sim::ActEnds>(inner, "ends", sim::act_ends_count).value_or(change.how);
        std::vector<std::string> owners = names_.routes;
        owners.insert(owners.end(), names_.ladders.begin(), names_.ladders.end());
        if (inner.has("of")) {
          change.of = known_word(inner, "of", owners, "route or ladder").value_or("");
        }
        change.takes = inner.duration("takes");
        inner.finish();
      } else {
        change.how = enum_word<sim::ActEnds>(map, word, sim::act_ends_count).value_or(change.how);
      }
      found_.emplace_back(sim::Change{std::move(change)});
    }
    map.finish();
  }

  void read_daemon() {
    enum class Does { killed, started, stalls, suspends, jumps };
    const auto does = entry_.choice<Does>("daemon", {{"killed", Does::killed},
                                                     {"started", Does::started},
                                                     {"stalls", Does::stalls},
                                                     {"suspends", Does::suspends},
                                                     {"jumps", Does::jumps}});
    const auto hold = entry_.duration("for");
    if (!does) return;
    if (*does == Does::killed) {
      found_.emplace_back(sim::Change{sim::AgentKilled{sim::scenario_agent, hold}});
    } else if (*does == Does::started) {
      found_.emplace_back(sim::Change{sim::AgentStarted{sim::scenario_agent}});
    } else if (!hold) {
      entry_.error("daemon", "by how much: `for: 2s`");
    } else {
      const auto how = *does == Does::stalls     ? sim::ClockFault::stalls
                       : *does == Does::suspends ? sim::ClockFault::suspends
                                                 : sim::ClockFault::jumps;
      found_.emplace_back(sim::Change{sim::ClockFails{sim::scenario_agent, how, *hold}});
    }
  }

  template <class Command>
  void command(Command what, std::optional<Duration> lasts = std::nullopt) {
    found_.emplace_back(sim::Change{sim::Commanded{sim::scenario_agent, std::move(what), lasts}});
  }

  void read_operator() {
    const std::vector<std::string> verbs{"switch", "cancel",  "pause",    "resume",
                                         "drain",  "undrain", "set_flag", "clear_flag",
                                         "ack",    "approve", "refuse"};
    const auto verb = known_word(entry_, "operator", verbs, "command");
    if (!verb) return;
    const std::string reason = entry_.text("reason").value_or("");
    if (*verb == "switch" || *verb == "cancel") return read_switch(*verb == "cancel");
    if (*verb == "pause") {
      const auto hold = entry_.duration("for");
      return command(AutomationSet{true, reason, person, std::nullopt}, hold);
    }
    if (*verb == "resume") return command(AutomationSet{false, reason, person, std::nullopt});
    if (*verb == "drain") return command(DrainSet{true, reason, person});
    if (*verb == "undrain") return command(DrainSet{false, reason, person});
    if (*verb == "ack") {
      const auto id = entry_.integer("incident", 1, 1'000'000).value_or(1);
      return command(
          IncidentAcknowledged{IncidentId{static_cast<std::uint64_t>(id)}, person, reason});
    }
    if (*verb == "approve" || *verb == "refuse") {
      found_.emplace_back(sim::AnswerApproval{*verb == "approve"});
      return;
    }
    const auto flag = entry_.required_text("flag", "the flag's name");
    const auto hold = entry_.duration("for");
    if (!flag) return;
    command(FlagSet{FlagName(*flag), *verb == "set_flag", reason, person, std::nullopt}, hold);
  }

  /// A scenario has one switch under way at a time: its request is always the first.
  void read_switch(bool cancels) {
    if (cancels) return command(SwitchCancelled{RequestId{1}});
    (void)entry_.require("route", "which one");
    const auto route = known_word(entry_, "route", names_.routes, "route");
    SwitchRequested asked;
    asked.request = RequestId{1};
    if (entry_.has("to")) {
      if (const auto to = known_word(entry_, "to", names_.probes, "probe"))
        asked.to = ProbeName(*to);
    }
    asked.dry_run = entry_.boolean("dry_run").value_or(false);
    asked.allow_data_loss = entry_.boolean("allow_data_loss").value_or(false);
    asked.unfenced = entry_.boolean("unfenced").value_or(false);
    asked.by = person;
    if (!route) return;
    asked.route = RouteName(*route);
    command(std::move(asked));
  }

  MapReader& entry_;
  const ScenarioNames& names_;
  std::vector<Planned> found_;
};

}  // namespace

std::vector<Planned> read_changes(MapReader& entry, const ScenarioNames& names) {
  return ChangeReader(entry, names).read();
}

}  // namespace pointsman
