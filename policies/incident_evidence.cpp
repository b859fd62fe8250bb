#include "policies/incident_evidence.hpp"

#include <algorithm>
#include <charconv>
#include <type_traits>

#include "policies/explain.hpp"

namespace pointsman {
namespace {

/// What an incident is about, each part once: a service stands for what it rests on.
class Parts {
 public:
  Parts(const PolicySet& policy, const Incident& incident) : policy_(policy) {
    add(incident.subject);
    for (const std::string& member : incident.members) add(member);
    add_own_probes();
  }
  const std::vector<ProbeName>& probes() const { return probes_; }
  const std::vector<RouteName>& routes() const { return routes_; }

 private:
  void add(const std::string& name) {
    if (const auto part = part_named(policy_, name)) add(*part);
  }
  // Ends: services have no cycles, and a service is walked once.
  void add(const Member& part) {
    if (const auto* probe = std::get_if<ProbeName>(&part)) {
      add_to(probes_, *probe);
    } else if (const auto* route = std::get_if<RouteName>(&part)) {
      const auto it = policy_.routes.find(*route);
      if (it == policy_.routes.end() || !add_to(routes_, *route)) return;
      for (const ProbeName& candidate : it->second.candidates) add_to(probes_, candidate);
    } else {
      const auto& service = std::get<ServiceName>(part);
      const auto it = policy_.services.find(service);
      if (it == policy_.services.end() || !add_to(services_, service)) return;
      for (const Member& member : it->second.members) add(member);
    }
  }
  /// What else may be the cause of much: this host under pressure, its pooler.
  void add_own_probes() {
    for (const auto& [name, probe] : policy_.probes) {
      const bool own = probe.kind == ProbeKind::memory || probe.kind == ProbeKind::cpu ||
                       probe.kind == ProbeKind::pgbouncer;
      if (own && probe.enabled) add_to(own_, name);
    }
    // They come first: a long list of others must not push them out.
    for (const ProbeName& name : probes_) add_to(own_, name);
    probes_ = std::move(own_);
  }
  template <class Name>
  static bool add_to(std::vector<Name>& list, const Name& name) {
    if (std::find(list.begin(), list.end(), name) != list.end()) return false;
    list.push_back(name);
    return true;
  }

  const PolicySet& policy_;
  std::vector<ProbeName> probes_, own_;
  std::vector<RouteName> routes_;
  std::vector<ServiceName> services_;
};

std::string print_number(double value) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 4);
  return {text.data(), end.ptr};
}

std::string print_fact(const FactValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using Value = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<Value, bool>) {
          return v ? "yes" : "no";
        } else if constexpr (std::is_same_v<Value, std::string>) {
          return v;
        } else if constexpr (std::is_same_v<Value, double>) {
          return print_number(v);
        } else if constexpr (std::is_same_v<Value, WallTime>) {
          return std::to_string(v.time_since_epoch().count()) + " ms";
        } else {
          return std::to_string(v);
        }
      },
      value);
}

std::string print_facts(const Facts& facts) {
  std::string text;
  for_each_fact(facts, [&text](std::string_view name, const FactValue& value) {
    text += (text.empty() ? "" : ", ") + std::string(name) + "=" + print_fact(value);
  });
  return text;
}

void add(Details& to, std::string name, std::string text) {
  if (!text.empty()) to.emplace_back(std::move(name), cut_text(std::move(text), evidence_text));
}

void add_probe(Details& to, const ProbeEntry& entry, MonoTime now) {
  const std::string& name = entry.policy.name.text;
  std::string text(to_text(entry.check.state()));
  text += "; " + describe_sample(entry.last ? &*entry.last : nullptr, now);
  add(to, name, std::move(text));
  if (entry.conclusive) add(to, name + " facts", print_facts(entry.conclusive->finding.facts));
}

std::string print_guards(const std::vector<Guard>& guards) {
  std::string denies, allows;
  for (const Guard& guard : guards) {
    if (guard.allow) {
      allows += (allows.empty() ? "" : ", ") + std::string(guard.name);
    } else {
      denies += (denies.empty() ? "" : ", ") + std::string(guard.name) + " (" + guard.value +
                "; limit " + guard.limit + ")";
    }
  }
  if (guards.empty()) return {};
  return "deny: " + (denies.empty() ? "none" : denies) + "; allow: " + allows;
}

