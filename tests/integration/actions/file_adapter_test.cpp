// A file and a reload, with a real nginx that reads it.
#include <catch2/catch.hpp>

#include "daemon/actions/file_adapter.hpp"
#include "tests/integration/probes/data_loop.hpp"
#include "tests/support/servers.hpp"
#include "tests/support/servers_proxies.hpp"

using namespace pointsman;
using namespace pointsman::test;
using Catch::Contains;

namespace {

constexpr std::string_view upstream_template =
    "# {{epoch}}\nupstream app {\n{{#targets}}\n  server {{address}}; # "
    "{{name}}\n{{/targets}}\n}\n";

SwitchTarget target(const std::string& name, std::uint16_t port) {
  return {ProbeName(name), {"127.0.0.1", port}};
}

class FileMachine : public DataLoop {
 public:
  FileMachine(std::string path, std::vector<SwitchTarget> known,
              std::string_view text = upstream_template)
      : adapters_(services(), worker_, limits()) {
    route.route = RouteName("web");
    route.path = std::move(path);
    route.tmpl = FileTemplate::parse(text, "upstream.tmpl").value();
    route.known = std::move(known);
    order.route = route.route;
    order.cause = SwitchCause::request;
    order.epoch = 3;
    make();
  }
  static FileLimits limits() {
    FileLimits limits;
    limits.prove = 1500ms;
    limits.one_try = 500ms;
    return limits;
  }
  void make() { adapter_ = adapters_.make({route}).front(); }
  void reload_with(const Argv& command) {
    ExecSpec exec;
    exec.command = command;
    route.reload = exec;
    make();
  }
  SwitchReport switch_to(std::vector<SwitchTarget> to) {
    auto now = order;
    now.to = std::move(to);
    Intend intend = [this](std::string text) { return async_intend(std::move(text)); };
    return run_until(adapter_->async_switch(std::move(now), std::move(intend)), mono_now() + 20s);
  }
  PoolerObservation observe() {
    return run_until(adapter_->async_observe(route.route), mono_now() + 5s);
  }
  SwitchReport reconnect() {
    const auto deadline = mono_now() + 3s;
    return run_until(adapter_->async_reconnect(route.route, deadline), deadline);
  }
  void recover(const std::string& text) { run_until(async_recover(text), mono_now() + 10s); }

  FileRoute route;
  SwitchRoute order;
  std::vector<std::string> steps;

 private:
  asio::awaitable<void> async_intend(std::string text) {
    steps.push_back(std::move(text));
    co_return;
  }
  asio::awaitable<bool> async_recover(std::string text) {
    co_await adapter_->async_recover(std::move(text));
    co_return true;
  }
  ActWorker worker_{executor()};
  FileAdapters adapters_;
  std::shared_ptr<Adapter> adapter_;
};

HttpSpec get_from(std::uint16_t port, const std::string& wanted) {
  HttpSpec spec;
  spec.url = "http://127.0.0.1:" + std::to_string(port) + "/";
  spec.host = "127.0.0.1";
  spec.port = port;
  spec.body_contains = wanted;
  return spec;
}

std::string first_upstream(std::uint16_t port) {
  return "# 1\nupstream app {\n  server 127.0.0.1:" + std::to_string(port) + "; # a\n}\n";
}

}  // namespace

