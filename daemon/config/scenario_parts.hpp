// What the files that read a scenario share. Included by scenario*.cpp only.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/map_reader.hpp"
#include "policies/model/policy.hpp"
#include "policies/simulation/scenario.hpp"

namespace pointsman {

/// What the names in it may lead to.
struct ScenarioNames {
  explicit ScenarioNames(const PolicySet& policy);
  std::vector<std::string> probes, services, routes, ladders;
  const PolicySet& policy;
};

/// The word of a key, which has to be one of `known`; `what` as in "names no probe".
std::optional<std::string> known_word(MapReader& reader, std::string_view key,
                                      const std::vector<std::string>& known, std::string_view what);
std::vector<std::string> known_words(MapReader& reader, std::string_view key,
                                     const std::vector<std::string>& known, std::string_view what);

/// A word of an enum whose values are 0 to `count` - 1.
template <class Enum>
std::optional<Enum> enum_word(MapReader& reader, std::string_view key, int count) {
  std::vector<std::string> words;
  for (int i = 0; i < count; ++i) words.emplace_back(to_text(static_cast<Enum>(i)));
  const auto text = reader.text(key);
  if (!text) return std::nullopt;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == *text) return static_cast<Enum>(i);
  }
  reject(reader.findings(), *reader.find(key), reader.path_of(key), not_one_of(words, *text));
  return std::nullopt;
}

/// The conditions of an `expect` or `never`: a map, or a list of maps.
std::vector<sim::Condition> read_conditions(Findings& findings, const YamlNode& node,
                                            const std::string& path, const ScenarioNames& names);

/// What an entry of the timeline changes; nothing where it changes nothing, or had an error.
std::vector<std::variant<sim::Change, sim::AnswerApproval>> read_changes(
    MapReader& entry, const ScenarioNames& names);

}  // namespace pointsman
