// Against receivers that hold each request against PagerDuty's and Slack's published rules, that
// are overloaded, that refuse for good, and that never answer.
#include <catch2/catch.hpp>

#include "probes/http_call.hpp"
#include "tests/integration/notify/notify_world.hpp"
#include "tests/integration/notify/receiver.hpp"

namespace pointsman::test {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

const std::string routing_key = "0123456789abcdef0123456789abcdef";

std::string text_at(const json::value& value, const char* pointer) {
  const json::string& text = value.at_pointer(pointer).as_string();
  return {text.data(), text.size()};
}

PagerdutySpec pagerduty_at(const Receiver& there, const std::string& key = routing_key) {
  return {http_spec_of(there.url("/v2/enqueue")).value(), Secret(key)};
}
SlackSpec hook_at(const Receiver& there) {
  return {http_spec_of(there.url("/services/T0/B0/S3CRET")).value(), Secret(), ""};
}
SlackSpec bot_at(const Receiver& there) {
  return {http_spec_of(there.url("/api")).value(), Secret("xoxb-1"), "#oncall"};
}
WebhookSpec webhook_at(const Receiver& there) {
  return {http_spec_of(there.url("/S3CRET")).value(), "", std::nullopt};
}
World::Specs only(NotifierSpec spec) {
  return {{NotifierName("n"), std::move(spec)}};
}

/// Everything that was said, to see that no secret is in it.
void check_tells_nothing(const World& world) {
  std::string all = world.status("n").last_error;
  for (const std::string& line : world.warnings) all += line;
  for (const std::string& secret : {routing_key, std::string("S3CRET"), std::string("xoxb-1")}) {
    CHECK(all.find(secret) == std::string::npos);
  }
}

Alert big_alert() {
  Alert alert = alert_for("n");
  alert.summary = std::string(4000, '&');
  alert.subject = std::string(3000, '<');
  for (int i = 0; i < 80; ++i) {
    alert.annotations.emplace_back("attempt " + std::to_string(i),
                                   std::string(700, '>') + "\x01\xFF");
  }
  return alert;
}

std::vector<std::string> all_of(const Receiver& there, const char* pointer) {
  std::vector<std::string> all;
  for (const Received& request : there.received) all.push_back(text_at(request.json(), pointer));
  return all;
}

TEST_CASE("PagerDuty: triggered, changed, acknowledged and resolved under one key") {
  asio::io_context loop{1};
  std::vector<std::string> breaches;
  Receiver there(loop, pagerduty_rules(breaches, routing_key));
  Outbox outbox;
  World world(loop, outbox, only(pagerduty_at(there)));
  Alert alert = big_alert();
  world.notifiers->send(alert);
  world.run_until("the trigger", [&] { return world.status("n").delivered == 1; });
  world.notifiers->send(alert);  // nothing new: nobody is told
  alert.annotations.emplace_back(std::string(acknowledged_annotation), "by uid 1000");
  alert.annotations.erase(alert.annotations.begin(), alert.annotations.begin() + 60);
  world.notifiers->send(alert);
  world.run_until("the acknowledgement", [&] { return world.status("n").delivered == 2; });
  world.notifiers->send(resolved(alert));
  world.run_until("the end", [&] { return outbox.size() == 0; });
  CHECK(all_of(there, "/event_action") ==
        std::vector<std::string>{"trigger", "acknowledge", "resolve"});
  const auto keys = all_of(there, "/dedup_key");
  CHECK(std::count(keys.begin(), keys.end(), keys[0]) == 3);
  CHECK(breaches.empty());
}

TEST_CASE("PagerDuty: one that was acknowledged before it could be told is told both") {
  asio::io_context loop{1};
  std::vector<std::string> breaches;
  Receiver there(loop, pagerduty_rules(breaches, routing_key));
  Outbox outbox;
  World world(loop, outbox, only(pagerduty_at(there)));
  Alert alert = alert_for("n");
  alert.annotations.emplace_back(std::string(acknowledged_annotation), "by uid 1000");
  world.notifiers->send(alert);
  world.run_until("both", [&] { return world.status("n").delivered == 2; });
  CHECK(all_of(there, "/event_action") == std::vector<std::string>{"trigger", "acknowledge"});
  CHECK(world.status("n").queued == 0);
}

TEST_CASE("PagerDuty: an acknowledge that is refused is not sent again, and the end still is") {
  asio::io_context loop{1};
  std::vector<std::string> breaches;
  Receiver there(loop, pagerduty_rules(breaches, routing_key));
  there.first = {{202, "{}", {}}, {400, "no such event", {}}};
  Outbox outbox;
  World world(loop, outbox, only(pagerduty_at(there)));
  Alert alert = alert_for("n");
  alert.annotations.emplace_back(std::string(acknowledged_annotation), "by uid 1000");
  world.notifiers->send(alert);
  world.run_until("the refusal", [&] { return world.status("n").failed == 1; });
  world.run_for(500ms);
  CHECK(there.received.size() == 2);
  CHECK(world.warnings.size() == 1);
  world.notifiers->send(resolved(alert));
  world.run_until("its end", [&] { return outbox.size() == 0; });
  CHECK(all_of(there, "/event_action") ==
        std::vector<std::string>{"trigger", "acknowledge", "resolve"});
}

TEST_CASE("an overloaded receiver is left alone for as long as it asks") {
  asio::io_context loop{1};
  std::vector<std::string> breaches;
  Receiver there(loop, pagerduty_rules(breaches, routing_key));
  there.first = {{429, "slow down", {{"Retry-After", "2"}}}, {503, "", {}}};
  Outbox outbox;
  World world(loop, outbox, only(pagerduty_at(there)));
  world.notifiers->send(alert_for("n", 7));
  world.notifiers->send(alert_for("n", 8));
  world.run_until("both are told", [&] { return world.status("n").delivered == 2; });
  REQUIRE(there.received.size() == 4);
  CHECK(there.received[1].at - there.received[0].at >= 1950ms);
  // The second wait of the back-off, of 2 s; then at once.
  CHECK(there.received[2].at - there.received[1].at >= 1950ms);
  CHECK(there.received[3].at - there.received[2].at < 1s);
  CHECK(world.status("n").failed == 2);
  CHECK(world.status("n").last_error.empty());
}

TEST_CASE("what is refused for good is not sent again, loudly, until it changes") {
  asio::io_context loop{1};
  std::vector<std::string> breaches;
  Receiver there(loop, pagerduty_rules(breaches, routing_key));
  Outbox outbox;
  World world(loop, outbox, only(pagerduty_at(there, "wrong")));
  world.notifiers->send(alert_for("n"));
  world.run_until("the refusal", [&] { return world.status("n").failed == 1; });
  world.run_for(1500ms);
  CHECK(there.received.size() == 1);
  REQUIRE(world.warnings.size() == 1);
  CHECK(world.warnings[0].find("notifier n was refused incident 7: POST http://127.0.0.1:") == 0);
  CHECK(world.warnings[0].find("answered 400") != std::string::npos);
  CHECK(outbox.size() == 1);

  // Put right by a reload: told after all.
  world.notifiers->configure(only(pagerduty_at(there)));
  world.run_until("it is told", [&] { return world.status("n").delivered == 1; });
  world.notifiers->configure(only(pagerduty_at(there, "wrong")));
  world.notifiers->send(resolved(alert_for("n")));
  world.run_until("its end is dropped", [&] { return outbox.size() == 0; });
  CHECK(world.status("n").dropped == 1);
}

TEST_CASE("Slack's webhook: speaks of the beginning, of what matters, and of the end") {
  asio::io_context loop{1};
  std::vector<std::string> breaches;
  Receiver there(loop, slack_hook_rules(breaches));
  Outbox outbox;
  World world(loop, outbox, only(hook_at(there)));
  Alert alert = big_alert();
  world.notifiers->send(alert);
  world.run_until("the beginning", [&] { return world.status("n").delivered == 1; });
  alert.annotations.emplace_back("more", "detail");
  world.notifiers->send(alert);
  world.run_for(2500ms);
  CHECK(there.received.size() == 1);
  alert.annotations[1] = {"asked", "Restart the primary?"};
  world.notifiers->send(alert);
  world.run_until("the question", [&] { return world.status("n").delivered == 2; });
  world.notifiers->send(resolved(alert));
  world.run_until("the end", [&] { return outbox.size() == 0; });
  CHECK(there.received.size() == 3);
  CHECK(breaches.empty());

  // A webhook that was taken away.
  there.first = {{404, "no_service", {}}, {429, "", {{"Retry-After", "1"}}}};
  world.notifiers->send(alert_for("n", 8));
  world.run_until("it is refused", [&] { return world.status("n").failed == 1; });
  CHECK(world.status("n").last_error.find("answered 404: no_service") != std::string::npos);
  world.notifiers->send(alert_for("n", 9));
  world.run_until("429 and again", [&] { return world.status("n").delivered == 4; });
  CHECK(there.received.size() == 6);
  check_tells_nothing(world);
}

TEST_CASE("Slack's bot: one message for an incident, updated, also after a restart") {
  asio::io_context loop{1};
  std::vector<std::string> breaches;
  Receiver there(loop, slack_api_rules(breaches, "xoxb-1"));
  Outbox outbox, after_kill;
  {
    World world(loop, outbox, only(bot_at(there)));
    world.notifiers->send(alert_for("n"));
    world.run_until("it is posted", [&] { return world.status("n").delivered == 1; });
    CHECK(text_at(there.received[0].json(), "/channel") == "#oncall");
    after_kill = outbox;
  }
  World world(loop, after_kill, only(bot_at(there)));
  world.notifiers->restore(after_kill.rows());
  world.run_for(200ms);
  CHECK(there.received.size() == 1);  // it was told, and nothing is new
  world.notifiers->send(resolved(alert_for("n")));
  world.run_until("the end", [&] { return after_kill.size() == 0; });
  REQUIRE(there.received.size() == 2);
  CHECK(there.received[1].target == "/api/chat.update");
  CHECK(text_at(there.received[1].json(), "/ts") == "1700000000.1");
  CHECK(breaches.empty());

  SECTION("a message that was deleted is posted anew") {
    world.notifiers->send(alert_for("n", 8));
    world.run_until("it is posted", [&] { return world.status("n").delivered == 2; });
    there.first = {{200, R"({"ok":false,"error":"message_not_found"})", {}}};
    world.notifiers->send(resolved(alert_for("n", 8)));
    world.run_until("the end", [&] { return after_kill.size() == 0; });
    CHECK(there.received.back().target == "/api/chat.postMessage");
  }
  SECTION("errors with status 200 are errors") {
    there.first = {{200, R"({"ok":false,"error":"ratelimited"})", {}},
                   {200, R"({"ok":false,"error":"is_archived"})", {}}};
    world.notifiers->send(alert_for("n", 8));
    world.run_until("tried again, then refused", [&] { return world.status("n").failed == 2; });
    CHECK(world.status("n").last_error.find("refused: is_archived") != std::string::npos);
  }
  check_tells_nothing(world);
}

TEST_CASE("webhook: signed, so that the receiver can check whom it is from") {
  asio::io_context loop{1};
  Receiver there(loop, [](const Received&) { return Reply{204, "", {}}; });
  WebhookSpec spec = webhook_at(there);
  spec.to.method = "PUT";
  spec.to.headers.emplace_back("Content-Type", Secret("text/x-alert"));
  spec.body = R"(it is "{{summary}}" about {{subject}}: {{annotation.asked}})";
  spec.hmac = Secret("key");
  Outbox outbox;
  World world(loop, outbox, only(spec));
  world.notifiers->send(alert_for("n"));
  world.run_until("it is told", [&] { return world.status("n").delivered == 1; });
  const Received& request = there.received.at(0);
  CHECK(request.method == "PUT");
  CHECK(request.headers.at("content-type") == "text/x-alert");
  CHECK(request.body ==
        R"(it is "database is unhealthy: the primary is dead" about database: look at replica-1)");
  const std::string stamp = request.headers.at("x-pointsman-timestamp");
  CHECK(std::abs(std::stoll(stamp) * 1000 - wall_now().time_since_epoch().count()) < 10'000);
  CHECK(request.headers.at("x-pointsman-signature") ==
        "sha256=" + hmac_sha256(Secret("key"), stamp + "." + request.body));
}

TEST_CASE("a receiver that never answers delays nobody else, and is given up at its deadline") {
  asio::io_context loop{1};
  std::vector<std::string> breaches;
  Receiver silent(loop, [](const Received&) { return Reply{0, "", {}, true}; });
  Receiver there(loop, pagerduty_rules(breaches, routing_key));
  Outbox outbox;
  World world(
      loop, outbox,
      {{NotifierName("n"), webhook_at(silent)}, {NotifierName("oncall"), pagerduty_at(there)}});
  const MonoTime started = mono_now();
  for (std::uint64_t i = 1; i <= 50; ++i) {
    world.notifiers->send(alert_for("n", i));
    world.notifiers->send(alert_for("oncall", i));
  }
  world.run_until(
      "the others", [&] { return world.status("oncall").delivered == 50; }, 5s);
  CHECK(silent.received.size() == 1);
  CHECK(world.status("n").queued == 50);
  world.run_until("the deadline", [&] { return world.status("n").failed == 1; });
  CHECK(mono_now() - started >= try_limit);
  CHECK(mono_now() - started < try_limit + 3s);
  CHECK(world.status("n").last_error.find("no answer within 10.0 s") != std::string::npos);
  check_tells_nothing(world);
}

TEST_CASE("the queue is bounded: what is over goes first, and is counted") {
  asio::io_context loop{1};
  Receiver silent(loop, [](const Received&) { return Reply{0, "", {}, true}; });
  Outbox outbox;
  World world(loop, outbox, only(webhook_at(silent)));
  for (std::uint64_t i = 1; i <= outbox_limit; ++i) world.notifiers->send(alert_for("n", i));
  world.notifiers->send(resolved(alert_for("n", 500)));
  world.notifiers->send(alert_for("n", 2001));
  world.notifiers->send(alert_for("n", 2002));
  CHECK(world.status("n").dropped == 2);
  CHECK(outbox.size() == outbox_limit);
  for (const OutboxRow& row : outbox.rows()) {
    CHECK(row.incident != IncidentId{500});
    CHECK(row.incident != IncidentId{1});
  }
}

TEST_CASE("a notifier that is gone from the configuration is told nothing more") {
  asio::io_context loop{1};
  Receiver there(loop, [](const Received&) { return Reply{}; });
  Outbox outbox;
  World world(loop, outbox, only(webhook_at(there)));
  world.notifiers->send(alert_for("n"));
  world.run_until("it is told", [&] { return world.status("n").delivered == 1; });
  world.notifiers->configure({});
  CHECK(outbox.size() == 0);
  world.run_until("its coroutine ended", [&] { return world.running() == 0; });
  world.notifiers->send(alert_for("n"));
  REQUIRE(world.warnings.size() == 2);
  CHECK(world.warnings[0].find("1 open alerts") != std::string::npos);
  CHECK(world.warnings[1].find("not configured") != std::string::npos);

  // After a restart too, and rows that nobody can read.
  Outbox damaged;
  damaged.store().put(NotifierName("n"), IncidentId{1}, "{}");
  damaged.store().put(NotifierName("gone"), IncidentId{2}, "{}");
  World next(loop, damaged, only(webhook_at(there)));
  next.notifiers->restore(damaged.rows());
  CHECK(damaged.size() == 0);
  CHECK(next.warnings.size() == 2);
}

}  // namespace
}  // namespace pointsman::test
