#include "daemon/config/section_hooks.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "daemon/config/section_exec.hpp"
#include "daemon/config/section_http.hpp"

namespace pointsman {
namespace {

using std::chrono::seconds;

constexpr const char* exec_example = "[/usr/local/bin/command, argument]";
constexpr Duration shortest_promotion = seconds{1};

/// `http: {url, method, headers, body, status, tls, hmac}`: POST, and 2xx is success.
std::optional<HookSpec> read_http_call(MapReader& reader) {
  MapReader map(reader.findings(), reader.find("http"), reader.path_of("http"),
                reader.key_position("http"));
  if (!map.node()) return std::nullopt;
  HttpSpec http;
  http.method = "POST";
  http.status = {{200, 299}};
  const bool known =
      read_http_url(map, "what to call: `url: \"http://127.0.0.1:8000/admin/gc\"`", http);
  read_http_request(map, http);
  if (map.has("status")) http.status = read_http_statuses(map, "status");
  (void)map.find_section("status");
  read_http_tls(map, known, http);
  HookSpec spec;
  if (auto key = map.text("hmac")) {
    if (key->empty() && !map.find("hmac")->unresolved) {
      map.error("hmac", "empty: anyone could sign with it; leave the key out");
    }
    spec.hmac_key = Secret(std::move(*key));
  }
  map.finish();
  if (!known) return std::nullopt;
  spec.call = std::move(http);
  return spec;
}

std::optional<HookSpec> read_exec_call(MapReader& reader) {
  ExecSpec exec;
  exec.command = read_command(reader, "exec", exec_example);
  read_exec_surroundings(reader, exec);
  if (exec.command.empty()) return std::nullopt;
  HookSpec spec;
  spec.call = std::move(exec);
  return spec;
}

/// `{exec: [argv], user, env, timeout}` or `{http: {...}, timeout}`.
void read_hook(MapReader& reader, HookKind kind, RouteDraft& route) {
  const auto key = to_text(kind);
  const YamlNode* node = reader.find(key);
  if (!node) return;
  route.policy.hooks.insert(kind);
  MapReader map(reader.findings(), node, reader.path_of(key), reader.key_position(key));
  auto spec = read_call(map);
  const auto timeout = map.duration("timeout");
  map.finish();
  if (map.node() && map.has("exec") == map.has("http")) {
    reader.error(key, "write either {exec: [/path/to/command]} or {http: {url: ...}}");
    return;
  }
  if (!spec) return;
  if (timeout) spec->timeout = *timeout;
  route.hooks.emplace(kind, std::move(*spec));
}

bool is_master_word(std::string_view id) {
  return id.substr(0, 7) == "master_";
}

/// `when: [primary_dead, ...]`: of the kind of server that the route wants.
void read_when(MapReader& promote, const RouteDraft& route, PromotePolicy& policy) {
  if (promote.require("when", "what has to be found: `when: [primary_dead, primary_frozen]`")) {
    if (const YamlNode* node = promote.find("when");
        node->kind == YamlNode::Kind::sequence && node->items.empty()) {
      promote.error("when", "empty: nothing would ever be promoted; leave `promote:` out");
    }
  }
  const std::vector<std::string> diagnoses{"primary_dead", "primary_frozen", "master_dead",
                                           "master_frozen"};
  const Require require = route.policy.require;
  for (const auto& [text, item] : promote.list("when", "[primary_dead, primary_frozen]")) {
    const YamlNode& node = *item;
    const auto wrong = [&](const std::string& why) {
      reject(promote.findings(), node, promote.path_of("when"), why);
    };
    if (std::find(diagnoses.begin(), diagnoses.end(), text) == diagnoses.end()) {
      wrong(not_one_of(diagnoses, text));
    } else if (route.require_given && require == Require::writable && is_master_word(text)) {
      wrong(
          fmt::format("is said of Redis, and `require: writable` asks PostgreSQL: write "
                      "primary_{}",
                      text.substr(7)));
    } else if (route.require_given && require == Require::master && !is_master_word(text)) {
      wrong(fmt::format("is said of PostgreSQL, and `require: master` asks Redis: write master_{}",
                        text.substr(8)));
    } else if (std::find(policy.when.begin(), policy.when.end(), text) != policy.when.end()) {
      wrong("is listed twice");
    } else {
      policy.when.push_back(text);
    }
  }
}

/// Positions are compared, so a time says nothing here.
void read_promote_lag(MapReader& promote, PromotePolicy& policy) {
  const auto lag = promote.lag("max_lag");
  if (!lag) return;
  if (std::holds_alternative<Duration>(*lag)) {
    reject(promote.findings(), *promote.find("max_lag"), promote.path_of("max_lag"),
           "is a time, but what may be lost is counted in bytes: write 1MiB");
    return;
  }
  policy.max_lag = *lag;
}

void read_promote(MapReader& reader, bool has_fleet, RouteDraft& route) {
  const YamlNode* node = reader.find("promote");
  if (!node) return;
  MapReader promote(reader.findings(), node, reader.path_of("promote"),
                    reader.key_position("promote"));
  if (!promote.node()) return;
  PromotePolicy policy;
  read_when(promote, route, policy);
  read_promote_lag(promote, policy);
  if (const auto timeout = promote.duration("timeout", shortest_promotion)) {
    policy.timeout = *timeout;
  }
  if (const auto grace = promote.duration("restart_grace", Duration{0})) {
    route.policy.restart_grace = *grace;
  }
  const auto sole = promote.boolean("sole_promoter");
  policy.sole_promoter = sole.value_or(false);
  promote.finish();
  const bool is_told = sole || !promote.has("sole_promoter");  // else its own error is enough
  if (is_told && !policy.sole_promoter) {
    reader.error("promote",
                 has_fleet
                     ? "two hosts that promote without agreeing split the brain, and this version "
                       "does not act on `fleet:` yet: add `sole_promoter: true` where this is the "
                       "one host that promotes, or leave `promote:` out and follow"
                     : "two hosts that promote without agreeing split the brain: add "
                       "`sole_promoter: true` where this is the one host that promotes, or leave "
                       "`promote:` out and follow");
  }
  route.policy.promote = std::move(policy);
}

}  // namespace

std::optional<HookSpec> read_call(MapReader& reader) {
  const bool is_exec = reader.find("exec") != nullptr;
  const bool is_http = reader.find("http") != nullptr;
  if (is_exec && !is_http) return read_exec_call(reader);
  for (const char* key : {"user", "env"}) {
    (void)reader.find_section(key);
    if (reader.has(key)) reader.error(key, "only an `exec:` has it");
  }
  return is_http && !is_exec ? read_http_call(reader) : std::nullopt;
}

void read_promotion(MapReader& reader, bool has_fleet, RouteDraft& route) {
  read_promote(reader, has_fleet, route);
  constexpr std::array<HookKind, 4> hooks{HookKind::fence, HookKind::demote, HookKind::undemote,
                                          HookKind::after_promote};
  for (const HookKind hook : hooks) read_hook(reader, hook, route);
}

}  // namespace pointsman
