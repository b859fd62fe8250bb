// What can be seen of the engine.
#include "policies/engine.hpp"

namespace pointsman {

std::shared_ptr<const Snapshot> Engine::snapshot(MonoTime now) const {
  auto shot = std::make_shared<Snapshot>();
  shot->at = now;
  shot->generation = generation_;
  shot->policy = policy_;
  shot->overall = overall_;
  shot->overall_since = overall_since_;
  shot->serving = serving_;
  shot->distrusted = distrust_since_.has_value();
  shot->flags = operations_.flags();
  shot->automation = operations_.automation();
  shot->drain = operations_.drain();
  shot->requests = requests_;
  shot->incidents = incidents_.stories();
  shot->incidents_open = incidents_.open_count();
  shot->actions = actions_;
  shot->ladders = recovery_.views();
  for (const auto& [name, entry] : probes_) {
    ProbeView view;
    view.kind = entry.policy.kind;
    view.state = entry.check.state();
    view.since = entry.check.since();
    view.sample = entry.last;
    view.streak = entry.check.streak();
    view.flapping = entry.check.flapping();
    view.stale = entry.check.stale();
    view.next_run = entry.next_run;
    view.counters = entry.counters;
    shot->probes.emplace_hint(shot->probes.end(), name, std::move(view));
  }
  if (policy_) {
    for (const auto& [name, service] : policy_->services) {
      ServiceView view;
      const auto state = services_.find(name);
      view.state = state == services_.end() ? State::unknown : state->second;
      const auto since = services_since_.find(name);
      view.since = since == services_since_.end() ? now : since->second;
      view.critical = service.critical;
      view.scope = service.scope;
      for (const Member& member : service.members) {
        view.members.emplace(to_text(member), member_state(member));
      }
      shot->services.emplace(name, std::move(view));
    }
  }
  for (const auto& [name, keeper] : routes_) shot->routes.emplace(name, keeper.view(now));
  return shot;
}

}  // namespace pointsman
