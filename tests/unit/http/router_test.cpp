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
  for (const char* target : {"/", "//", "/health/", "//health", "/HEALTH", "/healthy", "/v1",
                             "/v1/", "/v1/why", "/v1/why/", "/v1/why/a/b", "/flags", "/flags/",
                             "/flags/a/b", "http://host", "/v1/events"}) {
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
