// Cases as files: tests/golden/simulation/*.case.
#include <array>
#include <sstream>

#include "tests/simulation/run.hpp"

namespace pointsman::sim {
namespace {

constexpr std::array<const char*, 5> last_words{"nothing", "down", "gone", "frozen", "follow"};

}  // namespace

std::string to_text(const Case& one, const std::string& why) {
  std::string text = "# " + why + "\n" + to_text(one.recipe) + "\nseed " +
                     std::to_string(one.seed) + "\nlast " +
                     last_words[static_cast<std::size_t>(one.last)] + "\n";
  for (const Planned& planned : one.plan) text += to_line(planned) + "\n";
  return text;
}

std::optional<Case> case_of(const std::string& text) {
  Case one;
  std::istringstream in(text);
  std::string line;
  bool has_policy = false;
  while (std::getline(in, line)) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "policy") {
      const auto recipe = recipe_of(line);
      if (!recipe) return std::nullopt;
      one.recipe = *recipe;
      has_policy = true;
    } else if (word == "seed") {
      words >> one.seed;
    } else if (word == "last") {
      words >> word;
      for (std::size_t i = 0; i < last_words.size(); ++i) {
        if (word == last_words[i]) one.last = static_cast<Last>(i);
      }
    } else {
      const auto planned = planned_of(line, one.recipe);
      if (!has_policy || !planned) return std::nullopt;
      one.plan.push_back(*planned);
    }
  }
  return has_policy ? std::optional(one) : std::nullopt;
}

}  // namespace pointsman::sim
