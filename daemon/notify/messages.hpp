// What each kind of receiver is sent, as pure functions of an entry: the published rules of each
// are named beside its limits.
#pragma once

#include <string>
#include <vector>

#include "daemon/notify/outbox.hpp"
#include "policies/model/time.hpp"
#include "probes/secret.hpp"

namespace pointsman {

/// Who says it, and when.
struct MessageContext {
  std::string node;
  WallTime now{};
};

/// Alertmanager API v2, POST /api/v2/alerts. Labels are alertname, node, subject, incident and
/// severity. They are the alert's identity, so one whose severity has changed since it was told is
/// another: the array then has the old one, over, and the new one. `refresh`: it ends by itself
/// three of them from now.
std::string alertmanager_body(const OutboxEntry& entry, const MessageContext& context,
                              Duration refresh);
inline constexpr int refreshes_until_end = 3;

/// PagerDuty Events API v2. dedup_key at most 255 characters, summary at most 1024, the event at
/// most 512 KB.
enum class PagerdutyAction { trigger, acknowledge, resolve };
std::string pagerduty_body(const OutboxEntry& entry, const MessageContext& context,
                           PagerdutyAction action, const Secret& routing_key);
std::string pagerduty_dedup_key(const OutboxEntry& entry, const std::string& node);
inline constexpr std::size_t pagerduty_key_limit = 255;

/// Slack: text, and at most 50 blocks, a header's text at most 150 characters, a section's 3,000,
/// ten fields of 2,000. `channel` and `ts` only for the API (chat.postMessage, chat.update).
struct SlackAddress {
  std::string channel, ts;
};
std::string slack_body(const OutboxEntry& entry, const MessageContext& context,
                       const SlackAddress& address);
inline constexpr std::size_t slack_blocks_limit = 50;
inline constexpr std::size_t slack_header_limit = 150;
inline constexpr std::size_t slack_section_limit = 3000;
inline constexpr std::size_t slack_field_limit = 2000;

/// The document of webhook and exec (README.md has its members).
std::string webhook_body(const OutboxEntry& entry, const MessageContext& context);
/// The template of a webhook, filled.
std::string webhook_body(const OutboxEntry& entry, const MessageContext& context,
                         const std::string& body_template);
/// POINTSMAN_ALERT_JSON and POINTSMAN_STATE, _ALERTNAME, _NODE, _SUBJECT, _INCIDENT, _SEVERITY,
/// _SUMMARY, _STARTS, _ENDS.
std::vector<std::string> exec_environment(const OutboxEntry& entry, const MessageContext& context);

}  // namespace pointsman
