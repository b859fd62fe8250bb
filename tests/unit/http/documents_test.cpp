// Each document of one snapshot against its golden file (tests/golden/http). To write them anew
// after a wanted change: POINTSMAN_WRITE_GOLDEN=1 unit_http; then read the difference.
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
}

TEST_CASE("a route that is not there has no why") {
  const World world;
  CHECK_FALSE(why_document(world.input(), RouteName{"nope"}));
}

TEST_CASE("what is wrong is said in the notes, and nothing else is") {
  World world;
  world.shell.journal_writable = true;
  CHECK(detailed_document(world.input()).find("\"notes\"") == std::string::npos);
  world.serving = Serving{.ok = false, .reason = "drained"};
  world.shell.last_reload_ok = false;
  world.shell.last_reload_error = "line 3";
  world.snapshot.distrusted = true;
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
