// Decides what of an engine's events is recorded, so that another policy can be tried on it later:
// runs of equal samples while all is calm; every single one of a probe for `detail_time` after it
// changed (or began with anything but a pass), and of a route's candidates after anything about
// routes did, since there positions and instants matter.
//
// Pure; lives on the loop's thread, in the journal. Limits: a probe has `detail_rows` single rows
// at once and gets one more each `detail_refill`; beyond them a change that flaps is left out, and
// the run before it is taken to go on. An open run is handed out again each `refresh`, so that a
// kill loses no more than that.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "policies/simulation/history.hpp"

namespace pointsman {

struct LifeBegan {
  friend bool operator==(const LifeBegan&, const LifeBegan&) = default;
};
/// An act was ordered; its answer is an event with the same number.
struct ActOrdered {
  std::uint64_t id = 0;
  std::string signature;
  friend bool operator==(const ActOrdered&, const ActOrdered&) = default;
};

/// One row. A row with the key of an earlier one takes its place.
struct RecordedRow {
  std::uint64_t key = 0;
  MonoTime from{}, to{};
  std::string subject;  ///< probe or route; empty where the body says it
  std::variant<LifeBegan, SampleRun, ObservedRun, ActOrdered, Event> body;
  bool urgent = true;  ///< false: an open run, which may wait a minute for the disk
  friend bool operator==(const RecordedRow&, const RecordedRow&) = default;
};

class Recorder {
 public:
  static constexpr Duration detail_time = std::chrono::minutes{1};
  static constexpr Duration refresh = std::chrono::minutes{1};
  static constexpr Duration detail_refill = std::chrono::seconds{6};
  static constexpr int detail_rows = 600;
  static constexpr std::size_t max_subjects = 10'000;

  /// `shift` turns monotonic times into those of the record; a multiple of the schedule's grain, so
  /// that runs fall due at the same instants in a replay. Keys grow from `first_key` on.
  Recorder(std::uint64_t first_key, Duration shift) : next_key_(first_key), shift_(shift) {}

  /// What was given to the engine at `at`.
  std::vector<RecordedRow> take(MonoTime at, const Event& event);
  /// What it asked for; all but acts is left out.
  std::vector<RecordedRow> take(MonoTime at, const Effect& effect);
  /// The runs that are open, as they stand: at the end of a life.
  std::vector<RecordedRow> flush();

 private:
  template <class Run>
  struct Open {
    std::uint64_t key = 0;  ///< 0: none is open
    Run run;
    MonoTime handed_out{};
  };
  struct Probe {
    Open<SampleRun> open;
    Finding last;
    bool seen = false;
    MonoTime detail_until{};
    int rows_left = detail_rows;
    MonoTime refilled{};
  };

  void take_sample(MonoTime at, const Sample& sample);
  void take_observation(MonoTime at, const RouteObserved& observed);
  void put_event(MonoTime at, Event event);
  bool is_calm(Probe& probe, const Sample& sample, MonoTime at);
  bool may_be_single(Probe& probe, MonoTime at);
  template <class Run>
  void hand_out(Open<Run>& open, const std::string& subject, bool urgent);

  std::uint64_t next_key_;
  Duration shift_;
  bool began_ = false;
  MonoTime detail_until_{};         ///< of the candidates of routes
  std::set<ProbeName> candidates_;  ///< of all routes
  std::map<ProbeName, Probe> probes_;
  std::map<RouteName, Open<ObservedRun>> routes_;
  std::vector<RecordedRow> rows_;
};

}  // namespace pointsman