/// "app: 3 clients active, 12 waiting for up to 4s; servers 5 active, 0 idle".
std::string print_pool(const PoolFigures& pool) {
  std::string text = pool.user + ": " + std::to_string(pool.clients_active) + " clients active, " +
                     std::to_string(pool.clients_waiting) + " waiting";
  if (pool.clients_waiting > 0) text += " for up to " + print_duration(pool.longest_wait);
  return text + "; servers " + std::to_string(pool.servers_active) + " active, " +
         std::to_string(pool.servers_idle) + " idle";
}

std::string print_pools(std::vector<PoolFigures> pools) {
  std::stable_sort(pools.begin(), pools.end(), [](const PoolFigures& a, const PoolFigures& b) {
    return a.longest_wait > b.longest_wait;
  });
  std::string text;
  for (std::size_t i = 0; i < std::min(pools.size(), evidence_pools); ++i) {
    text += (text.empty() ? "" : " | ") + print_pool(pools[i]);
  }
  if (pools.size() > evidence_pools) {
    text += " | and " + std::to_string(pools.size() - evidence_pools) + " more";
  }
  return text;
}

std::string print_pooler(const PoolerObservation& pooler) {
  if (!pooler.reachable) return "does not answer: " + pooler.error;
  std::string text = "leads to ";
  for (std::size_t i = 0; i < pooler.addresses.size(); ++i) {
    text += (i == 0 ? "" : ", ") + to_text(pooler.addresses[i]);
  }
  if (pooler.addresses.empty()) text += "nothing";
  if (pooler.paused) text += ", paused";
  if (pooler.disabled) text += ", disabled";
  return text;
}

void add_route(Details& to, const RouteKeeper& route) {
  const std::string name = to_text(Member{route.policy().name});
  add(to, name,
      std::string(to_text(route.state())) + "; " + std::string(route.diagnosis()) + "; wanted " +
          join_names(route.targets()) + (route.in_effect() ? ", in effect" : ", not in effect"));
  add(to, name + " guards", print_guards(route.guards()));
  int number = 0;
  for (const PoolerObservation& pooler : route.observation()) {
    const std::string which = name + " pooler " + std::to_string(++number);
    add(to, which, print_pooler(pooler));
    add(to, which + " pools", print_pools(pooler.pools));
  }
}

}  // namespace

std::optional<Member> part_named(const PolicySet& policy, const std::string& name) {
  if (name.starts_with("route:")) return Member{RouteName(name.substr(6))};
  if (policy.services.contains(ServiceName(name))) return Member{ServiceName(name)};
  if (policy.probes.contains(ProbeName(name))) return Member{ProbeName(name)};
  return std::nullopt;
}

IncidentStage stage_of(const Incident& incident) {
  IncidentStage stage{incident.state,           incident.severity,    incident.cause,
                      incident.attempts.size(), incident.needs_human, {}};
  for (std::size_t i = 0; i < mark_count; ++i) stage.marks[i] = incident.marks[i].has_value();
  return stage;
}

std::string describe_change(const IncidentStage& before, const IncidentStage& after) {
  std::string text;
  const auto say = [&text](std::string_view what) {
    text += (text.empty() ? "" : ", ") + std::string(what);
  };
  for (std::size_t i = 0; i < mark_count; ++i) {
    if (after.marks[i] && !before.marks[i]) say(to_text(static_cast<Mark>(i)));
  }
  if (after.cause != before.cause) say(after.cause);
  if (after.attempts != before.attempts) say("attempt " + std::to_string(after.attempts));
  if (after.severity != before.severity) say(to_text(after.severity));
  if (after.needs_human != before.needs_human) {
    say(after.needs_human ? "a human is needed" : "no human is needed");
  }
  if (after.state != before.state) say(to_text(after.state));
  return text;
}

Details gather_evidence(const EvidenceView& view, const Incident& incident, MonoTime now) {
  const Parts parts(view.policy, incident);
  Details evidence;
  std::size_t room = evidence_routes;
  for (const RouteName& name : parts.routes()) {
    const auto it = view.routes.find(name);
    if (it != view.routes.end() && room-- > 0) add_route(evidence, it->second);
    if (room == 0) break;
  }
  room = evidence_probes;
  for (const ProbeName& name : parts.probes()) {
    const auto it = view.probes.find(name);
    if (it == view.probes.end()) continue;
    if (room-- == 0) break;
    add_probe(evidence, it->second, now);
  }
  if (parts.probes().size() > evidence_probes) {
    add(evidence, "left out", std::to_string(parts.probes().size() - evidence_probes) + " probes");
  }
  return evidence;
}

}  // namespace pointsman
