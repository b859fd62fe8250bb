// A scenario file for `pointsman simulate`: YAML to a sim::Scenario, or every error at once, with
// file, line and column as everywhere. The language: etc/scenarios/README.md.
//
// Reads files, acts on nothing. The configuration that it names is read without its secrets.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include "daemon/config/config.hpp"
#include "policies/simulation/scenario.hpp"

namespace pointsman {

struct LoadedScenario {
  sim::Scenario scenario;
  Config config;
};

/// `config`: another than the scenario's own `config:`, which is relative to the scenario's file.
std::variant<LoadedScenario, LoadFailure> load_scenario(
    const std::filesystem::path& file, const std::optional<std::filesystem::path>& config);

/// The same of a text that is at hand, against a policy; `name` stands for the file in messages.
std::variant<sim::Scenario, LoadFailure> parse_scenario(const std::string& text,
                                                        const std::string& name,
                                                        const PolicySet& policy);

}  // namespace pointsman
