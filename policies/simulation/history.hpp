// What was recorded of a daemon's life: every event that its engine was told, samples and
// observations as runs of equal ones.
//
// Plain values; daemon/journal writes and reads them, policies/simulation/replay gives them to
// another policy. Times are on one axis over all lives of the daemon: wall-clock time, counted as
// if it were monotonic. ``Recorder` (recorder.hpp) decides what is
// kept. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "policies/model/effect.hpp"
#include "policies/model/event.hpp"
#include "policies/model/names.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// Samples of one probe that say the same: `count` of them, evenly from `from` to `to`. Positions
/// move evenly from those of `first` to those of `last`.
struct SampleRun {
  MonoTime from{}, to{};  ///< when the first and the last began
  std::uint64_t count = 1;
  Duration took{};  ///< of the last one
  Finding first, last;
  friend bool operator==(const SampleRun&, const SampleRun&) = default;
};

/// What was in effect for one route, as long as that did not change.
struct ObservedRun {
  MonoTime from{}, to{};
  std::vector<PoolerObservation> poolers;
  friend bool operator==(const ObservedRun&, const ObservedRun&) = default;
};

/// An act that was ordered, and what came of it.
struct RecordedAct {
  MonoTime at{};
  std::string signature;  ///< of act_signature
  std::optional<MonoTime> ended;
  std::optional<Event> answer;  ///< ActionFinished or StepFinished; absent: it never ended
  friend bool operator==(const RecordedAct&, const RecordedAct&) = default;
};

/// From one start of the daemon to its end.
struct HistoryLife {
  MonoTime began{}, ended{};
  bool whole = false;  ///< false: its beginning was not recorded, or is older than what was asked
  std::map<ProbeName, std::vector<SampleRun>> samples;
  std::map<RouteName, std::vector<ObservedRun>> observed;
  std::vector<RecordedAct> acts;                   ///< in order
  std::vector<std::pair<MonoTime, Event>> events;  ///< all others, in order
};

struct History {
  std::vector<HistoryLife> lives;  ///< in order
};

/// What an act does to what, whatever its number: "switch bud to replica-1". Empty: no act.
std::string act_signature(const Effect& effect);

/// Do both say the same to a policy? Positions may differ; a lag may by a little.
bool says_the_same(const Finding& a, const Finding& b);

/// The facts of a sample between two, `share` (0 to 1) of the way.
Finding between(const Finding& first, const Finding& last, double share);

}  // namespace pointsman
