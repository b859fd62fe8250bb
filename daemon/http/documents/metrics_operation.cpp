// Of /metrics: acts, incidents, flags, ladders and notifiers.
#include <map>

#include "daemon/http/documents/metric_sections.hpp"

namespace pointsman {
namespace {

double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

/// The newest incident of each subject for which `has` holds: one series each subject.
template <class Has>
std::map<std::string, const Incident*> newest_each(const Snapshot& snapshot, Has has) {
  std::map<std::string, const Incident*> newest;
  for (const auto& [id, incident] : snapshot.incidents) {
    if (incident && has(*incident)) newest[incident->subject] = incident.get();
  }
  return newest;
}

void add_recovery_figures(MetricFamilies& all, const Snapshot& snapshot) {
  auto rto = all.gauge("incident_rto_seconds",
                       "Last good sample to verified recovery, of the subject's last incident.");
  for (const auto& [subject, incident] :
       newest_each(snapshot, [](const Incident& one) { return one.rto().has_value(); })) {
    rto.gauge({{"subject", subject}}, seconds(*incident->rto()));
  }
  auto bytes = all.gauge("incident_rpo_bytes",
                         "What the subject's last failover may have lost, as a window; the upper "
                         "bound is known once the old primary is back.");
  auto window =
      all.gauge("incident_rpo_seconds",
                "Span of the commit times that the subject's last failover may have lost.");
  for (const auto& [subject, incident] :
       newest_each(snapshot, [](const Incident& one) { return one.rpo.has_value(); })) {
    const Rpo& rpo = *incident->rpo;
    bytes.gauge({{"subject", subject}, {"bound", "lower"}}, static_cast<double>(rpo.lower_bytes));
    if (rpo.upper_bytes) {
      bytes.gauge({{"subject", subject}, {"bound", "upper"}},
                  static_cast<double>(*rpo.upper_bytes));
    }
    if (rpo.from) window.gauge({{"subject", subject}}, seconds(rpo.to - *rpo.from));
  }
}

}  // namespace

void add_acts(MetricFamilies& all, const Snapshot& snapshot) {
  auto actions = all.counter("actions_total", "Promotions, hooks and steps that have ended.");
  for (const auto& [key, count] : snapshot.actions) {
    actions.counter({{"action", key.first}, {"result", to_text(key.second)}}, count);
  }
  all.gauge("automation_paused", "1 while an operator has paused automation.")
      .gauge({}, snapshot.automation ? 1 : 0);
  all.gauge("drained", "1 while the node is drained.").gauge({}, snapshot.drain ? 1 : 0);
  auto flags = all.gauge("flag_set", "1 for each flag that is set.");
  for (const auto& [name, flag] : snapshot.flags) flags.gauge({{"flag", name.text}}, 1);
}

void add_incidents(MetricFamilies& all, const Snapshot& snapshot) {
  all.gauge("incidents_open", "Incidents that are open.").gauge({}, snapshot.incidents_open);
  int waiting = 0;
  for (const auto& [id, incident] : snapshot.incidents) {
    if (!incident || incident->state != IncidentState::open) continue;
    waiting += incident->needs_human && !incident->acknowledged ? 1 : 0;
  }
  all.gauge("incidents_needing_human",
            "Open incidents that nobody has acknowledged and that "
            "automation does not solve.")
      .gauge({}, waiting);
  add_recovery_figures(all, snapshot);
}

void add_ladders(MetricFamilies& all, const Snapshot& snapshot) {
  auto phase = all.gauge("ladder_phase", "1 for the phase that the ladder is in.");
  auto triggered = all.gauge("ladder_triggered", "1 while the ladder's trigger holds.");
  auto waits = all.gauge("ladder_waits_for_approval", "1 while a step waits for a person.");
  auto runs = all.counter("ladder_runs_total", "Runs of the ladder that have begun.");
  auto skipped =
      all.counter("ladder_triggers_skipped_total", "Triggers during a run, which start no other.");
  for (const auto& [name, ladder] : snapshot.ladders) {
    phase.gauge({{"ladder", name.text}, {"phase", ladder.phase}}, 1);
    triggered.gauge({{"ladder", name.text}}, ladder.triggered ? 1 : 0);
    waits.gauge({{"ladder", name.text}}, ladder.approval != ActionId{} ? 1 : 0);
    runs.counter({{"ladder", name.text}}, ladder.runs);
    skipped.counter({{"ladder", name.text}}, ladder.skipped);
  }
}

void add_notifiers(MetricFamilies& all, const ShellView& shell) {
  auto total = all.counter("notifications_total", "Tries to deliver a notification, by result.");
  auto pending = all.gauge("notifications_pending", "Notifications that wait to be delivered.");
  auto firing = all.gauge("notifications_firing", "Alerts that the notifier keeps firing.");
  auto dropped = all.counter("notifications_dropped_total", "Alerts that were given up.");
  auto last = all.gauge("notifier_last_success_timestamp_seconds",
                        "When the notifier last took a notification.");
  for (const NotifierView& one : shell.notifiers) {
    total.counter({{"notifier", one.name}, {"result", "ok"}}, one.sent_total);
    total.counter({{"notifier", one.name}, {"result", "failed"}}, one.failed_total);
    pending.gauge({{"notifier", one.name}}, static_cast<double>(one.pending));
    firing.gauge({{"notifier", one.name}}, static_cast<double>(one.open));
    dropped.counter({{"notifier", one.name}}, one.dropped_total);
    if (one.last_sent) last.gauge({{"notifier", one.name}}, *one.last_sent);
  }
}

}  // namespace pointsman
