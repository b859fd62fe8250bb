// Against the real Alertmanager: an alert fires, is refreshed, survives a kill of ours and its own
// absence, resolves, and what Alertmanager tells on is told once.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "probes/http_call.hpp"
#include "tests/integration/notify/notify_world.hpp"
#include "tests/integration/notify/receiver.hpp"
#include "tests/support/servers_process.hpp"

namespace pointsman::test {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

class Alertmanager {
 public:
  /// Tells `hook` of what fires and what is over.
  explicit Alertmanager(const std::string& hook) {
    place_.write("config.yml", fmt::format(R"(
route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: hook
    webhook_configs: [{{url: "{}", send_resolved: true}}]
)",
                                           hook));
  }
  void start() {
    process_ = std::make_unique<Process>(
        Argv{"/usr/bin/prometheus-alertmanager", "--config.file=" + place_.path("config.yml"),
             "--storage.path=" + place_.path("data"),
             "--cluster.listen-address=", fmt::format("--web.listen-address=127.0.0.1:{}", port_)},
        place_.path("log"));
  }
  HttpSpec at(const std::string& path = "/") const {
    return http_spec_of(fmt::format("http://127.0.0.1:{}{}", port_, path)).value();
  }
  /// Those that are active now; nothing while it does not answer.
  std::optional<json::array> active(World& world) const {
    const HttpSpec spec = at("/api/v2/alerts?active=true");
    const HttpCallResult answer =
        world.run(async_http_call(world.services(), make_http_request(spec), mono_now() + 5s));
    if (answer.status != 200) return std::nullopt;
    return json::parse(answer.body).as_array();
  }
  bool has_active(World& world, std::size_t count) const {
    const auto now = active(world);
    return now && now->size() == count;
  }

 private:
  Place place_;
  std::uint16_t port_ = free_port();
  std::unique_ptr<Process> process_;
};

std::string text_at(const json::value& value, const char* pointer) {
  const json::string& text = value.at_pointer(pointer).as_string();
  return {text.data(), text.size()};
}

/// What was told on of the alert of this severity.
std::vector<std::string> states_told(const Receiver& hook, const std::string& severity) {
  std::vector<std::string> states;
  for (const Received& request : hook.received) {
    if (text_at(request.json(), "/commonLabels/severity") != severity) continue;
    states.push_back(text_at(request.json(), "/status"));
  }
  return states;
}

World::Specs to(const Alertmanager& there) {
  AlertmanagerSpec spec;
  spec.to = there.at();
  spec.refresh = 1s;
  return {{NotifierName("oncall"), spec}};
}

TEST_CASE("an alert lives in Alertmanager as long as its incident, over kills on both sides") {
  asio::io_context loop{1};
  Receiver hook(loop, [](const Received&) { return Reply{}; });
  Alertmanager there(hook.url());
  Outbox outbox, after_kill;
  {
    World world(loop, outbox, to(there));
    Alert alert = alert_for("oncall");
    alert.severity = Severity::warning;
    world.notifiers->send(alert);
    world.run_until("a first try that failed", [&] { return world.status("oncall").failed == 1; });
    CHECK(world.status("oncall").last_error.find("refused") != std::string::npos);
    CHECK(world.status("oncall").queued == 1);

    there.start();
    world.run_until("it is active", [&] { return there.has_active(world, 1); });
    json::value seen = there.active(world)->at(0);
    CHECK(seen.at("labels").as_object().size() == 5);
    CHECK(text_at(seen, "/labels/alertname") == "PointsmanIncident");
    CHECK(text_at(seen, "/labels/node") == "web-1");
    CHECK(text_at(seen, "/labels/subject") == "database");
    CHECK(text_at(seen, "/labels/incident") == "7");
    CHECK(text_at(seen, "/labels/severity") == "warning");
    CHECK(text_at(seen, "/annotations/asked") == "look at replica-1");

    // It gets worse: to Alertmanager that is another alert, and the first one is over.
    alert.severity = Severity::critical;
    alert.annotations.emplace_back("attempts", "switch bud: failed");
    world.notifiers->send(alert);
    world.run_until("the change", [&] {
      const auto now = there.active(world);
      if (!now || now->size() != 1) return false;
      seen = now->at(0);
      return text_at(seen, "/labels/severity") == "critical";
    });
    CHECK(text_at(seen, "/annotations/attempts") == "switch bud: failed");

    // Refreshed: each end lies further on.
    const std::string end = text_at(seen, "/endsAt");
    const int puts = outbox.puts;
    world.run_until("a refresh",
                    [&] { return text_at(there.active(world)->at(0), "/endsAt") > end; });
    CHECK(outbox.puts == puts);
    CHECK(world.status("oncall").queued == 0);
    CHECK(world.status("oncall").open == 1);
    after_kill = outbox;
  }
  {
    World world(loop, after_kill, to(there));
    world.notifiers->restore(after_kill.rows());
    world.notifiers->reconcile({IncidentId{7}});
    // Longer than it would live without us.
    world.run_for(4s);
    CHECK(there.has_active(world, 1));
    world.notifiers->send(resolved(alert_for("oncall")));
    world.run_until("it is over there", [&] { return there.has_active(world, 0); });
    world.run_until("nothing waits", [&] { return after_kill.size() == 0; });
    world.run_until("it was told on", [&] { return states_told(hook, "critical").size() >= 2; });
  }
  CHECK(states_told(hook, "warning") == std::vector<std::string>{"firing", "resolved"});
  CHECK(states_told(hook, "critical") == std::vector<std::string>{"firing", "resolved"});
}

TEST_CASE("what closed while nobody ran is resolved at the next start: no zombie") {
  asio::io_context loop{1};
  Receiver hook(loop, [](const Received&) { return Reply{}; });
  Alertmanager there(hook.url());
  there.start();
  Outbox outbox, after_kill;
  {
    World world(loop, outbox, to(there));
    world.run_until("it answers", [&] { return there.active(world).has_value(); });
    world.notifiers->send(alert_for("oncall", 7));
    world.notifiers->send(alert_for("oncall", 8));
    world.run_until("both are active", [&] { return there.has_active(world, 2); });
    after_kill = outbox;
  }
  World world(loop, after_kill, to(there));
  world.notifiers->restore(after_kill.rows());
  world.notifiers->reconcile({IncidentId{8}});
  world.run_until(
      "one is over", [&] { return there.has_active(world, 1); }, 2s);
  CHECK(text_at(there.active(world)->at(0), "/labels/incident") == "8");
  CHECK(after_kill.size() == 1);
}

TEST_CASE("a test alert is real, and apart from the queue") {
  asio::io_context loop{1};
  Receiver hook(loop, [](const Received&) { return Reply{}; });
  Alertmanager there(hook.url());
  Outbox outbox;
  World world(loop, outbox, to(there));
  const auto down = world.run(world.notifiers->async_test(NotifierName("oncall")));
  REQUIRE_FALSE(down);
  CHECK(down.error().message.find("refused") != std::string::npos);
  there.start();
  world.run_until("it answers", [&] { return there.active(world).has_value(); });
  const auto up = world.run(world.notifiers->async_test(NotifierName("oncall")));
  REQUIRE(up);
  CHECK(up.value().find("answered 200") != std::string::npos);
  CHECK(text_at(there.active(world)->at(0), "/labels/alertname") == "PointsmanTest");
  CHECK(outbox.puts == 0);
  const auto none = world.run(world.notifiers->async_test(NotifierName("nobody")));
  CHECK(none.error().message == "there is no notifier named nobody");
}

}  // namespace
}  // namespace pointsman::test
