// services: members, need, scope; and, when everything has been read, what the names lead to.
#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "daemon/config/did_you_mean.hpp"
#include "daemon/config/draft.hpp"
#include "daemon/config/redact.hpp"

namespace pointsman {
namespace {

constexpr std::string_view route_prefix = "route:";

void read_need(MapReader& reader, ServiceDraft& service) {
  const YamlNode* node = reader.find("need");
  if (!node) return;
  service.need_at = node->at;
  const auto text =
      scalar_text(reader.findings(), *node, reader.path_of("need"), "all, any or a number");
  if (!text || *text == "all") return;
  if (*text == "any") {
    service.need_any = true;
    return;
  }
  const auto number = parse_integer(*text);
  if (!number) {
    reject(reader.findings(), *node, reader.path_of("need"),
           "is not all, any or a number of members" + did_you_mean(*text, {"all", "any"}));
  } else if (number.value() < 1 || number.value() > 100'000) {
    reject(reader.findings(), *node, reader.path_of("need"),
           "is not a number of members: at least 1");
  } else {
    service.need = static_cast<int>(number.value());
  }
}

void read_service(const YamlEntry& entry, Draft& draft) {
  ServiceDraft& service = draft.services[entry.key];
  service.at = entry.key_at;
  service.path = join_path("services", entry.key);
  service.node = &entry.value;
  service.policy.name = ServiceName(entry.key);
  const auto name = parse_name(entry.key);
  if (!name) {
    draft.findings.error(entry.key_at, service.path,
                         fmt::format("'{}' {}", redact_text(entry.key), name.error().message));
  }
  MapReader reader(draft.findings, &entry.value, service.path, entry.key_at);
  const YamlNode* members =
      reader.require("members", "what it consists of: `members: [disk, app]`");
  std::set<std::string> seen;
  for (const auto& [text, node] : reader.list("members", "[disk, app, \"route:bud\"]")) {
    MemberDraft member{.text = text, .node = node, .path = reader.path_of("members")};
    if (!seen.insert(text).second) {
      reject(draft.findings, *node, member.path, "is listed twice");
    } else {
      service.members.push_back(std::move(member));
    }
  }
  if (members && members->kind == YamlNode::Kind::sequence && members->items.empty()) {
    reader.error("members", "empty: a service without members would never be unwell");
  }
  read_need(reader, service);
  service.policy.critical = reader.boolean("critical").value_or(true);
  service.scope = reader.choice<Scope>("scope", {{"node", Scope::node}, {"shared", Scope::shared}});
  reader.finish();
}

/// A member that is written without its prefix, or nearly.
std::string member_hint(const std::string& text, const Draft& draft) {
  const bool prefixed = text.compare(0, route_prefix.size(), route_prefix) == 0;
  const std::string name = prefixed ? text.substr(route_prefix.size()) : text;
  const std::string route =
      draft.routes.count(name) != 0 || !prefixed ? name : nearest(name, names_of(draft.routes));
  if (draft.routes.count(route) != 0) {
    return fmt::format(", did you mean '{}{}'?", route_prefix, route);
  }
  if (prefixed) return {};
  std::vector<std::string> known = names_of(draft.probes);
  for (const auto& service : names_of(draft.services)) known.push_back(service);
  for (const auto& other : names_of(draft.routes))
    known.push_back(std::string(route_prefix) + other);
  return did_you_mean(text, known);
}

void link_member(const MemberDraft& member, ServiceDraft& service, Draft& draft) {
  if (member.text.compare(0, route_prefix.size(), route_prefix) == 0) {
    const std::string route = member.text.substr(route_prefix.size());
    if (draft.routes.count(route) != 0) {
      service.policy.members.emplace_back(RouteName(route));
    } else {
      reject(draft.findings, *member.node, member.path,
             fmt::format("names no route{}", member_hint(member.text, draft)));
    }
    return;
  }
  if (const auto probe = draft.probes.find(member.text); probe != draft.probes.end()) {
    service.policy.members.emplace_back(ProbeName(member.text));
    if (!probe->second.policy.enabled) {
      draft.findings.warn(member.node->at, member.path,
                          fmt::format("{} has `enabled: false`: it stays unknown, and so may {}",
                                      show(*member.node, member.path), service.policy.name.text));
    }
  } else if (draft.services.count(member.text) != 0) {
    service.policy.members.emplace_back(ServiceName(member.text));
  } else {
    reject(draft.findings, *member.node, member.path,
           fmt::format("names no probe and no service{}", member_hint(member.text, draft)));
  }
}

/// Walks the services from one; a service met again on the way is a cycle.
class CycleFinder {
 public:
  explicit CycleFinder(Draft& draft) : draft_(draft) {}

