// Each document of one snapshot against its golden file (tests/golden/http). To write them anew
// after a wanted change: POINTSMAN_WRITE_GOLDEN=1 unit_http; then read the difference.
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <boost/json/parse.hpp>

#include "tests/unit/http/world.hpp"

using namespace pointsman;
using namespace pointsman::test;

namespace {

void compare_with_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(POINTSMAN_SOURCE_DIR) + "/tests/golden/http/" + name;
  if (std::getenv("POINTSMAN_WRITE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  std::stringstream golden;
  golden << file.rdbuf();
  INFO("golden file " << path);
  CHECK(text == golden.str());
}

/// One member a line, so that a difference can be read.
std::string spread(const std::string& json) {
  std::string out;
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"' && (i == 0 || json[i - 1] != '\\')) in_text = !in_text;
    const bool opens = !in_text && (c == '{' || c == '[');
    const bool closes = !in_text && (c == '}' || c == ']');
    const auto line = [&] { out += '\n' + std::string(static_cast<std::size_t>(depth) * 2, ' '); };
    if (closes) {
      --depth;
      if (json[i - 1] != '{' && json[i - 1] != '[') line();
    }
    out += c;
    if (opens) {
      ++depth;
      if (json[i + 1] != '}' && json[i + 1] != ']') line();
    }
    if (!in_text && c == ',') line();
  }
  return out;
}

void check_json(const std::string& name, const std::string& text) {
  boost::system::error_code error;
  boost::json::parse(text, error);
  INFO(text);
  REQUIRE_FALSE(error);
  compare_with_golden(name, spread(text));
}

ProcessStats fixed_process() {
  ProcessStats process;
  process.cpu_seconds = 12.5;
  process.start_time_seconds = 1'795'510'800;
  process.resident_bytes = 9'000'000;
  process.open_descriptors = 23;
  return process;
}

}  // namespace

TEST_CASE("documents of one of everything are as the golden files have them") {
  const World world;
  check_json("status.json", status_document(world.input()));
  check_json("probes.json", probes_document(world.input()));
  check_json("services.json", services_document(world.input()));
  check_json("routes.json", routes_document(world.input()));
  check_json("why.json", why_document(world.input(), RouteName{"bud"}).value());
  check_json("incidents.json", incidents_document(world.input()));
  check_json("incident.json", incident_document(world.input(), IncidentId{11}).value());
  check_json("incident_open.json", incident_document(world.input(), IncidentId{12}).value());
  check_json("requests.json", requests_document(world.input()));
  check_json("detailed.json", detailed_document(world.input()));
  check_json("health_json.json", health_json_document(world.input()));
  compare_with_golden("metrics.txt", metrics_document(world.input(), fixed_process()));
}

TEST_CASE("documents of an empty snapshot are whole") {
  World world;
  world.snapshot = Snapshot{};
  world.shell = ShellView{};
  check_json("empty_status.json", status_document(world.input()));
  check_json("empty_detailed.json", detailed_document(world.input()));
  check_json("empty_health_json.json", health_json_document(world.input()));
  check_json("empty_incidents.json", incidents_document(world.input()));
}

TEST_CASE("routes that wait for what was left half done are shown as recovering") {
  World world;
  world.shell.awaited = world.snapshot.policy;
  world.snapshot = Snapshot{};
  const auto status = boost::json::parse(status_document(world.input()));
  const auto& route = status.at("routes").at("bud").as_object();
  CHECK(route.at("state") == "recovering");
  CHECK(route.at("in_effect") == false);
  CHECK(route.at("targets").as_array().empty());
  CHECK(status.at("mode") == "act");
  const auto routes = boost::json::parse(routes_document(world.input()));
  CHECK(routes.at("bud").at("state") == "recovering");
  // Once the engine has its policy only what it says counts.
  world.snapshot.policy = world.shell.awaited;
  CHECK(boost::json::parse(status_document(world.input())).at("routes").as_object().empty());
}

TEST_CASE("what is not there has no document") {
  const World world;
  CHECK_FALSE(incident_document(world.input(), IncidentId{13}));
  CHECK_FALSE(request_document(world.input(), RequestId{5}));
  CHECK(request_document(world.input(), RequestId{4}).value().find("\"running\"") !=
        std::string::npos);
}

TEST_CASE("open incidents come first, the newest first among each, and no more than asked for") {
  World world;
  const auto add = [&](std::uint64_t id, IncidentState state) {
    auto story = std::make_shared<Incident>();
    story->id = IncidentId{id};
    story->state = state;
    world.snapshot.incidents[story->id] = story;
  };
  add(5, IncidentState::open);
  add(14, IncidentState::closed);
  const auto listed = [&](std::size_t limit) {
    std::vector<std::int64_t> ids;
    const auto value = boost::json::parse(incidents_document(world.input(), limit));
    for (const auto& one : value.at("incidents").as_array()) ids.push_back(one.at("id").as_int64());
    return ids;
  };
  CHECK(listed(100) == std::vector<std::int64_t>{12, 5, 14, 11});
  CHECK(listed(3) == std::vector<std::int64_t>{12, 5, 14});
  CHECK(listed(0).empty());
}

