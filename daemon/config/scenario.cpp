#include "daemon/config/scenario.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/scenario_parts.hpp"
#include "daemon/config/yaml_source.hpp"
#include "policies/simulation/world.hpp"

namespace pointsman {
namespace {

/// After the last entry, where the file does not say how long it lasts.
constexpr Duration usual_rest = std::chrono::seconds{30};
constexpr Duration longest = std::chrono::hours{24};
constexpr std::int64_t most_repetitions = 1000;

template <class Map>
std::vector<std::string> texts_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name.text);
  return names;
}

bool is_known(const std::vector<std::string>& known, const std::string& word) {
  return std::find(known.begin(), known.end(), word) != known.end();
}

/// The whole file. Times are given from the beginning of the scenario on.
class ScenarioReader {
 public:
  ScenarioReader(Findings& findings, const YamlNode& root, const PolicySet& policy)
      : findings_(findings), root_(findings, &root, "", root.at), names_(policy) {}

  sim::Scenario read() {
    scenario_.title = root_.required_text("title", "what happens, in a few words").value_or("");
    scenario_.about = root_.text("about").value_or("");
    (void)root_.text("config");  // read by load_scenario
    scenario_.seed =
        static_cast<std::uint64_t>(root_.integer("seed", 0, 1'000'000'000).value_or(1));
    read_cluster();
    read_timeline();
    if (const YamlNode* never = root_.find("never")) {
      for (auto& one : read_conditions(findings_, *never, "never", names_)) {
        scenario_.prohibitions.push_back({std::move(one), sim::World::start, std::nullopt});
      }
    }
    read_end();
    root_.finish();
    return std::move(scenario_);
  }

 private:
  void read_cluster() {
    const YamlNode* node = root_.find("cluster");
    if (!node) return;
    MapReader map(findings_, node, "cluster", node->at);
    sim::ClusterSetup& cluster = scenario_.cluster;
    cluster.write_rate = map.size("write_rate").value_or(cluster.write_rate);
    cluster.receiver_timeout =
        map.duration("wal_receiver_timeout").value_or(cluster.receiver_timeout);
    cluster.monitor = map.boolean("monitor").value_or(cluster.monitor);
    cluster.may_promote = map.boolean("may_promote").value_or(cluster.may_promote);
    map.finish();
  }

  void read_timeline() {
    const YamlNode* node = root_.require("timeline", "a list: `- {at: 10s, target: primary, …}`");
    if (!node) return;
    if (node->kind != YamlNode::Kind::sequence) {
      findings_.error(node->at, "timeline",
                      fmt::format("a list is wanted here, not {}", kind_text(*node)));
      return;
    }
    for (std::size_t i = 0; i < node->items.size(); ++i) {
      read_entry(node->items[i], fmt::format("timeline[{}]", i));
    }
  }

  void read_entry(const YamlNode& node, const std::string& path) {
    MapReader entry(findings_, &node, path, node.at);
    (void)entry.require("at", "when, from the beginning: 10s");
    const auto at = entry.duration("at", Duration{0});
    const std::size_t errors = findings_.error_count();
    const auto changes = read_changes(entry, names_);
    const auto every = entry.duration("every");
    const auto times = entry.integer("times", 1, most_repetitions);
    if (every.has_value() != times.has_value()) {
      entry.error(every ? "every" : "times", "belong together: `every: 4s, times: 6`");
    }
    const std::size_t asked = read_wishes(entry, at.value_or(Duration{0}));
    entry.finish();
    if (changes.empty() && asked == 0 && findings_.error_count() == errors) {
      findings_.error(node.at, path,
                      "nothing happens: it needs one of target, pooler, cut, mend, actions, "
                      "daemon, operator, expect, never");
    }
    for (std::int64_t i = 0; i < times.value_or(1); ++i) {
      const MonoTime when =
          sim::World::start + at.value_or(Duration{0}) + i * every.value_or(Duration{0});
      last_ = std::max(last_, when);
      for (const auto& change : changes) scenario_.changes.push_back({when, change});
    }
  }

  std::size_t read_wishes(MapReader& entry, Duration at) {
    const MonoTime from = sim::World::start + at;
    std::size_t asked = 0;
    const auto within = entry.duration("within", Duration{0}).value_or(Duration{0});
    if (const YamlNode* expect = entry.find("expect")) {
      for (auto& one : read_conditions(findings_, *expect, entry.path_of("expect"), names_)) {
        scenario_.expectations.push_back({std::move(one), from, within});
        ++asked;
      }
      last_ = std::max(last_, from + within);
    }
    if (const YamlNode* never = entry.find("never")) {
      const auto hold = entry.duration("for");
      for (auto& one : read_conditions(findings_, *never, entry.path_of("never"), names_)) {
        std::optional<MonoTime> until;
        if (hold) until = from + *hold;
        scenario_.prohibitions.push_back({std::move(one), from, until});
        ++asked;
      }
      last_ = std::max(last_, from + hold.value_or(Duration{0}));
    }
    return asked;
  }

  void read_end() {
    const auto lasts = root_.duration("lasts");
    const bool is_too_short = lasts && sim::World::start + *lasts < last_;
    if (is_too_short) root_.error("lasts", "ends before the last entry of the timeline");
    scenario_.end = lasts ? sim::World::start + *lasts : last_ + usual_rest;
    if (scenario_.end > sim::World::start + longest) {
      root_.error(lasts ? "lasts" : "timeline", "a scenario lasts a day at most");
    }
  }

  Findings& findings_;
  MapReader root_;
  ScenarioNames names_;
  sim::Scenario scenario_;
  MonoTime last_ = sim::World::start;
};

/// The file as a tree; nothing where it is none, and that was said.
std::optional<YamlNode> tree_of(const std::string& text, const std::string& name,
                                Findings& findings) {
  YamlDocument document = parse_yaml(text, name);
  for (auto& error : document.errors) findings.error(std::move(error));
  if (!document.root || findings.failed()) return std::nullopt;
  if (document.root->kind != YamlNode::Kind::map) {
    findings.error({name, 1, 1}, "", "a scenario is a map: title, config, timeline, never");
    return std::nullopt;
  }
  return std::move(document.root);
}

LoadFailure failure_of(const Findings& findings, const std::string& name) {
  return {findings.sorted_errors({name}), findings.sorted_warnings({name})};
}

/// Which configuration it is for.
std::optional<std::filesystem::path> config_of(const YamlNode& root,
                                               const std::filesystem::path& file,
                                               Findings& findings) {
  const YamlNode* node = root.find("config");
  if (!node || node->kind != YamlNode::Kind::scalar || node->text.empty()) {
    findings.error(node ? node->at : root.at, "config",
                   "names no configuration: write `config: FILE` (relative to this file), or give "
                   "--config");
    return std::nullopt;
  }
  return file.parent_path() / node->text;
}

}  // namespace

ScenarioNames::ScenarioNames(const PolicySet& set)
    : probes(texts_of(set.probes)),
      services(texts_of(set.services)),
      routes(texts_of(set.routes)),
      ladders(texts_of(set.recovery)),
      policy(set) {}

std::optional<std::string> known_word(MapReader& reader, std::string_view key,
                                      const std::vector<std::string>& known,
                                      std::string_view what) {
  auto text = reader.text(key);
  if (!text || is_known(known, *text)) return text;
  reject(reader.findings(), *reader.find(key), reader.path_of(key),
         fmt::format("names no {}{}", what, did_you_mean(*text, known)));
  return std::nullopt;
}

std::vector<std::string> known_words(MapReader& reader, std::string_view key,
                                     const std::vector<std::string>& known, std::string_view what) {
  std::vector<std::string> words;
  for (const auto& [text, node] : reader.list(key, "[a, b]")) {
    if (is_known(known, text)) {
      words.push_back(text);
    } else {
      reject(reader.findings(), *node, reader.path_of(key),
             fmt::format("names no {}{}", what, did_you_mean(text, known)));
    }
  }
  return words;
}

std::variant<LoadedScenario, LoadFailure> load_scenario(
    const std::filesystem::path& file, const std::optional<std::filesystem::path>& config) {
  Findings findings;
  const auto text = read_text_file(file.string(), findings);
  if (!text) return failure_of(findings, file.string());
  const auto root = tree_of(*text, file.string(), findings);
  if (!root) return failure_of(findings, file.string());
  const auto config_file = config ? config : config_of(*root, file, findings);
  if (!config_file) return failure_of(findings, file.string());
  auto loaded = load_config(*config_file, SecretUse::ignored);
  if (auto* failed = std::get_if<LoadFailure>(&loaded)) return std::move(*failed);
  Config& known = std::get<Config>(loaded);
  sim::Scenario scenario = ScenarioReader(findings, *root, *known.policy).read();
  if (findings.failed()) return failure_of(findings, file.string());
  return LoadedScenario{std::move(scenario), std::move(known)};
}

std::variant<sim::Scenario, LoadFailure> parse_scenario(const std::string& text,
                                                        const std::string& name,
                                                        const PolicySet& policy) {
  Findings findings;
  const auto root = tree_of(text, name, findings);
  if (!root) return failure_of(findings, name);
  sim::Scenario scenario = ScenarioReader(findings, *root, policy).read();
  if (findings.failed()) return failure_of(findings, name);
  return scenario;
}

}  // namespace pointsman
