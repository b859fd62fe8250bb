// Facts whose names and units dashboards rely on (SPEC section 3).
#include <catch2/catch.hpp>

#include <map>
#include <string>

#include "policies/model/sample.hpp"

using namespace pointsman;
using namespace std::chrono_literals;

namespace {

std::map<std::string, FactValue> facts_of(const Facts& facts) {
  std::map<std::string, FactValue> found;
  for_each_fact(facts, [&](std::string_view name, const FactValue& value) {
    found.emplace(std::string(name), value);
  });
  return found;
}

}  // namespace

TEST_CASE("the longest wait of a pooler's clients is maxwait, in seconds") {
  PgbouncerFacts facts;
  facts.maxwait = 2500ms;
  CHECK(facts_of(facts).at("maxwait") == FactValue{2.5});
}

TEST_CASE("the inodes in use are inodes, of all as one") {
  DiskFacts facts;
  facts.inodes_ratio = 0.25;
  CHECK(facts_of(facts).at("inodes") == FactValue{0.25});
}