TEST_CASE("why names the route's incident, its own before that of which it is a part") {
  World world;
  const auto incident_of = [&] {
    const auto why = boost::json::parse(*why_document(world.input(), RouteName{"bud"}));
    const auto& incident = why.at("incident");
    return incident.is_null() ? 0 : incident.at("id").as_int64();
  };
  CHECK(incident_of() == 0);
  auto whole = std::make_shared<Incident>();
  whole->id = IncidentId{20};
  whole->subject = "database";
  whole->members = {"route:bud"};
  world.snapshot.incidents[whole->id] = whole;
  CHECK(incident_of() == 20);
  world.snapshot.routes.at(RouteName{"bud"}).incident = IncidentId{11};
  CHECK(incident_of() == 11);
}

TEST_CASE("a thousand incidents are listed in a moment", "[cost]") {
  World world;
  for (std::uint64_t id = 100; id < 1100; ++id) {
    auto story = std::make_shared<Incident>(*world.snapshot.incidents.at(IncidentId{11}));
    story->id = IncidentId{id};
    world.snapshot.incidents[story->id] = story;
  }
  CHECK(incidents_document(world.input(), 1000).size() > 300'000);
}

TEST_CASE("promtool has nothing to say about the metrics") {
  const World world;
  char name[] = "/tmp/pointsman-metrics-XXXXXX";
  const int file = ::mkstemp(name);
  REQUIRE(file >= 0);
  const std::string text = metrics_document(world.input(), fixed_process());
  REQUIRE(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  REQUIRE(::lseek(file, 0, SEEK_SET) == 0);
  int said[2];
  REQUIRE(::pipe(said) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(file, STDIN_FILENO);
    ::dup2(said[1], STDOUT_FILENO);
    ::dup2(said[1], STDERR_FILENO);
    ::close(said[0]);
    ::close(said[1]);
    ::execlp("promtool", "promtool", "check", "metrics", nullptr);
    ::_exit(127);
  }
  ::close(said[1]);
  ::close(file);
  ::unlink(name);
  std::string output;
  char piece[4096];
  for (ssize_t count = 0; (count = ::read(said[0], piece, sizeof piece)) > 0;) {
    output.append(piece, static_cast<std::size_t>(count));
  }
  ::close(said[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  INFO("promtool is of the package prometheus");
  CHECK(output.empty());
  INFO(output);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

TEST_CASE("a route that is not there has no why") {
  const World world;
  CHECK_FALSE(why_document(world.input(), RouteName{"nope"}));
}

TEST_CASE("what is wrong is said in the notes, and nothing else is") {
  World world;
  world.shell.journal_writable = true;
  for (const char* said :
       {"automation is paused by uid 1000: moving racks",
        "the node is drained by uid 1000: moving racks",
        "the flag maintenance_page is set by ladder host: database is down",
        "the flag no_cache is set by uid 0\"",
        "incident 12 (host) needs a person: make room on the disk",
        "the ladder host waits for approval 77: approve",
        "the notifier oncall does not get through, 2 wait: connection refused"}) {
    INFO(said);
    CHECK(detailed_document(world.input()).find(said) != std::string::npos);
  }
  world.shell.notifiers.clear();
  world.snapshot.automation.reset();
  world.snapshot.drain.reset();
  world.snapshot.flags.clear();
  world.snapshot.incidents.clear();
  world.snapshot.ladders.clear();
  CHECK(detailed_document(world.input()).find("\"notes\"") == std::string::npos);
  world.serving = Serving{.ok = false, .reason = "drained"};
  world.shell.last_reload_ok = false;
  world.shell.last_reload_error = "line 3";
  world.snapshot.distrusted = true;
  world.snapshot.drain.reset();
  const std::string text = detailed_document(world.input());
  CHECK(text.find("/health answers 503: drained") != std::string::npos);
  CHECK(text.find("the last reload failed: line 3") != std::string::npos);
  CHECK(text.find("samples are not trusted") != std::string::npos);
}

TEST_CASE(
    "the response time of a service is that of its slowest member, through services and routes") {
  World world;
  auto& sample = world.snapshot.probes.at(ProbeName{"primary"}).sample;
  sample->finished = sample->started + std::chrono::milliseconds{700};
  const auto value = boost::json::parse(detailed_document(world.input()));
  CHECK(value.at("checks").at("database").at("response_time_ms").as_int64() == 700);
  CHECK(value.at("checks").at("host").at("response_time_ms").as_double() == Approx(1.5));
}

TEST_CASE("a thousand probes are rendered", "[cost]") {
  // Only that the sizes are sane: the times are what the README cites (unit_http "[cost]" -d yes).
  World world;
  world.snapshot = many_probes(1000);
  SECTION("status") {
    CHECK(status_document(world.input()).size() > 300'000);
  }
  SECTION("metrics") {
    CHECK(metrics_document(world.input(), {}).size() > 1'000'000);
  }
  SECTION("detailed") {
    CHECK(health_json_document(world.input()).size() > 100'000);
  }
}
