// What each receiver is sent, held against its published rules.
#include <catch2/catch.hpp>

#include <boost/json.hpp>

#include "daemon/notify/messages.hpp"
#include "daemon/notify/text.hpp"
#include "tests/unit/notify/some_alert.hpp"

namespace pointsman {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using namespace testing;

json::value parsed(const std::string& text) {
  return json::parse(text);
}
std::string text_at(const json::value& value, const char* pointer) {
  const json::string& text = value.at_pointer(pointer).as_string();
  return {text.data(), text.size()};
}

OutboxEntry resolved_entry(Duration after) {
  Alert alert = some_alert();
  alert.state = AlertState::resolved;
  return make_entry(alert, noon,
                    noon + std::chrono::duration_cast<std::chrono::milliseconds>(after));
}

TEST_CASE("Alertmanager: fixed labels, the rest in annotations, an end that is refreshed") {
  OutboxEntry entry = some_entry();
  entry.annotations.emplace_back("empty", "");
  const json::value body = parsed(alertmanager_body(entry, some_context(10s), 1min));
  REQUIRE(body.as_array().size() == 1);
  const json::object& labels = body.at_pointer("/0/labels").as_object();
  CHECK(labels.size() == 5);
  CHECK(text_at(body, "/0/labels/alertname") == "PointsmanIncident");
  CHECK(text_at(body, "/0/labels/node") == "web-1");
  CHECK(text_at(body, "/0/labels/subject") == "database");
  CHECK(text_at(body, "/0/labels/incident") == "7");
  CHECK(text_at(body, "/0/labels/severity") == "critical");
  CHECK(text_at(body, "/0/annotations/cause") == "primary_dead");
  CHECK_FALSE(body.at_pointer("/0/annotations").as_object().contains("empty"));
  CHECK(text_at(body, "/0/startsAt") == "2023-11-14T22:13:20.000Z");
  CHECK(text_at(body, "/0/endsAt") == "2023-11-14T22:16:30.000Z");
}

TEST_CASE("Alertmanager: another severity is another alert, and the old one is over") {
  Alert alert = some_alert();
  alert.severity = Severity::warning;
  OutboxEntry entry = make_entry(alert, noon, noon);
  alert.severity = Severity::critical;
  REQUIRE(update_entry(entry, make_entry(alert, noon, noon + 30s)));
  const json::value body = parsed(alertmanager_body(entry, some_context(30s), 1min));
  REQUIRE(body.as_array().size() == 2);
  CHECK(text_at(body, "/0/labels/severity") == "warning");
  CHECK(text_at(body, "/0/endsAt") == "2023-11-14T22:13:50.000Z");
  CHECK(text_at(body, "/1/labels/severity") == "critical");
  CHECK(text_at(body, "/1/endsAt") == "2023-11-14T22:16:50.000Z");
  CHECK(text_at(body, "/1/startsAt") == "2023-11-14T22:13:20.000Z");
  // Both are over, should it be so before anybody was told.
  alert.state = AlertState::resolved;
  REQUIRE(update_entry(entry, make_entry(alert, noon, noon + 40s)));
  const json::value over = parsed(alertmanager_body(entry, some_context(60s), 1min));
  REQUIRE(over.as_array().size() == 2);
  CHECK(text_at(over, "/0/endsAt") == "2023-11-14T22:14:00.000Z");
  CHECK(text_at(over, "/1/endsAt") == "2023-11-14T22:14:00.000Z");
}

TEST_CASE("Alertmanager: resolved ends when it was over, never before it began nor in the future") {
  const auto ends = [](const OutboxEntry& entry, Duration later) {
    return text_at(parsed(alertmanager_body(entry, some_context(later), 1min)), "/0/endsAt");
  };
  CHECK(ends(resolved_entry(5s), 60s) == "2023-11-14T22:13:25.000Z");
  CHECK(ends(resolved_entry(5s), 2s) == "2023-11-14T22:13:22.000Z");
  CHECK(ends(resolved_entry(0s), 0s) == "2023-11-14T22:13:20.001Z");
}

TEST_CASE("PagerDuty: a trigger has what it must have, within the limits") {
  Alert alert = some_alert();
  alert.summary = std::string(3000, 'x');
  const OutboxEntry entry = make_entry(alert, noon, noon);
  const json::value body =
      parsed(pagerduty_body(entry, some_context(), PagerdutyAction::trigger, Secret("R0UT1NG")));
  CHECK(text_at(body, "/routing_key") == "R0UT1NG");
  CHECK(text_at(body, "/event_action") == "trigger");
  CHECK(text_at(body, "/dedup_key") == "pointsman/web-1/PointsmanIncident/7");
  CHECK(utf16_units(text_at(body, "/payload/summary")) == 1024);
  CHECK(text_at(body, "/payload/source") == "web-1");
  CHECK(text_at(body, "/payload/severity") == "critical");
  CHECK(text_at(body, "/payload/timestamp") == "2023-11-14T22:13:20.000Z");
  CHECK(text_at(body, "/payload/custom_details/cause") == "primary_dead");
}

TEST_CASE("PagerDuty: acknowledge and resolve carry the same key and no payload") {
  for (const auto action : {PagerdutyAction::acknowledge, PagerdutyAction::resolve}) {
    const json::value body =
        parsed(pagerduty_body(some_entry(), some_context(), action, Secret("k")));
    CHECK(text_at(body, "/dedup_key") == pagerduty_dedup_key(some_entry(), "web-1"));
    CHECK_FALSE(body.as_object().contains("payload"));
  }
}

TEST_CASE("PagerDuty: a node with a very long name still has a key of its own") {
  const std::string node(300, 'n');
  const std::string key = pagerduty_dedup_key(some_entry(), node);
  CHECK(key.size() <= pagerduty_key_limit);
  CHECK(key != pagerduty_dedup_key(some_entry(), node + "2"));
}

void check_slack_limits(const json::value& message) {
  const json::array& blocks = message.at("blocks").as_array();
  REQUIRE(!blocks.empty());
  REQUIRE(blocks.size() <= slack_blocks_limit);
  for (const json::value& block : blocks) {
    const std::string type = text_at(block, "/type");
    if (const json::value* text = block.as_object().if_contains("text")) {
      const std::string inner = text_at(*text, "/text");
      CHECK(!inner.empty());
      CHECK(utf16_units(inner) <= (type == "header" ? slack_header_limit : slack_section_limit));
    }
    if (const json::value* fields = block.as_object().if_contains("fields")) {
      CHECK(fields->as_array().size() <= 10);
      for (const json::value& field : fields->as_array()) {
        CHECK(utf16_units(text_at(field, "/text")) <= slack_field_limit);
      }
    }
  }
}

TEST_CASE("Slack: as many blocks and characters as Slack takes, whatever the alert") {
  Alert alert = some_alert();
  const SlackAddress none{};
  SECTION("small") {}
  SECTION("many annotations") {
    for (int i = 0; i < 90; ++i) alert.annotations.emplace_back("n" + std::to_string(i), "v");
  }
  SECTION("long ones, full of what is escaped") {
    alert.summary = std::string(2000, '&');
    alert.subject = std::string(5000, '<');
    alert.annotations = {{std::string(400, 'n'), std::string(9000, '>')},
                         {"b", std::string(9000, '&')}};
  }
  check_slack_limits(parsed(slack_body(make_entry(alert, noon, noon), some_context(), none)));
}

TEST_CASE("Slack: says what it is, and where it goes only to the API") {
  const SlackAddress none{}, there{"C123", "17.5"};
  const json::value hook = parsed(slack_body(some_entry(), some_context(), none));
  CHECK(text_at(hook, "/text") == "Critical: database is unhealthy: the primary is dead");
  CHECK_FALSE(hook.as_object().contains("channel"));
  CHECK_FALSE(hook.as_object().contains("ts"));
  const json::value api = parsed(slack_body(resolved_entry(5s), some_context(6s), there));
  CHECK(text_at(api, "/text").find("Resolved: ") == 0);
  CHECK(text_at(api, "/channel") == "C123");
  CHECK(text_at(api, "/ts") == "17.5");
}

TEST_CASE("webhook: the document, and a template filled with JSON's escapes") {
  Alert alert = some_alert();
  alert.summary = "it said \"no\"\n";
  const OutboxEntry entry = make_entry(alert, noon, noon);
  const json::value document = parsed(webhook_body(entry, some_context()));
  CHECK(text_at(document, "/state") == "firing");
  CHECK(text_at(document, "/incident") == "7");
  CHECK(text_at(document, "/summary") == "it said \"no\"\n");
  CHECK(text_at(document, "/annotations/asked") == "look at replica-1");
  CHECK_FALSE(document.as_object().contains("ends"));

  const std::string body = webhook_body(
      entry, some_context(),
      R"({"t": "{{node}}: {{ summary }}|{{annotation.cause}}|{{annotation.none}}|{{ends}}", "all": {{json}}})");
  const json::value filled = parsed(body);
  CHECK(text_at(filled, "/t") == "web-1: it said \"no\"\n|primary_dead||");
  CHECK(filled.at("all") == document);

  const json::value over = parsed(webhook_body(resolved_entry(5s), some_context(9s)));
  CHECK(text_at(over, "/ends") == "2023-11-14T22:13:25.000Z");
}

TEST_CASE("exec: the alert in the environment, each variable short enough for the kernel") {
  Alert alert = some_alert();
  for (int i = 0; i < 64; ++i) {
    alert.annotations.emplace_back("n" + std::to_string(i), std::string(4000, '"'));
  }
  const auto environment = exec_environment(make_entry(alert, noon, noon), some_context());
  CHECK(environment[0].find("POINTSMAN_ALERT_JSON={") == 0);
  bool subject = false;
  for (const auto& variable : environment) {
    CHECK(variable.size() < 128 * 1024);  // MAX_ARG_STRLEN
    CHECK(variable.find('\0') == std::string::npos);
    subject = subject || variable == "POINTSMAN_SUBJECT=database";
  }
  CHECK(subject);
}

}  // namespace
}  // namespace pointsman
