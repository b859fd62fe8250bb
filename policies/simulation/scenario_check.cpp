#include "policies/simulation/scenario_check.hpp"

#include <algorithm>

#include "policies/explain.hpp"

namespace pointsman::sim {
namespace {

const RouteView* route_of(const ScenarioView& view, const RouteName& name) {
  const auto it = view.seen->routes.find(name);
  return it == view.seen->routes.end() ? nullptr : &it->second;
}

State state_of(const ScenarioView& view, const Member& member) {
  if (const auto* probe = std::get_if<ProbeName>(&member)) {
    const auto it = view.seen->probes.find(*probe);
    return it == view.seen->probes.end() ? State::unknown : it->second.state;
  }
  if (const auto* service = std::get_if<ServiceName>(&member)) {
    const auto it = view.seen->services.find(*service);
    return it == view.seen->services.end() ? State::unknown : it->second.state;
  }
  const RouteView* route = route_of(view, std::get<RouteName>(member));
  return route ? route->state : State::unknown;
}

bool same_targets(std::vector<ProbeName> a, std::vector<ProbeName> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

std::string_view phase_of(const ScenarioView& view, const LadderName& name) {
  const auto it = view.seen->ladders.find(name);
  return it == view.seen->ladders.end() ? std::string_view{} : std::string_view(it->second.phase);
}

bool fits(const Happened& wanted, const TimelineLine& line) {
  return line.who == scenario_agent && (wanted.kind.empty() || wanted.kind == line.kind) &&
         (wanted.subject.empty() || wanted.subject == line.subject) &&
         (wanted.says.empty() || line.text.find(wanted.says) != std::string::npos);
}

bool has_happened(const Happened& wanted, const ScenarioView& view) {
  for (std::size_t i = view.first; i < view.timeline.size(); ++i) {
    if (fits(wanted, view.timeline[i])) return true;
  }
  return false;
}

struct Holds {
  const ScenarioView& view;
  bool operator()(const RouteLeads& c) const {
    const RouteView* route = route_of(view, c.route);
    return route && route->in_effect && same_targets(route->targets, c.targets);
  }
  bool operator()(const RouteDiagnosed& c) const {
    const RouteView* route = route_of(view, c.route);
    return route && route->diagnosis == c.id;
  }
  bool operator()(const StateIs& c) const { return state_of(view, c.of) == c.state; }
  bool operator()(const OverallIs& c) const { return view.seen->overall == c.state; }
  bool operator()(const Serves& c) const { return view.seen->serving.ok == c.ok; }
  bool operator()(const FlagIs& c) const { return view.seen->flags.contains(c.flag) == c.set; }
  bool operator()(const LadderIs& c) const { return phase_of(view, c.ladder) == c.phase; }
  bool operator()(const IncidentsOpen& c) const { return view.seen->incidents_open == c.count; }
  bool operator()(const Happened& c) const { return has_happened(c, view); }
};

struct Instead {
  const ScenarioView& view;
  std::string operator()(const RouteLeads& c) const {
    const RouteView* route = route_of(view, c.route);
    if (!route) return "there is no such route";
    return std::string(route->in_effect ? "it leads to " : "it is to lead to ") +
           join_names(route->targets) + (route->in_effect ? "" : ", which is not in effect") +
           "; diagnosis " + std::string(route->diagnosis) + ": " + route->why;
  }
  std::string operator()(const RouteDiagnosed& c) const {
    const RouteView* route = route_of(view, c.route);
    return route ? "it is " + std::string(route->diagnosis) + ": " + route->why
                 : "there is no such route";
  }
  std::string operator()(const StateIs& c) const {
    return "it is " + std::string(pointsman::to_text(state_of(view, c.of)));
  }
  std::string operator()(const OverallIs&) const {
    return "it is " + std::string(pointsman::to_text(view.seen->overall));
  }
  std::string operator()(const Serves&) const {
    return view.seen->serving.ok ? "it gets traffic" : "no traffic: " + view.seen->serving.reason;
  }
  std::string operator()(const FlagIs& c) const { return c.set ? "it is not" : "it is"; }
  std::string operator()(const LadderIs& c) const {
    return "it is " + std::string(phase_of(view, c.ladder));
  }
  std::string operator()(const IncidentsOpen&) const {
    return std::to_string(view.seen->incidents_open) + " are";
  }
  std::string operator()(const Happened& c) const {
    for (std::size_t i = view.first; i < view.timeline.size(); ++i) {
      if (fits(c, view.timeline[i])) return "it said: " + view.timeline[i].text;
    }
    return "nothing of it has happened";
  }
};

struct Say {
  std::string operator()(const RouteLeads& c) const {
    return "route " + c.route.text + " leads to " + join_names(c.targets);
  }
  std::string operator()(const RouteDiagnosed& c) const {
    return "the diagnosis of route " + c.route.text + " is " + c.id;
  }
  std::string operator()(const StateIs& c) const {
    return pointsman::to_text(c.of) + " is " + std::string(pointsman::to_text(c.state));
  }
  std::string operator()(const OverallIs& c) const {
    return "overall is " + std::string(pointsman::to_text(c.state));
  }
  std::string operator()(const Serves& c) const {
    return c.ok ? "this host gets traffic" : "this host gets no traffic";
  }
  std::string operator()(const FlagIs& c) const {
    return "flag " + c.flag.text + (c.set ? " is set" : " is not set");
  }
  std::string operator()(const LadderIs& c) const {
    return "ladder " + c.ladder.text + " is " + c.phase;
  }
  std::string operator()(const IncidentsOpen& c) const {
    return std::to_string(c.count) + " incidents are open";
  }
  std::string operator()(const Happened& c) const {
    std::string text = c.kind.empty() ? "event" : c.kind;
    if (!c.subject.empty()) text += " of " + c.subject;
    if (!c.says.empty()) text += " that says '" + c.says + "'";
    return text;
  }
};

}  // namespace

bool holds(const Condition& condition, const ScenarioView& view) {
  if (!view.seen && !std::holds_alternative<Happened>(condition.what)) return false;
  return std::visit(Holds{view}, condition.what);
}

std::string instead(const Condition& condition, const ScenarioView& view) {
  if (!view.seen && !std::holds_alternative<Happened>(condition.what)) {
    return "the daemon is dead";
  }
  return std::visit(Instead{view}, condition.what);
}

std::string to_text(const Condition& condition) {
  return std::visit(Say{}, condition.what);
}

}  // namespace pointsman::sim
