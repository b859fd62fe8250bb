// version, mode, node, listen, state_dir, include, load_balancer and defaults.
#include <unistd.h>

#include <array>

#include <fmt/format.h>

#include "daemon/config/draft.hpp"
#include "daemon/config/redact.hpp"

namespace pointsman {
namespace {

constexpr std::size_t longest_socket_path = 107;  // sun_path of unix(7), less its NUL

std::string host_name() {
  std::array<char, 256> buffer{};
  return ::gethostname(buffer.data(), buffer.size() - 1) == 0 ? std::string(buffer.data())
                                                              : std::string("localhost");
}

void read_version(MapReader& root) {
  const YamlNode* version = root.require("version", "write `version: 1`");
  if (!version) return;
  const auto text = scalar_text(root.findings(), *version, "version", "the number 1");
  if (text && *text != "1") {
    reject(root.findings(), *version, "version",
           "is a version that this pointsman cannot read: write 1");
  }
}

void read_node(MapReader& root, Draft& draft) {
  draft.node.name = host_name();
  MapReader node(root.findings(), root.find_section("node"), "node", root.key_position("node"));
  if (auto name = node.text("name")) {
    const auto checked = parse_name(*name);
    if (checked) {
      draft.node.name = checked.value();
    } else {
      reject(root.findings(), *node.find("name"), "node.name", checked.error().message);
    }
  }
  draft.node.region = node.text("region").value_or("");
  draft.node.zone = node.text("zone").value_or("");
  node.finish();
}

std::optional<Endpoint> read_listen_address(MapReader& listen, std::string_view key) {
  auto endpoint = listen.endpoint(key);
  if (endpoint && !is_numeric_host(endpoint->host)) {
    reject(listen.findings(), *listen.find(key), listen.path_of(key),
           "is not an address of this host: write 0.0.0.0:8600, 127.0.0.1:8600 or [::]:8600");
    return std::nullopt;
  }
  return endpoint;
}

void read_listen(MapReader& root, Draft& draft) {
  MapReader listen(root.findings(), root.find_section("listen"), "listen",
                   root.key_position("listen"));
  draft.listen.http = Endpoint{.host = "0.0.0.0", .port = 8600};
  if (auto http = read_listen_address(listen, "http")) draft.listen.http = http;
  draft.listen.agent_check = read_listen_address(listen, "agent_check");
  if (draft.listen.agent_check && draft.listen.agent_check == draft.listen.http) {
    listen.error("agent_check", "the same address as listen.http: give it a port of its own");
  }
  if (listen.has("details_from")) {
    draft.listen.details_from.clear();
    for (const auto& [text, node] : listen.list("details_from", "[127.0.0.0/8, \"::1/128\"]")) {
      const auto network = parse_network(text);
      if (network) {
        draft.listen.details_from.push_back(network.value());
      } else {
        reject(root.findings(), *node, "listen.details_from", network.error().message);
      }
    }
  }
  if (auto token = listen.text("token")) {
    if (token->empty()) listen.error("token", "empty: nobody could bring it; leave the key out");
    draft.listen.token = Secret(std::move(*token));
  }
  if (auto control = listen.absolute_path("control")) {
    if (control->size() > longest_socket_path) {
      listen.error("control", fmt::format("longer than {} characters: no socket can have that path",
                                          longest_socket_path));
    }
    draft.listen.control = std::move(*control);
  }
  listen.finish();
}

void read_load_balancer(MapReader& root, Draft& draft) {
  const YamlNode* section = root.find_section("load_balancer");
  if (!section) return;
  MapReader reader(root.findings(), section, "load_balancer", root.key_position("load_balancer"));
  LoadBalancerSpec spec;
  if (const auto interval = reader.duration("interval")) spec.interval = *interval;
  if (const auto timeout = reader.duration("timeout")) spec.timeout = *timeout;
  spec.healthy = static_cast<int>(reader.integer("healthy", 1, 100).value_or(spec.healthy));
  spec.unhealthy = static_cast<int>(reader.integer("unhealthy", 1, 100).value_or(spec.unhealthy));
  reader.finish();
  if (spec.timeout >= spec.interval) {
    reader.error(reader.has("timeout") ? "timeout" : "interval",
                 fmt::format("the timeout ({}) has to be shorter than the interval ({})",
                             yaml_duration(spec.timeout), yaml_duration(spec.interval)));
  }
  draft.load_balancer = spec;
}

}  // namespace

void read_general(MapReader& root, Draft& draft) {
  read_version(root);
  draft.mode = root.choice<Mode>("mode", {{"act", Mode::act}, {"observe", Mode::observe}})
                   .value_or(Mode::act);
  read_node(root, draft);
  read_listen(root, draft);
  if (auto folder = root.absolute_path("state_dir")) draft.state_dir = std::move(*folder);
  root.find_section("include");  // read by yaml_source
  read_load_balancer(root, draft);
}

void read_defaults(MapReader& root, Draft& draft) {
  MapReader reader(root.findings(), root.find_section("defaults"), "defaults",
                   root.key_position("defaults"));
  Defaults& defaults = draft.defaults;
  constexpr Duration shortest = std::chrono::milliseconds{10};
  defaults.interval = reader.duration("interval", shortest);
  defaults.fast_interval = reader.duration("fast_interval", shortest);
  defaults.down_interval = reader.duration("down_interval", shortest);
  defaults.timeout = reader.duration("timeout");
  defaults.warn_latency = reader.duration("warn_latency");
  if (const auto rise = reader.integer("rise", 1, 1000)) defaults.rise = static_cast<int>(*rise);
  if (const auto fall = reader.integer("fall", 1, 1000)) defaults.fall = static_cast<int>(*fall);
  reader.finish();
  if (defaults.interval && defaults.timeout && *defaults.timeout > *defaults.interval) {
    reader.error("timeout",
                 fmt::format("longer than defaults.interval ({}): a run has to end before "
                             "the next is due",
                             yaml_duration(*defaults.interval)));
  }
  if (defaults.interval && defaults.fast_interval && *defaults.fast_interval > *defaults.interval) {
    reader.error("fast_interval", fmt::format("longer than defaults.interval ({})",
                                              yaml_duration(*defaults.interval)));
  }
}

}  // namespace pointsman
