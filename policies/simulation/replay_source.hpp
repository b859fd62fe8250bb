// The recorded world as it answers an engine that is replayed: runs of probes, looks at poolers,
// acts. One for each life of the daemon. Pure; plain cursors over policies/simulation/history.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "policies/model/event.hpp"
#include "policies/model/policy.hpp"
#include "policies/simulation/history.hpp"

namespace pointsman {

struct Answer {
  MonoTime at{};
  Event event;
};

/// The samples of one probe, one after another.
class SampleCursor {
 public:
  explicit SampleCursor(const std::vector<SampleRun>& runs) : runs_(runs) {}

  /// For a run that is asked for at `at`, and came up to `slack` earlier or later in the record.
  /// Nothing: the record ends, and no more comes.
  std::optional<Sample> answer(const ProbeName& probe, MonoTime at, Duration slack);
  /// Goes on to the last sample that had ended by `at`; gives it, and how many were passed over.
  std::optional<Sample> pass_to(const ProbeName& probe, MonoTime at, std::uint64_t& passed);
  /// Instants at which what is found changes, or a hole begins or ends.
  std::vector<MonoTime> changes() const;

 private:
  MonoTime start_of(std::size_t run, std::uint64_t index) const;
  Sample sample(const ProbeName& probe, std::size_t run, std::uint64_t index) const;
  void skip_before(MonoTime at);

  const std::vector<SampleRun>& runs_;
  std::size_t run_ = 0;      ///< the next one
  std::uint64_t index_ = 0;  ///< in it
  std::optional<std::pair<std::size_t, std::uint64_t>> last_;
};

class ReplaySource {
 public:
  ReplaySource(const HistoryLife& life, std::shared_ptr<const PolicySet> policy);

  std::optional<Answer> run(const RunProbe& effect, MonoTime now);
  Answer observe(const ObserveRoute& effect, MonoTime now);
  std::optional<Answer> act(const Effect& effect, MonoTime now);
  /// All probes as they stood at `at`: what a stretch that is left out ends with.
  std::vector<std::pair<Sample, std::uint64_t>> pass_to(MonoTime at);
  /// Every instant at which something happens that is not a repetition, in order.
  std::vector<MonoTime> changes() const;
  bool knows(const ProbeName& probe) const { return cursors_.contains(probe); }

 private:
  struct Pooler {
    std::size_t run = 0;                       ///< the next recorded observation
    std::optional<std::vector<Endpoint>> own;  ///< where it leads since the replay went its own way
    std::vector<Endpoint> shown;               ///< at the last look
  };
  const RecordedAct* match(const std::string& signature, MonoTime now);
  void leave_the_record(const RouteName& route, MonoTime now);
  Answer simulated(const SwitchRoute& order, MonoTime now);

  const HistoryLife& life_;
  std::shared_ptr<const PolicySet> policy_;
  std::map<ProbeName, SampleCursor> cursors_;
  std::map<RouteName, Pooler> poolers_;
  std::vector<bool> matched_;  ///< of life_.acts
};

}  // namespace pointsman
