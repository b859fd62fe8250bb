// The reports against golden files: tests/golden/cli/NAME.json in, NAME.txt out (NAME.terminal.txt
// with colours and cut to 78 columns). POINTSMAN_WRITE_GOLDEN=1 writes them anew: look at the
// difference.
#include "daemon/cli/report.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "daemon/cli/words.hpp"

using namespace pointsman;

namespace {

const std::string folder = std::string(POINTSMAN_SOURCE_DIR) + "/tests/golden/cli/";

std::string contents(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(folder + file).rdbuf();
  return text.str();
}

void compare(const std::string& file, const std::string& made) {
  INFO(file);
  if (std::getenv("POINTSMAN_WRITE_GOLDEN") != nullptr) std::ofstream(folder + file) << made;
  CHECK(made == contents(file));
}

const WallTime now = *parse_rfc3339("2026-11-23T10:00:03Z");
const Style plain{};
const Style terminal{true, 78};

}  // namespace

TEST_CASE("status, as people read it") {
  for (const std::string name : {"status-failover", "status-drained", "status-strange"}) {
    const auto status = boost::json::parse(contents(name + ".json"));
    compare(name + ".txt", status_report(status, now, plain));
  }
  const auto status = boost::json::parse(contents("status-failover.json"));
  compare("status-failover.terminal.txt", status_report(status, now, terminal));
}

TEST_CASE("why, as somebody woken at night reads it") {
  for (const std::string name : {"why-held", "why-well"}) {
    const auto why = boost::json::parse(contents(name + ".json"));
    compare(name + ".txt", why_report(why, now, plain));
  }
  compare("why-held.terminal.txt",
          why_report(boost::json::parse(contents("why-held.json")), now, terminal));
}

TEST_CASE("a report never fails, whatever it is given") {
  for (const char* nonsense :
       {"null", "[]", "5", "{}", R"({"routes":{"a":null},"services":{"b":[]}})",
        R"({"guards":[{"until":"x"},7],"candidates":[null,{}],"last_switch":{}})",
        R"({"guards":[{"until":"2026-11-23T10:00:00Z"}],"observed":[null]})"}) {
    const auto value = boost::json::parse(nonsense);
    CHECK_FALSE(status_report(value, now, plain).empty());
    CHECK_FALSE(why_report(value, now, terminal).empty());
  }
}
