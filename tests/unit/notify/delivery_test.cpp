// When a delivery tells what: not before it is durable, and anew where it leads to somebody else.
// The receivers are commands, so that no socket is needed.
#include <catch2/catch.hpp>

#include "daemon/notify/destination.hpp"
#include "probes/http_call.hpp"
#include "tests/integration/notify/notify_world.hpp"

namespace pointsman::test {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

ExecSpec command(std::vector<std::string> argv) {
  ExecSpec spec;
  spec.command = std::move(argv);
  return spec;
}
World::Specs only(NotifierSpec spec) {
  return {{NotifierName("n"), std::move(spec)}};
}

/// A disk that takes its time.
struct SlowDisk {
  explicit SlowDisk(asio::io_context& loop)
      : answers(loop, std::chrono::steady_clock::time_point::max()) {}
  static asio::awaitable<void> async_wait(SlowDisk& self) {
    ++self.waits;
    co_await self.answers.async_wait(as_result);
  }
  void hold_up(Outbox& outbox) {
    outbox.holds_up = [this](const NotifierName&, IncidentId, const std::string&) {
      return async_wait(*this);
    };
  }
  void answer() { answers.cancel(); }

  asio::steady_timer answers;
  int waits = 0;
};

/// The one entry, as the outbox has it.
OutboxEntry kept(const Outbox& outbox) {
  const auto rows = outbox.rows();
  REQUIRE(rows.size() == 1);
  auto entry = entry_of_document(rows.front().incident, rows.front().document);
  REQUIRE(entry);
  return entry.value();
}

TEST_CASE("nothing is told of an entry before it is durable, and what was kept does not wait") {
  asio::io_context loop{1};
  Outbox outbox;
  SlowDisk disk(loop);
  disk.hold_up(outbox);
  {
    World world(loop, outbox, only(command({"/bin/true"})));
    world.notifiers->send(alert_for("n"));
    world.run_for(300ms);
    CHECK(disk.waits == 1);
    CHECK(world.status("n").delivered == 0);
    CHECK(outbox.size() == 1);
    disk.answer();
    world.run_until("it is told", [&] { return world.status("n").delivered == 1; });
    world.notifiers->send(resolved(alert_for("n", 7)));
    world.run_until("its end is told", [&] { return world.status("n").delivered == 2; });
    CHECK(disk.waits == 1);
    world.notifiers->send(alert_for("n", 8));
    world.run_until("the next one waits", [&] { return disk.waits == 2; });
  }
  const auto rows = outbox.rows();  // as a kill leaves it
  World next(loop, outbox, only(command({"/bin/true"})));
  next.notifiers->restore(rows);
  next.run_until("what was kept is told", [&] { return next.status("n").delivered == 1; });
  CHECK(disk.waits == 2);
}

TEST_CASE("one that is over before it is durable, and one that is dropped, are no trouble") {
  asio::io_context loop{1};
  Outbox outbox;
  SlowDisk disk(loop);
  disk.hold_up(outbox);
  World world(loop, outbox, only(command({"/bin/true"})));
  world.notifiers->send(alert_for("n"));
  world.run_until("it waits", [&] { return disk.waits == 1; });
  SECTION("over") {
    world.notifiers->send(resolved(alert_for("n")));
    disk.answer();
    world.run_until("its end alone is told", [&] { return outbox.size() == 0; });
    CHECK(world.status("n").delivered == 1);
  }
  SECTION("dropped") {
    world.notifiers->configure({});
    disk.answer();
    world.run_until("the delivery has ended", [&] { return world.running() == 0; });
    CHECK(outbox.size() == 0);
  }
}

TEST_CASE("a reload that leads elsewhere tells there what fires, another one tells nobody") {
  asio::io_context loop{1};
  Outbox outbox;
  const NotifierSpec here = command({"/bin/true", "here"}), there = command({"/bin/true", "there"});
  World world(loop, outbox, only(here));
  world.notifiers->send(alert_for("n"));
  world.run_until("it is told", [&] { return world.status("n").delivered == 1; });
  CHECK(kept(outbox).told_to == destination_of(here));
  world.notifiers->configure(only(here));
  world.run_for(200ms);
  CHECK(world.status("n").delivered == 1);
  CHECK(world.warnings.empty());

  world.notifiers->configure(only(there));
  world.run_until("it is told there", [&] { return world.status("n").delivered == 2; });
  CHECK(kept(outbox).told == Told::firing);
  CHECK(kept(outbox).told_to == destination_of(there));
  REQUIRE(world.warnings.size() == 1);
  CHECK_THAT(world.warnings.front(), Contains("leads elsewhere now: 1 open alerts"));
}

TEST_CASE("a start that leads elsewhere tells there what fires") {
  asio::io_context loop{1};
  Outbox outbox;
  {
    World world(loop, outbox, only(command({"/bin/true", "here"})));
    world.notifiers->send(alert_for("n"));
    world.run_until("it is told", [&] { return world.status("n").delivered == 1; });
  }
  const auto rows = outbox.rows();
  SECTION("the same") {
    World world(loop, outbox, only(command({"/bin/true", "here"})));
    world.notifiers->restore(rows);
    world.run_for(200ms);
    CHECK(world.status("n").delivered == 0);
  }
  SECTION("another") {
    World world(loop, outbox, only(command({"/bin/true", "there"})));
    world.notifiers->restore(rows);
    world.run_until("it is told there", [&] { return world.status("n").delivered == 1; });
  }
}

TEST_CASE("what was under way to the old destination does not count as told to the new one") {
  asio::io_context loop{1};
  Outbox outbox;
  const NotifierSpec there = command({"/bin/true", "there"});
  World world(loop, outbox, only(command({"/bin/sleep", "0.3"})));
  world.notifiers->send(alert_for("n"));
  world.run_for(50ms);
  world.notifiers->configure(only(there));
  world.run_until("it is told there", [&] { return kept(outbox).told == Told::firing; });
  CHECK(kept(outbox).told_to == destination_of(there));
  CHECK(world.status("n").delivered == 1);
}

TEST_CASE("a destination is another one by URL, key, channel or kind, not by credentials") {
  const auto to = [](const char* url) { return http_spec_of(url).value(); };
  const PagerdutySpec pager{to("http://a/"), Secret("k1")};
  CHECK(destination_of(pager) == destination_of(PagerdutySpec{to("http://a/"), Secret("k1")}));
  CHECK(destination_of(pager) != destination_of(PagerdutySpec{to("http://a/"), Secret("k2")}));
  CHECK(destination_of(pager) != destination_of(PagerdutySpec{to("http://b/"), Secret("k1")}));
  CHECK(destination_of(pager).find("k1") == std::string::npos);

  const WebhookSpec webhook{to("http://a/x"), "", std::nullopt};
  WebhookSpec renewed{to("http://a/x"), "{{json}}", Secret("key")};
  renewed.to.headers = {{"Authorization", Secret("Bearer new")}};
  CHECK(destination_of(webhook) == destination_of(renewed));
  CHECK(destination_of(webhook) != destination_of(WebhookSpec{to("http://a/y"), "", std::nullopt}));
  CHECK(destination_of(webhook) != destination_of(AlertmanagerSpec{to("http://a/x")}));

  const SlackSpec bot{to("http://a/api"), Secret("xoxb-1"), "#one"};
  CHECK(destination_of(bot) ==
        destination_of(SlackSpec{to("http://a/api"), Secret("xoxb-2"), "#one"}));
  CHECK(destination_of(bot) !=
        destination_of(SlackSpec{to("http://a/api"), Secret("xoxb-1"), "#two"}));
}

}  // namespace
}  // namespace pointsman::test
