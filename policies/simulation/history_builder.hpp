// Puts a recorder's rows, which come in the order of their keys, together to lives. Pure.
#pragma once

#include <cstdint>
#include <map>

#include "policies/simulation/history.hpp"
#include "policies/simulation/recorder.hpp"

namespace pointsman {

class HistoryBuilder {
 public:
  void add(RecordedRow row);
  History take();

 private:
  HistoryLife& begin(MonoTime at, bool whole);
  void put(HistoryLife&, const RecordedRow&, LifeBegan&) {}
  void put(HistoryLife& life, const RecordedRow& row, SampleRun& run);
  void put(HistoryLife& life, const RecordedRow& row, ObservedRun& run);
  void put(HistoryLife& life, const RecordedRow& row, ActOrdered& act);
  void put(HistoryLife& life, const RecordedRow& row, Event& event);

  History history_;
  std::map<std::uint64_t, std::size_t> open_acts_;  ///< of this life: place by number
};

}  // namespace pointsman
