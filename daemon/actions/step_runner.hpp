// Runs those steps of a recovery ladder that act on the world by themselves: exec, http,
// restart_unit, reload_unit.
//
// The engine does the rest (switches, flags, waiting), counts the retries and verifies: a step is
// one try here. failed: it had no effect that a further try could double (a command that said so, a
// status that was answered, a request that was never sent). unknown: it may have had, so it is not
// tried again. Loop's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/actions/outside_call.hpp"
#include "policies/model/effect.hpp"

namespace pointsman {

class SystemBus;

class StepRunner {
 public:
  explicit StepRunner(ProberServices services);
  ~StepRunner();

  /// As many of each ladder as it has steps, in order. Asks for the users of commands, which may
  /// block: not while the loop serves.
  void load(const std::map<LadderName, std::vector<StepSpec>>& steps);

  /// Within StepPolicy::timeout and a little. The caller must have called
  /// throw_if_cancelled(false).
  asio::awaitable<StepFinished> async_run(RunStep order);

 private:
  std::shared_ptr<OutsideCall> find(const RunStep& order) const;
  asio::awaitable<ActReport> async_unit(RunStep order, MonoTime deadline);

  const ProberServices services_;
  std::map<LadderName, std::vector<std::shared_ptr<OutsideCall>>> calls_;
  std::shared_ptr<SystemBus> bus_;
};

/// POINTSMAN_LADDER, _STEP (its number, from 1), _SUBJECT, _INCIDENT, _ATTEMPT.
CallVariables step_variables(const RunStep& order);

}  // namespace pointsman
