// The `expect` and `never` of a scenario.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/scenario_parts.hpp"
#include "policies/diagnosis_tables.hpp"
#include "policies/recovery_ladder.hpp"

namespace pointsman {
namespace {

constexpr int record_kind_count = static_cast<int>(RecordKind::policy) + 1;

std::vector<std::string> diagnosis_words() {
  std::set<std::string> words;
  const auto add = [&words](const auto& rows) {
    for (const auto& row : rows) {
      words.emplace(row.diagnosis.name(false));
      words.emplace(row.diagnosis.name(true));
    }
  };
  add(primary_rows());
  add(target_rows());
  add(balanced_rows());
  return {words.begin(), words.end()};
}

std::vector<std::string> phase_words() {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < ladder_phase_count; ++i) {
    words.emplace_back(to_text(static_cast<LadderPhase>(i)));
  }
  return words;
}

std::vector<std::string> kind_words() {
  std::vector<std::string> words{"act", "alert"};
  for (int i = 0; i < record_kind_count; ++i) {
    words.emplace_back(to_text(static_cast<RecordKind>(i)));
  }
  return words;
}

std::optional<State> state_of(MapReader& map, std::string_view key) {
  return map.choice<State>(key, {{"unknown", State::unknown},
                                 {"healthy", State::healthy},
                                 {"degraded", State::degraded},
                                 {"unhealthy", State::unhealthy}});
}

/// One map: usually one condition, of a route up to three.
class ConditionReader {
 public:
  ConditionReader(MapReader& map, const ScenarioNames& names) : map_(map), names_(names) {}

  std::vector<sim::Condition> read() {
    if (map_.has("route")) read_route();
    if (map_.has("probe")) read_state("probe", names_.probes);
    if (map_.has("service")) read_state("service", names_.services);
    if (map_.has("flag")) read_flag();
    if (map_.has("ladder")) read_ladder();
    if (map_.has("act")) read_act();
    if (map_.has("event") || map_.has("says") || map_.has("of")) read_event();
    if (const auto state = state_of(map_, "overall")) add(sim::OverallIs{*state});
    if (const auto ok = map_.boolean("serving")) add(sim::Serves{*ok});
    if (const auto count = map_.integer("incidents_open", 0, 1000)) {
      add(sim::IncidentsOpen{static_cast<int>(*count)});
    }
    const std::size_t errors = map_.findings().error_count();
    for (const char* key : {"route", "probe", "service", "flag", "ladder", "act", "event"}) {
      (void)map_.find_section(key);  // known, for "did you mean"
    }
    map_.finish();
    if (found_.empty() && !said_ && map_.findings().error_count() == errors) {
      map_.findings().error(map_.at(), map_.path(),
                            "asks nothing: write for example `{route: bud, leads_to: replica-1}`");
    }
    return std::move(found_);
  }

 private:
  template <class What>
  void add(What what) {
    const Position& at = map_.at();
    found_.push_back({std::move(what), fmt::format("{}:{}:{}", at.file, at.line, at.column)});
  }

  void read_route() {
    said_ = true;
    const auto name = known_word(map_, "route", names_.routes, "route");
    const auto targets = known_words(map_, "leads_to", names_.probes, "probe");
    std::optional<std::string> diagnosis;
    if (map_.has("diagnosis")) {
      diagnosis = known_word(map_, "diagnosis", diagnosis_words(), "diagnosis");
    }
    const auto state = state_of(map_, "state");
    if (!name) return;
    const RouteName route(*name);
    if (!targets.empty()) {
      sim::RouteLeads leads{route, {}};
      for (const std::string& target : targets) leads.targets.emplace_back(target);
      add(std::move(leads));
    }
    if (diagnosis) add(sim::RouteDiagnosed{route, *diagnosis});
    if (state) add(sim::StateIs{route, *state});
    if (!map_.has("leads_to") && !map_.has("diagnosis") && !map_.has("state")) {
      map_.error("route", "says not what of it: leads_to, diagnosis or state");
    }
  }

  void read_state(std::string_view key, const std::vector<std::string>& known) {
    said_ = true;
    const auto name = known_word(map_, key, known, key);
    (void)map_.require("state", "healthy, degraded, unhealthy or unknown");
    const auto state = state_of(map_, "state");
    if (!name || !state) return;
    if (key == "probe") add(sim::StateIs{ProbeName(*name), *state});
    if (key == "service") add(sim::StateIs{ServiceName(*name), *state});
  }

  void read_flag() {
    said_ = true;
    const auto name = map_.text("flag");
    const bool set = map_.boolean("set").value_or(true);
    if (name) add(sim::FlagIs{FlagName(*name), set});
  }

  void read_ladder() {
    said_ = true;
    const auto name = known_word(map_, "ladder", names_.ladders, "ladder");
    (void)map_.require("phase", "idle, exhausted, …");
    if (!map_.has("phase")) return;
    const auto phase = known_word(map_, "phase", phase_words(), "phase of a ladder");
    if (name && phase) add(sim::LadderIs{LadderName(*name), *phase});
  }

  void read_act() {
    said_ = true;
    if (const auto says = map_.required_text("act", "a part of it: promote replica-1")) {
      add(sim::Happened{"act", "", *says});
    }
  }

  void read_event() {
    said_ = true;
    sim::Happened happened;
    if (map_.has("event")) {
      happened.kind = known_word(map_, "event", kind_words(), "kind of event").value_or("");
    }
    happened.subject = map_.text("of").value_or("");
    happened.says = map_.text("says").value_or("");
    add(std::move(happened));
  }

  MapReader& map_;
  const ScenarioNames& names_;
  std::vector<sim::Condition> found_;
  bool said_ = false;  ///< it was begun, and what is wrong with it was said
};

}  // namespace

std::vector<sim::Condition> read_conditions(Findings& findings, const YamlNode& node,
                                            const std::string& path, const ScenarioNames& names) {
  std::vector<sim::Condition> all;
  if (node.kind == YamlNode::Kind::sequence) {
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const auto more =
          read_conditions(findings, node.items[i], fmt::format("{}[{}]", path, i), names);
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }
  MapReader map(findings, &node, path, node.at);
  return ConditionReader(map, names).read();
}

}  // namespace pointsman
