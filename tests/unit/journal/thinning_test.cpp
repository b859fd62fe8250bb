#include "daemon/journal/thinning.hpp"

#include <catch2/catch.hpp>

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

Sample sample_at(std::chrono::seconds when, Outcome outcome, const char* probe = "primary") {
  Sample sample;
  sample.probe = ProbeName(probe);
  sample.started = MonoTime{when};
  sample.finished = MonoTime{when};
  sample.finding.outcome = outcome;
  sample.finding.reason = outcome == Outcome::pass ? Reason::ok : Reason::connect_refused;
  return sample;
}

WallTime wall(std::chrono::seconds when) {
  return WallTime{when};
}

std::vector<long> kept_seconds(const std::vector<SampleRow>& rows) {
  std::vector<long> seconds;
  for (const auto& row : rows) {
    seconds.push_back(
        std::chrono::duration_cast<std::chrono::seconds>(row.at.time_since_epoch()).count());
  }
  return seconds;
}

}  // namespace

TEST_CASE("a quiet probe keeps one sample a minute") {
  Thinning thinning;
  std::vector<SampleRow> all;
  for (auto t = 0s; t < 600s; t += 5s) {
    for (auto& row : thinning.add(sample_at(t, Outcome::pass), wall(t))) all.push_back(row);
  }
  CHECK(kept_seconds(all) == std::vector<long>{0, 60, 120, 180, 240, 300, 360, 420, 480, 540});
}

TEST_CASE("a change keeps its neighbours, each once") {
  Thinning thinning;
  std::vector<SampleRow> all;
  for (auto t = 0s; t < 50s; t += 5s) {
    const auto outcome = t < 20s ? Outcome::pass : Outcome::fail;
    for (auto& row : thinning.add(sample_at(t, outcome), wall(t))) all.push_back(row);
  }
  // 0: the first; 15 before, 20 the change, 25 after.
  CHECK(kept_seconds(all) == std::vector<long>{0, 15, 20, 25});
}

TEST_CASE("a probe that flaps every second stays within its rows a minute") {
  Thinning thinning;
  std::size_t rows = 0;
  for (auto t = 0s; t < 600s; t += 1s) {
    const auto outcome = t.count() % 2 == 0 ? Outcome::pass : Outcome::fail;
    rows += thinning.add(sample_at(t, outcome), wall(t)).size();
  }
  CHECK(rows <= 10 * 3 * static_cast<std::size_t>(Thinning::max_changes));
  CHECK(rows >= 10);
}

TEST_CASE("probes do not thin each other") {
  Thinning thinning;
  CHECK(thinning.add(sample_at(0s, Outcome::pass, "a"), wall(0s)).size() == 1);
  CHECK(thinning.add(sample_at(1s, Outcome::pass, "b"), wall(1s)).size() == 1);
  CHECK(thinning.add(sample_at(2s, Outcome::pass, "a"), wall(2s)).empty());
}
