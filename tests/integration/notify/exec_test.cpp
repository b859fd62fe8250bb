// A command as a notifier: what it is given, and what its end means.
#include <sys/stat.h>

#include <csignal>

#include <catch2/catch.hpp>

#include <boost/json.hpp>

#include "tests/integration/notify/notify_world.hpp"
#include "tests/support/servers_process.hpp"

namespace pointsman::test {
namespace {

using namespace std::chrono_literals;

/// A script that its owner may run; it is root's or ours, and the command runs as we do.
World::Specs script(const Place& place, const std::string& text) {
  place.write("notify.sh", "#!/bin/bash\n" + text);
  ::chmod(place.path("notify.sh").c_str(), 0755);
  ExecSpec spec;
  spec.command = {place.path("notify.sh"), "argument"};
  spec.environment = {{"TOKEN", Secret("a-long-token")}};
  return {{NotifierName("n"), spec}};
}

TEST_CASE("a command is given the alert, and told again until it exits with 0") {
  asio::io_context loop{1};
  Place place;
  Outbox outbox;
  // Fails the first time.
  World world(loop, outbox, script(place, R"sh(
cd "$(dirname "$0")"
if [ ! -e seen ]; then touch seen; echo "no way with $TOKEN" >&2; exit 7; fi
printf '%s' "$POINTSMAN_ALERT_JSON" > json
printf '%s|%s|%s|%s|%s|%s' "$1" "$POINTSMAN_STATE" "$POINTSMAN_NODE" "$POINTSMAN_SUBJECT" \
  "$POINTSMAN_INCIDENT" "$POINTSMAN_SEVERITY" > told
read -r line && exit 1
exit 0
)sh"));
  world.notifiers->send(alert_for("n"));
  world.run_until("a first failure", [&] { return world.status("n").failed == 1; });
  CHECK(world.status("n").last_error.find("exit code 7: no way with ***") != std::string::npos);
  world.run_until("it is told", [&] { return world.status("n").delivered == 1; });
  CHECK(place.read("told") == "argument|firing|web-1|database|7|critical");
  const auto document = boost::json::parse(place.read("json"));
  CHECK(document.at_pointer("/annotations/asked").as_string() == "look at replica-1");
  world.notifiers->send(resolved(alert_for("n")));
  world.run_until("the end", [&] { return outbox.size() == 0; });
  CHECK(place.read("told").find("argument|resolved|") == 0);
}

TEST_CASE("a command that cannot be started is an error, said once") {
  asio::io_context loop{1};
  Outbox outbox;
  ExecSpec spec;
  spec.command = {"/nonexistent/notify"};
  World world(loop, outbox, {{NotifierName("n"), spec}});
  world.notifiers->send(alert_for("n"));
  world.run_until("two tries", [&] { return world.status("n").failed == 2; });
  CHECK(world.status("n").last_error.find("cannot start /nonexistent/notify") == 0);
  CHECK(world.warnings.size() == 1);
}

TEST_CASE("a command that hangs is killed when we stop, and its alert is kept") {
  asio::io_context loop{1};
  Place place;
  Outbox outbox;
  const MonoTime started = mono_now();
  {
    World world(loop, outbox,
                script(place, "cd \"$(dirname \"$0\")\"; echo $$ > pid; sleep 60 & wait\n"));
    world.notifiers->send(alert_for("n"));
    world.run_until("it runs", [&] { return !place.read("pid").empty(); });
  }
  CHECK(mono_now() - started < 5s);
  CHECK(::kill(static_cast<pid_t>(std::stol(place.read("pid"))), 0) != 0);
  CHECK(outbox.size() == 1);
}

}  // namespace
}  // namespace pointsman::test
