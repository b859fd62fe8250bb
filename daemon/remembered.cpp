#include "daemon/remembered.hpp"

#include <algorithm>
#include <memory>

#include "daemon/actions/promote_steps.hpp"
#include "daemon/actions/switchover_steps.hpp"
#include "daemon/journal/kept_json.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

/// An alert is in the outbox before its incident says who was told: after a kill between the two
/// the outbox knows better, and whoever was told hears of the end too.
void add_told(const JournalMemory& memory, MemoryRestored& restored) {
  for (const OutboxDocument& alert : outbox_of(memory)) {
    for (auto& incident : restored.incidents) {
      if (incident->id != alert.incident) continue;
      const bool known =
          std::any_of(incident->told.begin(), incident->told.end(),
                      [&](const AlertTold& told) { return told.notifier == alert.notifier; });
      if (known) continue;
      auto copy = std::make_shared<Incident>(*incident);
      copy->told.push_back({alert.notifier, ""});
      incident = std::move(copy);
    }
  }
}

}  // namespace

MemoryRestored remembered(const JournalMemory& memory) {
  const Clocks clocks{mono_now(), wall_now()};
  MemoryRestored restored = restored_of(memory, clocks);
  add_told(memory, restored);
  for (const Intent& intent : memory.unfinished) {
    const MonoTime at = clocks.to_mono(intent.at);
    if (const auto steps = promote_steps_of_json(intent.steps)) {
      restored.promotions.push_back({RouteName(steps->route), ProbeName(steps->from),
                                     ProbeName(steps->to), steps->timeline, at});
    } else if (const auto planned = switchover_steps_of_json(intent.steps)) {
      const SwitchOver& order = planned->order;
      restored.promotions.push_back(
          {order.route, order.from.probe, order.to.probe, order.timeline, at});
    }
  }
  return restored;
}

}  // namespace pointsman
