#include "policies/rollup.hpp"

#include <algorithm>

namespace pointsman {

State roll_up(const ServicePolicy& service, const MemberState& state_of) {
  int members = 0, up = 0, unknown = 0;
  bool worse = false;
  for (const Member& member : service.members) {
    const std::optional<State> state = state_of(member);
    if (!state) continue;
    ++members;
    switch (*state) {
      case State::healthy:
        ++up;
        break;
      case State::degraded:
        ++up;
        worse = true;
        break;
      case State::unhealthy:
        worse = true;
        break;
      case State::unknown:
        ++unknown;
        break;
    }
  }
  if (members == 0) return State::unknown;
  const int need = std::min(service.need, members);
  if (up >= need) return worse ? State::degraded : State::healthy;
  return up + unknown >= need ? State::unknown : State::unhealthy;
}

State roll_up_overall(const PolicySet& policy, const std::map<ServiceName, State>& services,
                      bool anything_worse) {
  bool unhealthy = false, unknown = false;
  for (const auto& [name, service] : policy.services) {
    const auto it = services.find(name);
    const State state = it == services.end() ? State::unknown : it->second;
    if (service.critical && state == State::unhealthy) unhealthy = true;
    if (service.critical && state == State::unknown) unknown = true;
    if (state == State::degraded || state == State::unhealthy) anything_worse = true;
  }
  if (unhealthy) return State::unhealthy;
  if (unknown) return State::unknown;
  return anything_worse ? State::degraded : State::healthy;
}

Serving judge_serving(const PolicySet& policy, const std::map<ServiceName, State>& services,
                      std::map<ServiceName, NodeVerdict>& verdicts,
                      const std::function<std::string(const ServiceName&)>& why) {
  Serving serving{true, ""};
  for (const auto& [name, service] : policy.services) {
    if (!service.critical || service.scope != Scope::node) continue;
    NodeVerdict& verdict = verdicts[name];
    const auto it = services.find(name);
    const State state = it == services.end() ? State::unknown : it->second;
    if (state != State::unknown) verdict = {true, state != State::unhealthy};
    if (!serving.ok) continue;
    if (!verdict.given) {
      serving = {false, "service " + name.text + " has no first verdict yet"};
    } else if (!verdict.ok) {
      serving = {false, why(name)};
    }
  }
  return serving;
}

}  // namespace pointsman
