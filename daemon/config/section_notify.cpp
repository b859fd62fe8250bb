// notify: who is told, and how each kind is reached (probes/notifier_spec.hpp).
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "daemon/config/draft.hpp"
#include "daemon/config/redact.hpp"
#include "daemon/config/section_exec.hpp"
#include "daemon/config/section_http.hpp"
#include "probes/http_call.hpp"
#include "probes/notifier_template.hpp"

namespace pointsman {
namespace {

/// `url` (with `required` as the example, else the kind's own), `headers`, `tls`.
std::optional<HttpSpec> read_to(MapReader& reader, std::string_view example,
                                const char* usual = nullptr) {
  HttpSpec to;
  bool known = false;
  if (usual && !reader.has("url")) {
    (void)reader.find("url");
    const auto spec = http_spec_of(usual);
    known = spec.ok();
    if (known) to = spec.value();
  } else {
    known = read_http_url(reader, example, to);
  }
  to.method = "POST";
  read_http_request(reader, to);
  read_http_tls(reader, known, to);
  if (!known) return std::nullopt;
  return to;
}

/// A value that has to be there and is never shown.
std::optional<Secret> read_secret(MapReader& reader, std::string_view key,
                                  std::string_view example) {
  const YamlNode* node = reader.require(key, example);
  auto text = reader.text(key);
  if (!text) return std::nullopt;
  if (text->empty()) {
    if (!node->unresolved) reader.error(key, "empty");
    return std::nullopt;
  }
  return Secret(std::move(*text));
}

/// What only a webhook may choose.
void refuse_request_keys(MapReader& reader) {
  for (const char* key : {"method", "body"}) {
    if (reader.has(key)) {
      reader.error(key, "only a webhook has it: what is sent to this kind is laid down by its API");
    }
  }
}

std::optional<NotifierSpec> read_alertmanager(MapReader& reader) {
  AlertmanagerSpec spec;
  auto to = read_to(reader, "where Alertmanager is: `url: \"http://127.0.0.1:9093\"`");
  refuse_request_keys(reader);
  if (const auto refresh = reader.duration("refresh", min_alert_refresh)) {
    if (*refresh > max_alert_refresh) {
      reader.error("refresh", "longer than 1h: an alert would be resolved three hours late");
    }
    spec.refresh = *refresh;
  }
  if (!to) return std::nullopt;
  spec.to = std::move(*to);
  return spec;
}

std::optional<NotifierSpec> read_pagerduty(MapReader& reader) {
  PagerdutySpec spec;
  auto to = read_to(reader, "", pagerduty_events_url);
  refuse_request_keys(reader);
  auto key = read_secret(reader, "routing_key",
                         "the integration's key: `routing_key: \"${credential:pagerduty}\"`");
  if (!to || !key) return std::nullopt;
  spec.to = std::move(*to);
  spec.routing_key = std::move(*key);
  return spec;
}

/// An incoming webhook by its `url`, or a bot by `token` and `channel`.
std::optional<NotifierSpec> read_slack(MapReader& reader) {
  SlackSpec spec;
  const bool is_bot = reader.has("token") || reader.has("channel");
  auto to = read_to(reader,
                    "the incoming webhook: `url: \"${credential:slack_url}\"`; or, for a bot, "
                    "`token` and `channel`",
                    is_bot ? slack_api_url : nullptr);
  refuse_request_keys(reader);
  if (is_bot) {
    auto token = read_secret(reader, "token", "the bot's token: `token: \"${credential:slack}\"`");
    spec.channel =
        reader.required_text("channel", "where it writes: `channel: \"#oncall\"`").value_or("");
    if (!token || spec.channel.empty()) return std::nullopt;
    spec.token = std::move(*token);
  } else {
    (void)reader.find("token");
    (void)reader.find("channel");
  }
  if (!to) return std::nullopt;
  spec.to = std::move(*to);
  return spec;
}

std::optional<NotifierSpec> read_webhook(MapReader& reader) {
  WebhookSpec spec;
  auto to = read_to(reader, "what is called: `url: \"https://hooks.example.com/pointsman\"`");
  if (const auto body = reader.text("body")) {
    const Status fine = check_notifier_template(*body);
    if (!fine.ok()) reader.error("body", fine.error().message);
    spec.body = *body;
  }
  if (reader.has("hmac")) {
    auto key = read_secret(reader, "hmac", "");
    if (!key) return std::nullopt;
    spec.hmac = std::move(*key);
  } else {
    (void)reader.find("hmac");
  }
  if (!to) return std::nullopt;
  to->body = Secret();
  spec.to = std::move(*to);
  return spec;
}

std::optional<NotifierSpec> read_exec_notifier(MapReader& reader) {
  constexpr const char* example = "[/usr/local/lib/pointsman/page]";
  ExecSpec spec;
  (void)reader.require("command", fmt::format("the command as a list: {}", example));
  spec.command = read_command(reader, "command", example);
  read_exec_surroundings(reader, spec);
  if (spec.command.empty()) return std::nullopt;
  return spec;
}

struct Kind {
  std::string_view word;
  std::optional<NotifierSpec> (*read)(MapReader&);
};
constexpr std::array<Kind, 5> kinds{{{"alertmanager", &read_alertmanager},
                                     {"pagerduty", &read_pagerduty},
                                     {"slack", &read_slack},
                                     {"webhook", &read_webhook},
                                     {"exec", &read_exec_notifier}}};

/// `on: [warning, critical]`: incidents that it is told of without being named.
void read_on(MapReader& reader, NotifierPolicy& policy) {
  const std::vector<std::string> words{"warning", "critical"};
  for (const auto& [text, node] : reader.list("on", "[critical]")) {
    if (text == "warning") {
      policy.on_warning = true;
    } else if (text == "critical") {
      policy.on_critical = true;
    } else {
      reject(reader.findings(), *node, reader.path_of("on"), not_one_of(words, text));
    }
  }
}

void read_notifier(const YamlEntry& entry, Draft& draft) {
  NotifierDraft& notifier = draft.notifiers[entry.key];
  notifier.at = entry.key_at;
  notifier.path = join_path("notify", entry.key);
  notifier.policy.name = NotifierName(entry.key);
  const auto name = parse_name(entry.key);
  if (!name) {
    draft.findings.error(entry.key_at, notifier.path,
                         fmt::format("'{}' {}", redact_text(entry.key), name.error().message));
  }
  if (entry.value.kind == YamlNode::Kind::null) {
    draft.findings.error(entry.key_at, notifier.path,
                         "nothing stands after this name: write {type: ..., ...}");
    return;
  }
  MapReader reader(draft.findings, &entry.value, notifier.path, entry.key_at);
  if (!reader.node()) return;
  read_on(reader, notifier.policy);
  const auto type =
      reader.required_text("type", "one of alertmanager, pagerduty, slack, webhook, exec");
  std::vector<std::string> words;
  const Kind* found = nullptr;
  for (const Kind& kind : kinds) {
    words.emplace_back(kind.word);
    if (type && kind.word == *type) found = &kind;
  }
  if (type && !found)
    reject(draft.findings, *reader.find("type"), reader.path_of("type"), not_one_of(words, *type));
  if (!found) return;  // which keys it may have is not known
  notifier.spec = found->read(reader);
  reader.finish();
}

}  // namespace

void read_notify(MapReader& root, Draft& draft) {
  MapReader section(draft.findings, root.find_section("notify"), "notify",
                    root.key_position("notify"));
  if (!section.node()) return;
  for (const auto& entry : section.node()->entries) read_notifier(entry, draft);
}

}  // namespace pointsman
