// How each kind of notifier is reached: what daemon/config read for it, checked, defaults filled
// in.
//
// Plain values that daemon/config fills and daemon/notify uses; neither sees the other. `to` holds
// url, host, port, target, headers (basic auth among them) and tls, as of an http probe; its method
// and body are made by daemon/notify. The path of a webhook's URL is often a secret: only scheme,
// host and port of `to` are ever printed (of Alertmanager the path too).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "policies/model/time.hpp"
#include "probes/secret.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// Defaults of `url`; http_spec_of (probes/http_call.hpp) takes them apart.
inline constexpr const char* pagerduty_events_url = "https://events.pagerduty.com/v2/enqueue";
inline constexpr const char* slack_api_url = "https://slack.com/api";

/// API v2. `to` is Alertmanager's own URL ("http://127.0.0.1:9093", with its --web.route-prefix):
/// /api/v2/alerts is added.
struct AlertmanagerSpec {
  HttpSpec to;
  /// How often an open alert is sent again; it ends by itself after three of them. Between
  /// min_alert_refresh and max_alert_refresh.
  Duration refresh{std::chrono::minutes{1}};
};
inline constexpr Duration min_alert_refresh{std::chrono::seconds{1}};
inline constexpr Duration max_alert_refresh{std::chrono::hours{1}};

/// Events API v2.
struct PagerdutySpec {
  HttpSpec to;  ///< http_spec_of(pagerduty_events_url) unless given
  Secret routing_key;
};

/// Either an incoming webhook (`to` is it, token empty), or a bot: token and channel, and `to` is
/// the API, http_spec_of(slack_api_url) unless given. A bot's message is updated when it is over.
struct SlackSpec {
  HttpSpec to;
  Secret token;
  std::string channel;  ///< "#oncall" or an id; only with a token
};

struct WebhookSpec {
  HttpSpec to;  ///< method is used as it stands: POST, PUT, …
  /// Empty: the JSON document of daemon/notify/README.md. Else probes/notifier_template.hpp.
  std::string body;
  std::optional<Secret> hmac;  ///< adds X-Pointsman-Timestamp and X-Pointsman-Signature
};

/// `exec` is the probe's ExecSpec: argv, user, environment. Exit code 0: delivered.
using NotifierSpec =
    std::variant<AlertmanagerSpec, PagerdutySpec, SlackSpec, WebhookSpec, ExecSpec>;

/// The YAML's `type`, and the metric label.
inline std::string_view kind_of(const NotifierSpec& spec) {
  constexpr std::string_view kinds[] = {"alertmanager", "pagerduty", "slack", "webhook", "exec"};
  static_assert(std::size(kinds) == std::variant_size_v<NotifierSpec>);
  return kinds[spec.index()];
}

}  // namespace pointsman
