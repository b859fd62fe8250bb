#include "daemon/simulate.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "daemon/app.hpp"
#include "daemon/config/config.hpp"
#include "daemon/config/scenario.hpp"
#include "daemon/config/values.hpp"
#include "daemon/journal/history_reader.hpp"
#include "daemon/simulate_report.hpp"
#include "policies/explain.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

void print_failure(const LoadFailure& failure) {
  for (const Diagnostic& d : failure.errors) fmt::print(stderr, "{}\n", to_text(d, false));
}

/// What a reader has to know of the record before they believe the rest.
void print_caveats(const RecordedPast& past, const Replayed& replayed) {
  std::vector<ProbeName> unknown(replayed.not_recorded.begin(), replayed.not_recorded.end());
  if (!unknown.empty()) {
    fmt::print(stderr, "not in the record, and unknown throughout: {}\n", join_names(unknown));
  }
  if (past.unreadable > 0) {
    fmt::print(stderr, "{} rows of the record can not be read and were left out\n",
               past.unreadable);
  }
  if (!past.history.lives.empty() && !past.history.lives.front().whole) {
    fmt::print(stderr,
               "the record begins while the daemon ran: what it knew by then is not known here\n");
  }
}

std::uint64_t count(const std::vector<ComparedLine>& lines, Whose whose) {
  return static_cast<std::uint64_t>(std::count_if(
      lines.begin(), lines.end(), [whose](const ComparedLine& one) { return one.whose == whose; }));
}

void print_history(const SimulateHistory& options, const Replayed& replayed,
                   const std::vector<ComparedLine>& lines) {
  if (options.output == SimulateOutput::json) {
    boost::json::object out = history_json(lines);
    out["samples"] = replayed.samples;
    out["steps"] = replayed.steps;
    boost::json::array unknown;
    for (const ProbeName& name : replayed.not_recorded) unknown.emplace_back(name.text);
    out["not_recorded"] = std::move(unknown);
    fmt::print("{}\n", boost::json::serialize(out));
    return;
  }
  fmt::print("then: what was decided; now: what {} would have decided; both: the same within {}\n",
             options.config.string(), print_duration(same_time));
  fmt::print("{}", history_text(lines));
  fmt::print("{} samples; {} alike, {} only then, {} only now\n", replayed.samples,
             count(lines, Whose::both), count(lines, Whose::then), count(lines, Whose::now));
}

}  // namespace

int simulate_scenarios(const std::vector<std::filesystem::path>& scenarios,
                       const std::optional<std::filesystem::path>& config, SimulateOutput output) {
  int worst = exit_fine;
  for (const auto& file : scenarios) {
    const auto loaded = load_scenario(file, config);
    if (const auto* failure = std::get_if<LoadFailure>(&loaded)) {
      print_failure(*failure);
      worst = exit_config;
      continue;
    }
    const auto& [scenario, known] = std::get<LoadedScenario>(loaded);
    const sim::ScenarioResult result = sim::run_scenario(scenario, known.policy);
    if (!result.failures.empty()) worst = std::max<int>(worst, exit_unhealthy);
    if (output == SimulateOutput::json) {
      fmt::print("{}\n", boost::json::serialize(scenario_json(file.string(), scenario, result)));
    } else if (scenarios.size() == 1) {
      fmt::print("{}", scenario_text(scenario, result));
    } else {
      fmt::print("{}", scenario_summary(scenario, result));
    }
  }
  return worst;
}

int simulate_history(const SimulateHistory& options) {
  const auto back = parse_duration(options.since);
  if (!back.ok()) {
    fmt::print(stderr, "--since: '{}' {}\n", options.since, back.error().message);
    return exit_usage;
  }
  const auto loaded = load_config(options.config, SecretUse::ignored);
  if (const auto* failure = std::get_if<LoadFailure>(&loaded)) {
    print_failure(*failure);
    return exit_config;
  }
  const auto since =
      std::chrono::floor<std::chrono::milliseconds>(wall_now().time_since_epoch() - back.value());
  const auto past = read_past(options.journal, WallTime{since});
  if (!past.ok()) {
    fmt::print(stderr, "{}\n", past.error().message);
    return exit_unhealthy;
  }
  const Replayed replayed = replay(std::get<Config>(loaded).policy, past.value().history);
  std::vector<ComparedLine> lines = compare(past.value().decided, replayed.records);
  if (!options.all && options.output == SimulateOutput::text) {
    std::erase_if(lines, [](const ComparedLine& line) { return !is_decisive(line); });
  }
  print_caveats(past.value(), replayed);
  print_history(options, replayed, lines);
  return exit_fine;
}

}  // namespace pointsman