TEST_CASE("nginx follows its upstream file", "[file]") {
  const NginxAnswer a("from a"), b("from b");
  const NginxProxy proxy(first_upstream(a.port()));
  const auto to_a = target("a", a.port()), to_b = target("b", b.port());
  FileMachine machine(proxy.file(), {to_a, to_b});
  machine.reload_with(proxy.reload_command());
  machine.route.verify = get_from(proxy.port(), "from b");
  machine.make();

  auto seen = machine.observe();
  CHECK(seen.reachable);
  CHECK(seen.listed);
  CHECK(seen.addresses == std::vector<Endpoint>{to_a.endpoint});
  CHECK(seen.file == FileState::unknown);  // nothing was wanted of it yet
  CHECK_THAT(proxy.get(), Contains("from a"));

  const auto report = machine.switch_to({to_b});
  INFO(report.message);
  CHECK(report.outcome == ActionOutcome::ok);
  CHECK(report.verified == Verified::query);
  CHECK_THAT(proxy.get(), Contains("from b"));
  CHECK(machine.steps.size() == 1);
  seen = machine.observe();
  CHECK(seen.addresses == std::vector<Endpoint>{to_b.endpoint});
  CHECK(seen.file == FileState::as_wanted);

  SECTION("several at once") {
    machine.route.verify = get_from(proxy.port(), "from");
    machine.make();
    CHECK(machine.switch_to({to_a, to_b}).outcome == ActionOutcome::ok);
    CHECK(machine.observe().addresses == std::vector<Endpoint>{to_a.endpoint, to_b.endpoint});
  }
  SECTION("verify writes nothing") {
    machine.order.cause = SwitchCause::verify;
    CHECK(machine.switch_to({to_b}).verified == Verified::query);
    const auto other = machine.switch_to({to_a});
    CHECK(other.outcome == ActionOutcome::failed);
    CHECK_THAT(other.message, Contains("does not lead to"));
    CHECK(machine.steps.size() == 1);
    // A restart of ours, with another epoch in the order than in the file.
    FileMachine next(proxy.file(), {to_a, to_b});
    next.order.cause = SwitchCause::verify;
    next.order.epoch = 9;
    CHECK(next.switch_to({to_b}).outcome == ActionOutcome::ok);
    CHECK(next.observe().file == FileState::as_wanted);
  }
  SECTION("a file edited by hand is seen, and written anew") {
    proxy.place().append("upstream.conf", "# by hand\n");
    seen = machine.observe();
    CHECK(seen.file == FileState::differs);
    CHECK(seen.addresses.empty());
    CHECK_THAT(seen.error, Contains("is not what its template gives"));
    machine.order.cause = SwitchCause::drift;
    CHECK(machine.switch_to({to_b}).outcome == ActionOutcome::ok);
    CHECK(machine.observe().file == FileState::as_wanted);
  }
  SECTION("what is not proven goes back where the old one lives") {
    const auto dead = target("c", free_port());
    const auto failed = machine.switch_to({dead});
    CHECK(failed.outcome == ActionOutcome::failed);
    CHECK(failed.rolled_back);
    CHECK_THAT(failed.message, Contains("not proven") && Contains("rolled back"));
    CHECK(machine.observe().addresses == std::vector<Endpoint>{to_b.endpoint});
    // nginx reloads gracefully: its workers of before answer for a moment.
    wait_for("nginx is back", [&] { return proxy.get().find("from b") != std::string::npos; });
    machine.order.old_targets = OldTargets::dead;
    CHECK_FALSE(machine.switch_to({dead}).rolled_back);
    // Not one of the candidates, as where a route falls back to another's target.
    seen = machine.observe();
    CHECK(seen.file == FileState::as_wanted);
    CHECK(seen.addresses == std::vector<Endpoint>{dead.endpoint});
  }
  SECTION("a start that finds a switch half done has the file read again") {
    proxy.place().write("upstream.conf", first_upstream(a.port()));
    CHECK_THAT(proxy.get(), Contains("from b"));
    FileMachine next(proxy.file(), {to_a, to_b});
    next.reload_with(proxy.reload_command());
    next.recover(R"({"adapter":"file","path":"/other"})");
    next.recover(machine.steps.front());
    wait_for("nginx has read it", [&] { return proxy.get().find("from a") != std::string::npos; });
  }
}

TEST_CASE("a reload that fails", "[file]") {
  const Place place;
  const auto one = target("a", 1), two = target("b", 2);
  FileMachine machine(place.path("app.conf"), {one, two}, "{{address}}\n");

  SECTION("says what the command said, and puts the file back") {
    place.write("app.conf", "127.0.0.1:1\n");
    machine.reload_with({"/usr/bin/ls", "/nonexistent"});
    const auto report = machine.switch_to({two});
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_FALSE(report.rolled_back);  // the file is back, but nobody could be told
    CHECK_THAT(report.message, Contains("/usr/bin/ls ended with exit code 2") &&
                                   Contains("could not be rolled back"));
    CHECK(place.read("app.conf") == "127.0.0.1:1\n");
  }
  SECTION("a unit without a bus, or one that systemd does not know") {
    machine.route.reload = std::string("pointsman-test-nonexistent.service");
    machine.make();
    const auto report = machine.switch_to({two});
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("was written, but its reader was not reloaded"));
    CHECK(place.read("app.conf") == "127.0.0.1:2\n");
    CHECK(machine.reconnect().outcome == ActionOutcome::failed);
  }
  SECTION("no reload at all") {
    CHECK(machine.observe().file == FileState::missing);
    const auto report = machine.switch_to({two});
    CHECK(report.outcome == ActionOutcome::ok);
    CHECK(report.verified == Verified::servers);
    CHECK(place.read("app.conf") == "127.0.0.1:2\n");
    CHECK(machine.switch_to({one, two}).outcome == ActionOutcome::failed);
    CHECK(machine.reconnect().outcome == ActionOutcome::ok);
  }
  SECTION("a folder that cannot be written") {
    machine.route.path = place.path("none/app.conf");
    machine.make();
    const auto report = machine.switch_to({two});
    CHECK(report.outcome == ActionOutcome::failed);
    CHECK_THAT(report.message, Contains("none has to be a folder"));
  }
  SECTION("a connection is asked for through the reader") {
    const RedisServer redis;
    machine.route.verify = Endpoint{"127.0.0.1", redis.port()};
    machine.make();
    CHECK(machine.switch_to({two}).verified == Verified::servers);
    machine.route.verify = Endpoint{"127.0.0.1", free_port()};
    machine.make();
    CHECK(machine.switch_to({one}).rolled_back);
  }
}
