#include "daemon/runtime/probe_runner.hpp"

#include <optional>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>

#include "daemon/runtime/task_group.hpp"
#include "policies/model/invariant.hpp"
#include "probes/clock.hpp"

namespace pointsman {

struct ProbeRunner::Slot {
  ProbeName name;
  std::string fingerprint;
  Duration timeout{};
  std::unique_ptr<Prober> prober;
  RunContext context;
  asio::cancellation_signal cancel;
  MonoTime started{};
  std::optional<SessionEnd> told;  ///< by a session that ended within the run
  bool running = false;
  bool retired = false;
};

ProbeRunner::ProbeRunner(ProberServices services, Done done, Ended ended, Late late)
    : services_(services),
      done_(std::move(done)),
      ended_(std::move(ended)),
      late_(std::move(late)),
      timer_(services.executor),
      alive_(std::make_shared<ProbeRunner*>(this)) {}

ProbeRunner::~ProbeRunner() {
  *alive_ = nullptr;
  stop();
}

void ProbeRunner::load(const PolicySet& policy, const std::map<ProbeName, ProbeSpec>& specs) {
  for (auto it = slots_.begin(); it != slots_.end();) {
    const auto wanted = policy.probes.find(it->first);
    const bool same = wanted != policy.probes.end() && wanted->second.enabled &&
                      wanted->second.fingerprint == it->second->fingerprint;
    if (same) {
      ++it;
    } else {
      retire(it->second);
      it = slots_.erase(it);
    }
  }
  for (const auto& [name, probe] : policy.probes) {
    if (!probe.enabled || slots_.contains(name)) continue;
    auto slot = std::make_shared<Slot>();
    slot->name = name;
    slot->fingerprint = probe.fingerprint;
    slot->timeout = probe.timeout;
    slot->prober = make_prober(name, specs.at(name), services_);
    slot->prober->on_session_end([alive = alive_, weak = std::weak_ptr<Slot>(slot),
                                  executor = services_.executor](SessionEnd how) {
      // Within a run: its sample comes soon, and must not come before it.
      if (const SlotPtr told = weak.lock(); told && told->running) {
        told->told = how;
        return;
      }
      // Not from inside the prober: the engine may want it to run at once.
      asio::post(executor, [alive, weak, how] {
        const SlotPtr ended = weak.lock();
        if (*alive && ended && !ended->retired) (*alive)->ended_(ended->name, how);
      });
    });
    slots_.emplace(name, std::move(slot));
  }
}

void ProbeRunner::run(const ProbeName& name) {
  const auto it = slots_.find(name);
  POINTSMAN_INVARIANT(it != slots_.end(), "the engine ran a probe that is not there");
  const SlotPtr slot = it->second;
  POINTSMAN_INVARIANT(!slot->running, "a probe was run while a run of it was in flight");
  if (stopped_) return;
  slot->running = true;
  ++running_;
  slot->started = mono_now();
  slot->context.deadline = slot->started + slot->timeout;
  deadlines_.emplace(slot->context.deadline, slot);
  arm();
  asio::co_spawn(services_.executor, slot->prober->async_run(slot->context),
                 asio::bind_cancellation_slot(
                     slot->cancel.slot(), [this, slot](std::exception_ptr error, Finding finding) {
                       finish(slot, std::move(error), std::move(finding));
                     }));
}

void ProbeRunner::finish(const SlotPtr& slot, std::exception_ptr error, Finding finding) {
  slot->running = false;
  --running_;
  deadlines_.erase({slot->context.deadline, slot});
  const auto told = std::exchange(slot->told, std::nullopt);
  if (slot->retired) {
    slot->prober->close();
    return;
  }
  if (error) {
    finding = {Outcome::inconclusive, Reason::prober_error, describe(error), {}};
  }
  if (stopped_) return;
  // Before the sample, which may look like a death: a server that was told to stop is not dead.
  if (told) ended_(slot->name, *told);
  done_(Sample{slot->name, slot->started, mono_now(), std::move(finding)});
}

void ProbeRunner::retire(const SlotPtr& slot) {
  slot->retired = true;
  if (slot->running) {
    slot->cancel.emit(asio::cancellation_type::terminal);
  } else {
    slot->prober->close();
  }
}

void ProbeRunner::arm() {
  if (deadlines_.empty()) return;
  const MonoTime first = deadlines_.begin()->first;
  if (first >= armed_for_) return;  // an earlier wake-up is on its way and arms again
  armed_for_ = first;
  timer_.expires_at(to_steady(first));
  timer_.async_wait([this, alive = alive_](error_code ec) {
    if (!ec && *alive) expire();
  });
}

void ProbeRunner::expire() {
  armed_for_ = MonoTime::max();
  const MonoTime now = mono_now();
  // Whoever answered meanwhile was not heard: a timeout now may be ours, not the target's.
  if (!deadlines_.empty() && deadlines_.begin()->first < now) {
    late_(now - deadlines_.begin()->first);
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const SlotPtr slot = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    slot->cancel.emit(asio::cancellation_type::terminal);
  }
  arm();
}

void ProbeRunner::stop() {
  if (stopped_) return;
  stopped_ = true;
  timer_.cancel();
  deadlines_.clear();
  for (const auto& [name, slot] : slots_) retire(slot);
}

}  // namespace pointsman
