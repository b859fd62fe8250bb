#include "daemon/http/router.hpp"

#include <catch2/catch.hpp>

using namespace pointsman;

namespace {
Resource resource(std::string_view target) {
  const auto place = find_place(target);
  REQUIRE(place);
  return place->resource;
}
}  // namespace

TEST_CASE("every form of a target leads to the same resource") {
  CHECK(resource("/health") == Resource::health);
  CHECK(resource("/health?x=1") == Resource::health);
  CHECK(resource("/health#top") == Resource::health);
  CHECK(resource("/he%61lth") == Resource::health);
  CHECK(resource("http://10.0.0.1:8600/health") == Resource::health);
  CHECK(resource("http://10.0.0.1:8600/health?a=http://b/c") == Resource::health);
  CHECK(resource("/health/detailed") == Resource::detailed);
  CHECK(resource("/v1/status") == Resource::status);
}

TEST_CASE("what is not there is none") {
  for (const char* target :
       {"/", "//", "/health/", "//health", "/HEALTH", "/healthy", "/v1", "/v1/", "/v1/why",
        "/v1/why/", "/v1/why/a/b", "/flags", "/flags/", "/flags/a/b", "http://host", "/v1/flags",
        "/v1/flags/set/x", "/v1/requests/", "/v1/notify"}) {
    INFO(target);
    CHECK(resource(target) == Resource::none);
  }
}

TEST_CASE("names are taken from the path and decoded") {
  CHECK(find_place("/v1/why/bud_ro?x")->name == "bud_ro");
  CHECK(find_place("/v1/why/b%75d")->name == "bud");
  CHECK(find_place("/flags/..%2f..%2fetc")->name == "../../etc");  // one segment: refused as a name
  CHECK(find_place("/v1/incidents/12")->resource == Resource::incident);
}

TEST_CASE("malformed targets are told apart") {
  for (const char* target :
       {"", "*", "health", "host:80", "/%", "/%4", "/%zz", "/%00", "/a%0ab", "/%7f"}) {
    INFO(target);
    CHECK_FALSE(find_place(target));
  }
}

TEST_CASE("commands are a closed list, with their name") {
  for (const char* name : {"switch", "switch/cancel", "pause", "resume", "drain", "undrain",
                           "flags/set", "flags/clear", "ack", "approve", "refuse", "notify/test"}) {
    INFO(name);
    const auto place = find_place("/v1/" + std::string(name));
    REQUIRE(place);
    CHECK(place->resource == Resource::command);
    CHECK(place->name == name);
  }
  CHECK(find_place("/v1/requests/4")->resource == Resource::request);
}

TEST_CASE("values of the query") {
  CHECK(query_value("/v1/events?since=7&limit=2", "since") == "7");
  CHECK(query_value("/v1/events?since=7&limit=2#x", "limit") == "2");
  CHECK(query_value("/v1/events?a=%41%42", "a") == "AB");
  CHECK(query_value("/v1/events?since", "since") == "");
  CHECK(query_value("/v1/events?since=%zz", "since") == "");
  CHECK_FALSE(query_value("/v1/events?xsince=7", "since"));
  CHECK_FALSE(query_value("/v1/events", "since"));
  CHECK_FALSE(query_value("/v1/events?", "since"));
  CHECK(read_decimal("12") == 12);
  for (const char* bad : {"", "-1", "+1", "1 ", "0x1", "9223372036854775808"}) {
    INFO(bad);
    CHECK_FALSE(read_decimal(bad));
  }
}
