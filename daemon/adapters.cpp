#include "daemon/adapters.hpp"

namespace pointsman {
namespace {

/// All servers that a route may lead to: its candidates and, on reads, its fallback's.
std::vector<SwitchTarget> known_targets(const Config& config, const RouteName& name) {
  std::vector<SwitchTarget> known;
  const auto add = [&](const RoutePolicy& route) {
    for (const ProbeName& candidate : route.candidates) {
      const auto probe = config.policy->probes.find(candidate);
      if (probe == config.policy->probes.end() || !probe->second.endpoint) continue;
      known.push_back({candidate, *probe->second.endpoint});
    }
  };
  const auto route = config.policy->routes.find(name);
  if (route == config.policy->routes.end()) return known;
  add(route->second);
  if (route->second.fallback) {
    const auto fallback = config.policy->routes.find(*route->second.fallback);
    if (fallback != config.policy->routes.end()) add(fallback->second);
  }
  return known;
}

HaproxyRoute haproxy_route(const Config& config, const RouteName& name, const HaproxyVia& via) {
  HaproxyRoute route;
  route.route = name;
  route.socket = via.socket;
  route.backend = via.backend;
  route.servers = via.servers;
  route.state_file = via.server_state_file;
  for (const SwitchTarget& target : known_targets(config, name)) {
    route.known.push_back(target.endpoint);
  }
  if (via.verify) {
    HaproxyVerify verify;
    const auto policy = config.policy->routes.find(name);
    const Require require =
        policy == config.policy->routes.end() ? Require::any : policy->second.require;
    verify.talk = talk_for(require, via.verify->user);
    verify.frontend = via.verify->address;
    verify.user = via.verify->user;
    verify.password = via.verify->password;
    if (!via.verify->database.empty()) verify.database = via.verify->database;
    verify.tls = via.verify->tls;
    route.verify = std::move(verify);
  }
  return route;
}

/// The template was parsed when the configuration was read: an error cannot come up here any more.
FileRoute file_route(const Config& config, const RouteName& name, const FileVia& via) {
  FileRoute route;
  route.route = name;
  route.path = via.path;
  auto parsed = FileTemplate::parse(via.template_text, via.template_file);
  if (parsed.ok()) route.tmpl = std::move(parsed.value());
  route.reload = via.reload;
  route.verify = via.verify;
  route.known = known_targets(config, name);
  return route;
}

}  // namespace

RouteRunner::Adapters AllAdapters::make(const Config& config) {
  std::vector<PgbouncerRoute> poolers;
  std::vector<HaproxyRoute> proxies;
  std::vector<FileRoute> files;
  for (const auto& [route, vias] : config.vias) {
    for (const Via& via : vias) {
      if (const auto* p = std::get_if<PgbouncerVia>(&via)) {
        poolers.push_back({route, p->admin, p->file, p->database, p->options, p->verify_user,
                           p->verify_password});
      } else if (const auto* h = std::get_if<HaproxyVia>(&via)) {
        proxies.push_back(haproxy_route(config, route, *h));
      } else if (const auto* f = std::get_if<FileVia>(&via)) {
        files.push_back(file_route(config, route, *f));
      }
    }
  }
  const auto made_poolers = pgbouncer_.make(poolers);
  const auto made_proxies = haproxy_.make(proxies);
  const auto made_files = file_.make(files);

  RouteRunner::Adapters by_route;
  std::size_t pooler = 0, proxy = 0, file = 0;
  for (const auto& [route, vias] : config.vias) {
    for (const Via& via : vias) {
      auto& list = by_route[route];
      if (std::holds_alternative<PgbouncerVia>(via)) list.push_back(made_poolers[pooler++]);
      if (std::holds_alternative<HaproxyVia>(via)) list.push_back(made_proxies[proxy++]);
      if (std::holds_alternative<FileVia>(via)) list.push_back(made_files[file++]);
    }
  }
  return by_route;
}

}  // namespace pointsman
