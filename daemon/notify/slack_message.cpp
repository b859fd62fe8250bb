// A Slack message of blocks: a header, the facts as fields, each annotation as a section. What is
// over Slack's limits is cut, or left out with a word about it: Slack refuses the whole message for
// one character too many.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "daemon/notify/messages.hpp"
#include "daemon/notify/text.hpp"
#include "probes/clock.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;

std::string heading(const OutboxEntry& entry) {
  const bool over = entry.state == AlertState::resolved;
  const char* word = over                                   ? "Resolved"
                     : entry.severity == Severity::critical ? "Critical"
                                                            : "Warning";
  return fmt::format("{}: {}", word, entry.summary);
}

json::object text_object(const char* type, std::string text) {
  json::object object;
  object["type"] = type;
  object["text"] = std::move(text);
  return object;
}

json::object section(std::string text) {
  json::object block;
  block["type"] = "section";
  block["text"] = text_object("mrkdwn", std::move(text));
  return block;
}

/// "*name*\nvalue", at most `limit` units.
std::string named(std::string_view name, std::string_view value, std::size_t limit) {
  std::string text = fmt::format("*{}*\n", slack_escape(name, 200));
  return text + slack_escape(value, limit - utf16_units(text));
}

json::object facts(const OutboxEntry& entry, const MessageContext& context) {
  json::array fields;
  const auto add = [&fields](const char* name, std::string_view value) {
    fields.push_back(text_object("mrkdwn", named(name, value, slack_field_limit)));
  };
  add("Node", context.node);
  add("Subject", entry.subject);
  add("Incident", std::to_string(static_cast<std::uint64_t>(entry.incident)));
  add("Severity", to_text(entry.severity));
  add("Since", to_rfc3339(entry.starts));
  if (entry.resolved) add("Until", to_rfc3339(*entry.resolved));
  json::object block;
  block["type"] = "section";
  block["fields"] = std::move(fields);
  return block;
}

}  // namespace

std::string slack_body(const OutboxEntry& entry, const MessageContext& context,
                       const SlackAddress& address) {
  const std::string head = heading(entry);
  json::array blocks;
  json::object header;
  header["type"] = "header";
  header["text"] = text_object("plain_text", cut_text(head, slack_header_limit));
  blocks.push_back(std::move(header));
  // The header is short: what it could not hold stands below it.
  if (utf16_units(head) > slack_header_limit) {
    blocks.push_back(section(slack_escape(entry.summary, slack_section_limit)));
  }
  blocks.push_back(facts(entry, context));
  std::size_t left = 0;
  for (const auto& [name, value] : entry.annotations) {
    if (value.empty()) continue;
    if (blocks.size() + 1 >= slack_blocks_limit)
      ++left;
    else
      blocks.push_back(section(named(name, value, slack_section_limit)));
  }
  if (left > 0) {
    blocks.push_back(section(fmt::format("… and {} more: `pointsman incidents {}`", left,
                                         static_cast<std::uint64_t>(entry.incident))));
  }
  json::object message;
  if (!address.channel.empty()) message["channel"] = address.channel;
  if (!address.ts.empty()) message["ts"] = address.ts;
  // What notifications and screen readers show.
  message["text"] = slack_escape(head, slack_section_limit);
  message["blocks"] = std::move(blocks);
  return json::serialize(message);
}

}  // namespace pointsman
