// Runs probers when the engine asks, at most once at a time each, and ends every run by its
// deadline.
//
// On the loop's thread. Each run ends in exactly one `Done` unless a reload took the probe away.
// All deadlines share one timer: a thousand probes a second do not arm a thousand.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "policies/model/policy.hpp"
#include "probes/prober.hpp"

namespace pointsman {

class ProbeRunner {
 public:
  using Done = std::function<void(Sample)>;
  using Ended = std::function<void(const ProbeName&, SessionEnd)>;
  /// A deadline was looked at so much after its time: told before what then ends is given.
  using Late = std::function<void(Duration)>;

  ProbeRunner(ProberServices services, Done done, Ended ended, Late late);
  ~ProbeRunner();
  ProbeRunner(const ProbeRunner&) = delete;
  ProbeRunner& operator=(const ProbeRunner&) = delete;

  /// Keeps the probers whose fingerprint is unchanged; the others are cancelled and closed.
  void load(const PolicySet& policy, const std::map<ProbeName, ProbeSpec>& specs);
  void run(const ProbeName& name);
  /// Cancels every run. Nothing is called back afterwards.
  void stop();
  /// Runs that have not ended yet, those of probes that a reload took away included.
  std::size_t running() const { return running_; }

 private:
  struct Slot;
  using SlotPtr = std::shared_ptr<Slot>;

  void finish(const SlotPtr& slot, std::exception_ptr error, Finding finding);
  void retire(const SlotPtr& slot);
  void arm();
  void expire();

  ProberServices services_;
  Done done_;
  Ended ended_;
  Late late_;
  std::map<ProbeName, SlotPtr> slots_;
  std::set<std::pair<MonoTime, SlotPtr>> deadlines_;
  asio::steady_timer timer_;
  MonoTime armed_for_ = MonoTime::max();
  std::size_t running_ = 0;
  bool stopped_ = false;
  std::shared_ptr<ProbeRunner*> alive_;  ///< what was posted looks here whether we are still there
};

}  // namespace pointsman
