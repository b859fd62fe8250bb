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

/// What the daemon's documents of one of everything look like (tests/golden/http): the command line
/// reads what the daemon writes.
TEST_CASE("the daemon's own documents, as people read them") {
  const WallTime later = *parse_rfc3339("2026-11-24T10:00:03Z");
  const auto document = [](const std::string& name) {
    return boost::json::parse(contents("../http/" + name + ".json"));
  };
  compare("daemon-status.txt", status_report(document("status"), later, plain));
  compare("daemon-status.terminal.txt", status_report(document("status"), later, terminal));
  compare("daemon-why.txt", why_report(document("why"), later, plain));
  compare("daemon-incidents.txt", incidents_report(document("incidents"), later, plain));
  compare("daemon-incident.txt", incident_report(document("incident"), later, plain));
  compare("daemon-incident.terminal.txt", incident_report(document("incident"), later, terminal));
  compare("daemon-incident-open.txt", incident_report(document("incident_open"), later, plain));
  CHECK(incidents_report(document("empty_incidents"), later, plain) == "no incidents\n");
}

TEST_CASE("what was lost is said as far as it is known") {
  const WallTime later = *parse_rfc3339("2026-11-24T10:00:03Z");
  auto incident = boost::json::parse(contents("../http/incident.json")).as_object();
  const auto lost = [&](std::int64_t lower, boost::json::value upper, bool exact) {
    auto& rpo = incident["rpo"].as_object();
    rpo["lower_bytes"] = lower;
    rpo["upper_bytes"] = std::move(upper);
    rpo["exact"] = exact;
    const auto text = incident_report(incident, later, Style{false, 500});
    const auto begin = text.find("Lost ") + 12;
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  CHECK(lost(0, 0, true) == "nothing; the old primary is back and shows it");
  CHECK(lost(0, 0, false) == "nothing, as far as is known");
  CHECK_THAT(lost(0, 5000, false), Catch::Contains("perhaps rows committed between") &&
                                       Catch::Contains(": 0 bytes to 5.0 kB of WAL"));
  CHECK_THAT(lost(5000, 5000, true), Catch::Contains("exactly 5.0 kB of WAL"));
  CHECK_THAT(lost(80, nullptr, false),
             Catch::Contains("at least 80 bytes; how much WAL, is known"));
  CHECK_THAT(lost(0, nullptr, false), !Catch::Contains("at least"));
}

TEST_CASE("an event is one line, whatever is in it") {
  const auto event = boost::json::parse(
      R"({"seq":7,"at":"2026-11-24T10:00:00.000Z","kind":"decision","subject":"bud",)"
      R"("text":"a\nb\u001b[31m"})");
  CHECK(event_line(event, plain) == "2026-11-24T10:00:00.000Z decision      bud: a?b?[31m\n");
}

TEST_CASE("a report never fails, whatever it is given") {
  for (const char* nonsense :
       {"null", "[]", "5", "{}", R"({"incidents":[null,7],"flag_details":{"a":1},"flags":["a"]})",
        R"({"marks":[null,{"at":5}],"notes":[1,{"details":[]}],"attempts":[{}],"rpo":{}})",
        R"({"ladders":{"a":null,"b":{"guards":[7]}},"notifiers":{"a":[]},"paused":{}})",
        R"({"routes":{"a":null},"services":{"b":[]}})",
        R"({"guards":[{"until":"x"},7],"candidates":[null,{}],"last_switch":{}})",
        R"({"guards":[{"until":"2026-11-23T10:00:00Z"}],"observed":[null]})"}) {
    const auto value = boost::json::parse(nonsense);
    CHECK_FALSE(status_report(value, now, plain).empty());
    CHECK_FALSE(why_report(value, now, terminal).empty());
    CHECK_FALSE(incident_report(value, now, terminal).empty());
    CHECK_FALSE(incidents_report(value, now, plain).empty());
    CHECK_FALSE(event_line(value, plain).empty());
  }
}
