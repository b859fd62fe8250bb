#include "policies/simulation/history_builder.hpp"

#include <algorithm>
#include <utility>

namespace pointsman {
namespace {

struct Answered {
  std::uint64_t operator()(const ActionFinished& e) const {
    return static_cast<std::uint64_t>(e.id);
  }
  std::uint64_t operator()(const StepFinished& e) const { return static_cast<std::uint64_t>(e.id); }
  template <class Other>
  std::uint64_t operator()(const Other&) const {
    return 0;
  }
};

}  // namespace

void HistoryBuilder::add(RecordedRow row) {
  if (std::holds_alternative<LifeBegan>(row.body)) {
    begin(row.from, true);
    return;
  }
  HistoryLife& life = history_.lives.empty() ? begin(row.from, false) : history_.lives.back();
  life.ended = std::max(life.ended, row.to);
  std::visit([&](auto& body) { put(life, row, body); }, row.body);
}

History HistoryBuilder::take() {
  const auto by_time = [](const auto& a, const auto& b) { return a.from < b.from; };
  for (HistoryLife& life : history_.lives) {
    for (auto& [name, runs] : life.samples) std::stable_sort(runs.begin(), runs.end(), by_time);
    for (auto& [name, runs] : life.observed) std::stable_sort(runs.begin(), runs.end(), by_time);
  }
  return std::exchange(history_, {});
}

HistoryLife& HistoryBuilder::begin(MonoTime at, bool whole) {
  HistoryLife life;
  life.began = life.ended = at;
  life.whole = whole;
  history_.lives.push_back(std::move(life));
  open_acts_.clear();
  return history_.lives.back();
}

void HistoryBuilder::put(HistoryLife& life, const RecordedRow& row, SampleRun& run) {
  life.ended = std::max(life.ended, run.to + run.took);
  life.samples[ProbeName(row.subject)].push_back(std::move(run));
}

void HistoryBuilder::put(HistoryLife& life, const RecordedRow& row, ObservedRun& run) {
  life.observed[RouteName(row.subject)].push_back(std::move(run));
}

void HistoryBuilder::put(HistoryLife& life, const RecordedRow& row, ActOrdered& act) {
  open_acts_[act.id] = life.acts.size();
  life.acts.push_back({row.from, std::move(act.signature), {}, {}});
}

void HistoryBuilder::put(HistoryLife& life, const RecordedRow& row, Event& event) {
  const std::uint64_t id = std::visit(Answered{}, event);
  if (id == 0) {
    life.events.emplace_back(row.from, std::move(event));
    return;
  }
  const auto act = open_acts_.find(id);
  if (act == open_acts_.end()) return;  // ordered before what was read
  life.acts[act->second].ended = row.from;
  life.acts[act->second].answer = std::move(event);
}

}  // namespace pointsman
