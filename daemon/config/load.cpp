// load_config: read, replace references, read the sections, check what refers to what, and build.
#include <algorithm>

#include "daemon/config/config.hpp"
#include "daemon/config/draft.hpp"
#include "daemon/config/redact.hpp"
#include "daemon/config/references.hpp"
#include "daemon/config/yaml_source.hpp"

namespace pointsman {
namespace {

void read_sections(const YamlNode& root, Draft& draft) {
  MapReader reader(draft.findings, &root, "", root.at);
  read_general(reader, draft);
  read_defaults(reader, draft);
  read_later_sections(reader, draft);
  read_probes(reader, draft);
  read_services(reader, draft);
  read_routes(reader, draft);
  read_recovery(reader, draft);
  read_notify(reader, draft);
  reader.finish();
  link_services(draft);
  link_routes(draft);
  link_promotion(draft);
  link_recovery(draft);
  if (draft.probes.empty()) {
    draft.findings.warn(reader.key_position("probes"), "probes", "none: nothing is watched");
  }
}

void build_recovery(Draft& draft, Config& config, PolicySet& policy) {
  for (auto& [name, ladder] : draft.ladders) {
    auto& specs = config.steps[LadderName(name)];
    for (auto& step : ladder.steps) {
      ladder.policy.steps.push_back(std::move(step.policy));
      specs.push_back(std::move(step.spec));
    }
    policy.recovery.emplace(LadderName(name), std::move(ladder.policy));
  }
  for (auto& [name, notifier] : draft.notifiers) {
    if (!notifier.spec) continue;  // as with a probe: its secrets could not be had
    config.notifiers.emplace(NotifierName(name), std::move(*notifier.spec));
    policy.notify.emplace(NotifierName(name), std::move(notifier.policy));
  }
}

Config build(Draft draft, YamlSource source) {
  Config config;
  auto policy = std::make_shared<PolicySet>();
  policy->mode = draft.mode;
  for (auto& [name, probe] : draft.probes) {
    // Without its secrets (SecretUse::ignored) a probe may have no spec; then it is left out of
    // both.
    if (!probe.spec) continue;
    config.probes.emplace(ProbeName(name), std::move(*probe.spec));
    policy->probes.emplace(ProbeName(name), std::move(probe.policy));
  }
  for (auto& [name, service] : draft.services) {
    policy->services.emplace(ServiceName(name), std::move(service.policy));
  }
  for (auto& [name, route] : draft.routes) {
    config.vias.emplace(RouteName(name), std::move(route.vias));
    if (!route.hooks.empty()) config.hooks.emplace(RouteName(name), std::move(route.hooks));
    policy->routes.emplace(RouteName(name), std::move(route.policy));
  }
  build_recovery(draft, config, *policy);
  config.policy = std::move(policy);
  config.listen = std::move(draft.listen);
  config.node = std::move(draft.node);
  config.state_dir = draft.state_dir;
  config.load_balancer = draft.load_balancer;
  config.warnings = draft.findings.sorted_warnings(source.files);
  config.redacted = redacted_json(source.root);
  config.files = std::move(source.files);
  return config;
}

std::variant<Config, LoadFailure> load_source(YamlSource source, Draft draft) {
  if (source.readable) {
    replace_references(source.root, draft.secrets, draft.findings);
    read_sections(source.root, draft);
  }
  if (draft.findings.failed()) {
    return LoadFailure{.errors = draft.findings.sorted_errors(source.files),
                       .warnings = draft.findings.sorted_warnings(source.files)};
  }
  return build(std::move(draft), std::move(source));
}

}  // namespace

std::variant<Config, LoadFailure> load_config(const std::filesystem::path& file,
                                              SecretUse secrets) {
  Draft draft;
  draft.secrets = secrets;
  draft.findings.set_only_read(secrets == SecretUse::ignored);
  YamlSource source = read_source(file, draft.findings);
  return load_source(std::move(source), std::move(draft));
}

std::variant<Config, LoadFailure> parse_config(std::string text, const std::string& name,
                                               SecretUse secrets) {
  Draft draft;
  draft.secrets = secrets;
  draft.findings.set_only_read(secrets == SecretUse::ignored);
  YamlSource source = source_of_text(std::move(text), name, draft.findings);
  return load_source(std::move(source), std::move(draft));
}

}  // namespace pointsman
