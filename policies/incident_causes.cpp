#include "policies/incident_causes.hpp"

#include <algorithm>
#include <set>

#include "policies/incident_evidence.hpp"

namespace pointsman {
namespace {

const ServicePolicy* service_of(const PolicySet& policy, const Member& part) {
  const auto* name = std::get_if<ServiceName>(&part);
  if (!name) return nullptr;
  const auto it = policy.services.find(*name);
  return it == policy.services.end() ? nullptr : &it->second;
}

bool is_down(const CauseView& view, const Member& part) {
  return view.state_of(part) == State::unhealthy;
}

/// Routes first: they know most about why. Probes last.
int rank(const Member& part) {
  if (std::holds_alternative<RouteName>(part)) return 0;
  return std::holds_alternative<ServiceName>(part) ? 1 : 2;
}

bool has_member(const Incident& incident, const std::string& part) {
  const auto& members = incident.members;
  return std::find(members.begin(), members.end(), part) != members.end();
}

std::vector<Member> failing_members(const CauseView& view, const ServicePolicy& service) {
  std::vector<Member> failing;
  for (const Member& member : service.members) {
    if (is_down(view, member)) failing.push_back(member);
  }
  std::stable_sort(failing.begin(), failing.end(),
                   [](const Member& a, const Member& b) { return rank(a) < rank(b); });
  return failing;
}

/// The open incident of a route that has this probe among its candidates.
std::shared_ptr<const Incident> of_its_route(const CauseView& view, const IncidentBook& book,
                                             const ProbeName& probe) {
  for (const auto& [name, route] : view.policy.routes) {
    const auto& list = route.candidates;
    if (std::find(list.begin(), list.end(), probe) == list.end()) continue;
    if (auto incident = book.find_open(to_text(Member{name}))) return incident;
  }
  return nullptr;
}

/// Who looks at it is told of its death, whatever they ask of it. An HTTP server fails path by
/// path.
bool is_of_server(const ProbePolicy& probe, const std::optional<Endpoint>& server) {
  return server && probe.kind != ProbeKind::http && probe.endpoint == server;
}

/// That of another probe that is down and looks at the same server (host and port), or of the route
/// that this one is a candidate of. Whoever has to be called does not join what calls nobody.
std::shared_ptr<const Incident> of_same_server(const CauseView& view, const IncidentBook& book,
                                               const ProbeName& probe) {
  const auto own = view.policy.probes.find(probe);
  if (own == view.policy.probes.end()) return nullptr;
  if (!is_of_server(own->second, own->second.endpoint)) return nullptr;
  for (const auto& [name, other] : view.policy.probes) {
    if (name == probe || !is_of_server(other, own->second.endpoint) || !is_down(view, name)) {
      continue;
    }
    auto incident = covering(book, to_text(Member{name}));
    if (!incident) incident = of_its_route(view, book, name);
    if (incident && incident->severity >= severity_at_first(view.policy, probe)) return incident;
  }
  return nullptr;
}

std::shared_ptr<const Incident> cause_of(const CauseView& view, const IncidentBook& book,
                                         const Member& member) {
  if (auto incident = covering(book, to_text(member))) return incident;
  const auto* probe = std::get_if<ProbeName>(&member);
  if (!probe) return nullptr;
  if (auto incident = of_its_route(view, book, *probe)) return incident;
  return of_same_server(view, book, *probe);
}

/// The service itself and all that contain it or the part, by way of others too.
std::set<ServiceName> services_over(const PolicySet& policy, const Member& part) {
  std::set<ServiceName> over;
  if (const auto* own = std::get_if<ServiceName>(&part)) over.insert(*own);
  for (bool grown = true; grown;) {  // ends: it grows, and there are so many services and no more
    grown = false;
    for (const auto& [name, service] : policy.services) {
      if (over.contains(name)) continue;
      const bool contains =
          std::any_of(service.members.begin(), service.members.end(), [&](const Member& member) {
            const auto* inner = std::get_if<ServiceName>(&member);
            return member == part || (inner && over.contains(*inner));
          });
      if (contains) grown = over.insert(name).second;
    }
  }
  return over;
}

}  // namespace

std::shared_ptr<const Incident> covering(const IncidentBook& book, const std::string& part) {
  if (auto own = book.find_open(part)) return own;
  return book.find_open_with(part);
}

Root root_of(const CauseView& view, const IncidentBook& book, const Member& part) {
  Root root;
  root.subject = to_text(part);
  const auto take = [&root](const std::shared_ptr<const Incident>& incident) {
    root.incident = incident->id;
    root.subject = incident->subject;
    root.members.clear();
    return root;
  };
  if (const auto incident = cause_of(view, book, part)) return take(incident);
  const ServicePolicy* service = service_of(view.policy, part);
  if (!service) return root;
  for (const Member& member : failing_members(view, *service)) {
    if (const auto incident = cause_of(view, book, member)) return take(incident);
    root.members.push_back(to_text(member));
  }
  return root;
}

Severity severity_at_first(const PolicySet& policy, const Member& part) {
  const std::set<ServiceName> over = services_over(policy, part);
  const bool critical = std::any_of(over.begin(), over.end(), [&](const ServiceName& name) {
    const auto it = policy.services.find(name);
    return it != policy.services.end() && it->second.critical;
  });
  if (!critical) return Severity::warning;
  for (const auto& [name, ladder] : policy.recovery) {
    const auto* service = std::get_if<ServiceName>(&ladder.when.subject);
    const bool of_it = ladder.when.subject == part || (service && over.contains(*service));
    if (of_it && !ladder.escalate.empty()) return Severity::warning;
  }
  return Severity::critical;
}

IncidentId open_or_join(MonoTime now, const CauseView& view, const Member& part,
                        IncidentBook& book) {
  const Root root = root_of(view, book, part);
  if (root.incident != IncidentId{}) {
    book.join(root.incident, to_text(part));
    return root.incident;
  }
  OpenIncident open;
  open.subject = root.subject;
  open.severity = severity_at_first(view.policy, part);
  open.cause = std::string(to_text(view.state_of(part)));
  open.why = view.why_of(part);
  if (view.onset_of) {
    const Onset onset = view.onset_of(part);
    open.first_failure = onset.first_failure;
    open.last_good = onset.last_good;
  }
  const IncidentId id = book.open(now, open);
  for (const std::string& member : root.members) book.join(id, member);
  book.mark(id, Mark::unhealthy, now);
  book.note(id, now, open.why, {});
  return id;
}

void cover_services(MonoTime now, const CauseView& view, const std::vector<ServiceName>& order,
                    IncidentBook& book) {
  for (const ServiceName& name : order) {
    if (!is_down(view, name)) continue;
    const IncidentId id = open_or_join(now, view, name, book);
    // What fails only now by the same cause is shown with it.
    if (book.find(id)->subject != name.text) continue;
    for (const Member& member : failing_members(view, view.policy.services.at(name))) {
      const std::string part = to_text(member);
      // Its own incident first: among a thousand the others take a while to look through.
      if (!has_member(*book.find(id), part) && !covering(book, part)) book.join(id, part);
    }
  }
}

void close_recovered(MonoTime now, const CauseView& view,
                     const std::function<bool(IncidentId)>& held, IncidentBook& book) {
  std::vector<std::pair<IncidentId, std::optional<State>>> over;  // closing changes the list
  for (const auto& [subject, id] : book.open_subjects()) {
    const auto part = part_named(view.policy, subject);
    if (part && std::holds_alternative<RouteName>(*part)) continue;
    const auto state = part ? std::optional(view.state_of(*part)) : std::nullopt;
    const bool stays = state && (state == State::unknown || state == State::unhealthy || held(id));
    if (!stays) over.emplace_back(id, state);
  }
  for (const auto& [id, state] : over) {
    const std::string subject = book.find(id)->subject;
    if (!state) {
      book.note(id, now, "closed: " + subject + " is no longer configured", {});
    } else {
      book.mark(id, Mark::verified, now);
      book.note(id, now, subject + " is " + std::string(to_text(*state)) + " again", {});
      book.ask_nothing(id);
    }
    book.close(id, now);
  }
}

}  // namespace pointsman