  void visit(const std::string& name) {
    if (done_.count(name) != 0) return;
    const auto on_way = std::find(way_.begin(), way_.end(), name);
    if (on_way != way_.end()) {
      std::string text;
      for (auto step = on_way; step != way_.end(); ++step) text += *step + " -> ";
      const ServiceDraft& service = draft_.services.at(name);
      draft_.findings.error(service.at, service.path,
                            fmt::format("contains itself: {}{}", text, name));
      found_ = true;
      return;
    }
    way_.push_back(name);
    for (const auto& member : draft_.services.at(name).policy.members) {
      if (const auto* service = std::get_if<ServiceName>(&member)) visit(service->text);
    }
    way_.pop_back();
    done_.insert(name);
  }
  bool found() const { return found_; }

 private:
  Draft& draft_;
  std::vector<std::string> way_;
  std::set<std::string> done_;
  bool found_ = false;
};

/// SPEC section 4: all of it local is `node`; a route, or anything elsewhere, makes it `shared`.
Scope infer_scope(const std::string& name, Draft& draft) {
  ServiceDraft& service = draft.services.at(name);
  if (service.scope) return *service.scope;
  for (const auto& member : service.policy.members) {
    if (std::holds_alternative<RouteName>(member)) return Scope::shared;
    if (const auto* probe = std::get_if<ProbeName>(&member)) {
      if (!draft.probes.at(probe->text).local) return Scope::shared;
    }
    if (const auto* inner = std::get_if<ServiceName>(&member)) {
      if (infer_scope(inner->text, draft) == Scope::shared) return Scope::shared;
    }
  }
  return Scope::node;
}

void warn_of_shared_members(const ServiceDraft& service, Draft& draft) {
  if (service.scope != Scope::node || !service.policy.critical) return;
  for (const auto& member : service.policy.members) {
    const auto* probe = std::get_if<ProbeName>(&member);
    const bool shared =
        std::holds_alternative<RouteName>(member) || (probe && !draft.probes.at(probe->text).local);
    if (!shared) continue;
    draft.findings.warn(
        service.at, service.path,
        fmt::format("has `scope: node`, but '{}' is shared by all hosts: when it fails, every host "
                    "leaves the load balancer at once",
                    to_text(member)));
    return;
  }
}

void link_need(ServiceDraft& service, Findings& findings) {
  const auto count = static_cast<int>(service.members.size());
  service.policy.need = service.need_any ? 1 : service.need.value_or(std::max(count, 1));
  if (service.need && *service.need > count && count > 0) {
    findings.error(service.need_at, service.path + ".need",
                   fmt::format("{} of {} members can never be had", *service.need, count));
  }
}

}  // namespace

void read_services(MapReader& root, Draft& draft) {
  MapReader section(draft.findings, root.find_section("services"), "services",
                    root.key_position("services"));
  if (!section.node()) return;
  for (const auto& entry : section.node()->entries) read_service(entry, draft);
}

void link_services(Draft& draft) {
  for (auto& [name, service] : draft.services) {
    for (const auto& member : service.members) link_member(member, service, draft);
    link_need(service, draft.findings);
    if (draft.probes.count(name) != 0) {
      draft.findings.warn(service.at, service.path,
                          fmt::format("a probe has this name too: as a member, '{}' is the probe",
                                      redact_text(name)));
    }
  }
  CycleFinder finder(draft);
  for (const auto& [name, service] : draft.services) finder.visit(name);
  if (finder.found()) return;
  for (auto& [name, service] : draft.services) {
    service.policy.scope = infer_scope(name, draft);
    service.policy.scope_inferred = !service.scope;
    warn_of_shared_members(service, draft);
  }
}

}  // namespace pointsman
