// What can only be said of routes when the probes are known: do the candidates exist and fit, does
// the fallback, do two routes write the same line of the same file?
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/draft.hpp"
#include "daemon/config/fingerprint.hpp"
#include "daemon/config/redact.hpp"
#include "probes/file_template.hpp"

namespace pointsman {
namespace {

constexpr std::string_view route_prefix = "route:";

std::string_view wanted_kind(Require require) {
  switch (require) {
    case Require::writable:
    case Require::standby:
      return "postgres";
    case Require::master:
    case Require::replica:
      return "redis";
    case Require::any:
      break;
  }
  return "";
}

bool leads_through_pgbouncer(const RouteDraft& route) {
  const auto& via = route.policy.via;
  return std::find(via.begin(), via.end(), ViaKind::pgbouncer) != via.end();
}

/// FACTS section 2: pgbouncer looks a name up again only after dns_max_ttl.
void warn_of_name(const MemberDraft& candidate, const RouteDraft& route, const Endpoint& endpoint,
                  Findings& findings) {
  if (!leads_through_pgbouncer(route) || is_numeric_host(endpoint.host) ||
      is_local_host(endpoint.host)) {
    return;
  }
  findings.warn(candidate.node->at, candidate.path,
                fmt::format("'{}' is reached by the name {}: pgbouncer follows a changed name only "
                            "after dns_max_ttl (15 s by default); an address has no such delay",
                            candidate.text, redact_text(endpoint.host)));
}

void link_candidate(const MemberDraft& candidate, RouteDraft& route, Draft& draft) {
  const auto found = draft.probes.find(candidate.text);
  const auto wrong = [&](const std::string& why) {
    reject(draft.findings, *candidate.node, candidate.path, why);
  };
  if (found == draft.probes.end()) {
    return wrong("names no probe" + did_you_mean(candidate.text, names_of(draft.probes)));
  }
  const ProbeDraft& probe = found->second;
  route.policy.candidates.emplace_back(candidate.text);
  const std::string_view wanted = wanted_kind(route.policy.require);
  if (probe.kind && !wanted.empty() && to_text(*probe.kind) != wanted) {
    return wrong(fmt::format("is a {} probe, but `require: {}` is a question for a {} probe",
                             to_text(*probe.kind), to_text(route.policy.require), wanted));
  }
  if (!probe.policy.enabled) {
    draft.findings.warn(
        candidate.node->at, candidate.path,
        fmt::format("'{}' has `enabled: false`: the route never leads there", candidate.text));
  }
  if (probe.policy.endpoint) {
    warn_of_name(candidate, route, *probe.policy.endpoint, draft.findings);
  } else if (!probe.address_unknown && !probe.no_address.empty()) {
    wrong("cannot be routed to: " + probe.no_address);
  }
}

void check_template_block(const Via& via, const RouteDraft& route, Findings& findings) {
  const auto* file = std::get_if<FileVia>(&via);
  if (!file || file->template_text.empty()) return;
  const auto parsed = FileTemplate::parse(file->template_text, file->template_file);
  if (!parsed || parsed.value().has_block()) return;
  findings.error(route.balance_at, route.path + ".balance",
                 fmt::format("{} has place for one target: put what is there for each between "
                             "{{{{#targets}}}} and {{{{/targets}}}}",
                             redact_text(file->template_file)));
}

void check_balance(const RouteDraft& route, Draft& draft) {
  const RoutePolicy& policy = route.policy;
  if (policy.balance == Balance::none) return;
  if (policy.require == Require::writable || policy.require == Require::master) {
    draft.findings.error(route.balance_at, route.path + ".balance",
                         fmt::format("`require: {}` fits one server at a time: there is nothing to "
                                     "balance over",
                                     to_text(policy.require)));
    return;
  }
  for (const auto& via : route.vias) {
    check_template_block(via, route, draft.findings);
    const auto* haproxy = std::get_if<HaproxyVia>(&via);
    if (!haproxy || haproxy->servers.empty()) continue;
    if (haproxy->servers.size() < route.candidates.size()) {
      draft.findings.error(
          route.balance_at, route.path + ".balance",
          fmt::format(
              "{} candidates need as many server entries in HAProxy's backend, and `server` "
              "names {}",
              route.candidates.size(), haproxy->servers.size()));
    }
  }
  if (!leads_through_pgbouncer(route)) return;
  const Endpoint* first = nullptr;
  std::string first_name;
  for (const auto& name : policy.candidates) {
    const auto& endpoint = draft.probes.at(name.text).policy.endpoint;
    if (!endpoint) continue;
    if (!first) {
      first = &*endpoint;
      first_name = name.text;
    } else if (endpoint->port != first->port) {
      draft.findings.error(
          route.balance_at, route.path + ".balance",
          fmt::format("pgbouncer takes one port for a list of hosts, but '{}' has port {} and '{}' "
                      "has port {}",
                      first_name, first->port, name.text, endpoint->port));
      return;
    }
  }
}

void link_fallback(RouteDraft& route, Draft& draft) {
  if (!route.fallback) return;
  const MemberDraft& fallback = *route.fallback;
  std::vector<std::string> known;
  for (const auto& name : names_of(draft.routes)) known.push_back(std::string(route_prefix) + name);
  const bool prefixed = fallback.text.compare(0, route_prefix.size(), route_prefix) == 0;
  const std::string name = prefixed ? fallback.text.substr(route_prefix.size()) : fallback.text;
  const auto found = draft.routes.find(name);
  const auto wrong = [&](const std::string& why) {
    reject(draft.findings, *fallback.node, fallback.path, why);
  };
  if (!prefixed) {
    return wrong(
        found != draft.routes.end()
            ? fmt::format("is not a route's name with its prefix, did you mean 'route:{}'?", name)
            : "is not route:NAME: a fallback is another route" +
                  did_you_mean(fallback.text, known));
  }
  if (found == draft.routes.end()) {
    const std::string near = nearest(name, names_of(draft.routes));
    return wrong(near.empty() ? "names no route"
                              : fmt::format("names no route, did you mean 'route:{}'?", near));
  }
  if (route.policy.balance == Balance::none) {
    draft.findings.error(fallback.node->at, fallback.path,
                         "only a balanced route has a fallback: add `balance: round_robin`, or put "
                         "the other servers among its candidates");
    return;
  }
  route.policy.fallback = RouteName(name);
  const std::string_view ours = wanted_kind(route.policy.require);
  const std::string_view theirs = wanted_kind(found->second.policy.require);
  if (!ours.empty() && !theirs.empty() && ours != theirs) {
    wrong(fmt::format("leads to {} servers, this route to {} servers", theirs, ours));
  }
}

void find_fallback_cycles(Draft& draft) {
  for (const auto& [start, first] : draft.routes) {
    std::vector<std::string> way{start};
    for (auto next = first.policy.fallback; next;) {
      const bool again = std::find(way.begin(), way.end(), next->text) != way.end();
      way.push_back(next->text);
      if (again) {
        // Told once for a ring: by its member whose name comes first.
        if (next->text == start && *std::min_element(way.begin(), way.end()) == start) {
          std::string text;
          for (const auto& step : way) text += (text.empty() ? "" : " -> ") + step;
          draft.findings.error(first.fallback->node->at, first.fallback->path,
                               "the fallbacks run in a circle: " + text);
        }
        break;
      }
      const auto found = draft.routes.find(next->text);
      next = found == draft.routes.end() ? std::nullopt : found->second.policy.fallback;
    }
  }
}

void check_shared_files(Draft& draft) {
  struct Use {
    const RouteDraft* route;
    Position at;
  };
  std::map<std::pair<std::string, std::string>, Use> uses;
  for (const auto& [name, route] : draft.routes) {
    std::set<std::pair<std::string, std::string>> poolers;
    for (std::size_t i = 0; i < route.vias.size(); ++i) {
      const auto* via = std::get_if<PgbouncerVia>(&route.vias[i]);
      if (!via || via->file.empty()) continue;
      const auto [use, is_new] =
          uses.emplace(std::pair(via->file, via->database), Use{&route, route.via_at[i]});
      if (!is_new && use->second.route != &route) {
        draft.findings.error(
            route.via_at[i], route.path + ".via",
            fmt::format(
                "writes database {} of {}, as the route '{}' does (line {}): give one of them "
                "another database",
                redact_text(via->database), via->file, use->second.route->policy.name.text,
                use->second.at.line));
      }
      if (!via->admin.empty() && !poolers.emplace(via->admin.reveal(), via->database).second) {
        draft.findings.error(route.via_at[i], route.path + ".via",
                             "the same database of the same pooler is listed twice");
      }
    }
  }
}

std::string route_fingerprint(const RouteDraft& route, const Draft& draft) {
  Fingerprint fingerprint;
  fingerprint.add(*route.node);
  fingerprint.add(fmt::format("{} {}", route.policy.observe_interval.count(),
                              route.policy.observe_fast_interval.count()));
  for (const auto& name : route.policy.candidates) {
    const auto& endpoint = draft.probes.at(name.text).policy.endpoint;
    fingerprint.add(endpoint ? to_text(*endpoint) : std::string());
  }
  for (const auto& via : route.vias) {
    if (const auto* file = std::get_if<FileVia>(&via)) fingerprint.add(file->template_text);
  }
  return fingerprint.text();
}

}  // namespace

void link_routes(Draft& draft) {
  for (auto& [name, route] : draft.routes) {
    for (const auto& candidate : route.candidates) link_candidate(candidate, route, draft);
    check_balance(route, draft);
    link_fallback(route, draft);
    route.policy.fingerprint = route_fingerprint(route, draft);
  }
  find_fallback_cycles(draft);
  check_shared_files(draft);
}

}  // namespace pointsman
