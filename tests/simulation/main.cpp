// Searches for unsafe behaviour: random policies, random faults, one seed each.
//
//   simulation [--seeds N] [--from S] [--save FOLDER]   runs N seeds; on a violation it prints the
//                                    seed and the shortest plan, and writes that as a case
//   simulation --find [--seeds N] [--from S]   a fault is planted: passes once it is found
//   simulation --replay FILE...                runs cases that were kept: none may break a rule
//   simulation --tell FILE                     the same, told line by line
// POINTSMAN_SIMULATION_SEEDS stands in for --seeds where that is not given.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/simulation/run.hpp"

namespace pointsman::sim {
namespace {

constexpr std::uint64_t default_seeds = 2'000;
/// So few seeds may, by chance, meet with nothing.
constexpr std::uint64_t enough_seeds = 200;

struct Options {
  std::uint64_t seeds = default_seeds, from = 1;
  bool finds = false, replays = false, tells = false;
  std::string save = ".";
  std::vector<std::string> files;
};

Options options_of(int argc, char** argv) {
  Options options;
  if (const char* seeds = std::getenv("POINTSMAN_SIMULATION_SEEDS")) {
    options.seeds = std::strtoull(seeds, nullptr, 10);
  }
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const char* next = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--seeds")
      options.seeds = std::strtoull(next, nullptr, 10), ++i;
    else if (word == "--from")
      options.from = std::strtoull(next, nullptr, 10), ++i;
    else if (word == "--save")
      options.save = next, ++i;
    else if (word == "--find")
      options.finds = true;
    else if (word == "--replay")
      options.replays = true;
    else if (word == "--tell")
      options.replays = options.tells = true;
    else
      options.files.push_back(word);
  }
  return options;
}

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void tell(const Entry& entry) {
  std::string line;
  if (const auto* change = std::get_if<Change>(&entry.what)) line = "* " + to_text(*change);
  if (const auto* effect = std::get_if<Effect>(&entry.what)) {
    if (const auto* record = std::get_if<Record>(effect)) {
      line = std::string(to_text(record->kind)) + " " + record->subject + ": " + record->text;
    } else if (const auto* order = std::get_if<SwitchRoute>(effect)) {
      line = "> switch " + order->route.text + " (" + std::string(to_text(order->cause)) + ") to " +
             order->to.front().probe.text;
    } else if (const auto* promote = std::get_if<PromoteServer>(effect)) {
      line = "> promote " + promote->to.probe.text;
    } else if (const auto* step = std::get_if<RunStep>(effect)) {
      line = "> step " + std::to_string(step->step + 1) + " of " + step->ladder.text;
    }
  }
  if (const auto* done = std::get_if<Done>(&entry.what)) {
    line = "= " + std::string(to_text(done->kind)) + " " + done->of + " " + done->server.text;
  }
  if (line.empty()) return;
  std::printf("%9.3f %-6s %s\n", seconds_of(entry.at - World::start), entry.agent.c_str(),
              line.c_str());
}

void print(const Violation& violation) {
  std::printf("  at %.3f s, %s: %s: %s\n", seconds_of(violation.at - World::start),
              violation.agent.c_str(), violation.rule.c_str(), violation.text.c_str());
}

int replay(const Options& options) {
  int broken = 0;
  for (const std::string& file : options.files) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    const auto one = case_of(text.str());
    if (!one) {
      std::printf("%s is no case that this version can read\n", file.c_str());
      ++broken;
      continue;
    }
    const Result result = run_case(*one, options.tells ? Watch(tell) : Watch());
    if (!result.violation) continue;
    ++broken;
    std::printf("%s breaks a rule\n", file.c_str());
    print(*result.violation);
  }
  std::printf("%zu cases replayed, %d of them broken\n", options.files.size(), broken);
  return broken == 0 ? 0 : 1;
}

int fail(const Case& found, const Violation& violation, const Options& options) {
  std::printf("seed %llu breaks a rule\n", static_cast<unsigned long long>(found.seed));
  print(violation);
  const Case shortest = shrink(found, violation.rule);
  const std::string text = to_text(shortest, violation.rule + ": " + violation.text);
  const std::string file =
      options.save + "/" + violation.rule + "-" + std::to_string(found.seed) + ".case";
  std::ofstream(file) << text;
  std::printf(
      "the shortest plan that still does, of %zu faults instead of %zu:\n%s"
      "written to %s; once it is mended, keep it in tests/golden/simulation\n",
      shortest.plan.size(), found.plan.size(), text.c_str(), file.c_str());
  return 1;
}

int search(const Options& options) {
  const auto began = std::chrono::steady_clock::now();
  Tally tally;
  for (std::uint64_t i = 0; i < options.seeds; ++i) {
    const Case one = random_case(options.from + i);
    const Result result = run_case(one);
    tally += result.tally;
    if (!result.violation) continue;
    if (!options.finds) return fail(one, *result.violation, options);
    std::printf("found after %llu seeds\n", static_cast<unsigned long long>(i + 1));
    print(*result.violation);
    return 0;
  }
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf(
      "%llu seeds in %.1f s: %d promotions, %d switches, %d steps of ladders, %d kills, "
      "%d commands, %d last faults\n",
      static_cast<unsigned long long>(options.seeds), took, tally.promotions, tally.switches,
      tally.steps, tally.kills, tally.requests, tally.last_faults);
  if (options.finds) {
    std::printf("the planted fault was not found\n");
    return 1;
  }
  const int least = static_cast<int>(options.seeds / 10);
  const bool met = tally.promotions >= least && tally.switches >= least && tally.steps >= least &&
                   tally.kills >= least && tally.last_faults >= least;
  if (options.seeds < enough_seeds || met) return 0;
  std::printf("that is too little to prove anything\n");
  return 1;
}

}  // namespace
}  // namespace pointsman::sim

int main(int argc, char** argv) {
  const pointsman::sim::Options options = pointsman::sim::options_of(argc, argv);
  return options.replays ? pointsman::sim::replay(options) : pointsman::sim::search(options);
}
