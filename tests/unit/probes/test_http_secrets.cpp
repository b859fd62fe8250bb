// What is a secret of a request, and that it is not shown when a receiver echoes it.
#include <algorithm>

#include <catch2/catch.hpp>

#include "probes/http_call.hpp"
#include "probes/http_secrets.hpp"

namespace pointsman {
namespace {

TEST_CASE("headers, body and query are secrets, whole and word by word", "[http]") {
  HttpSpec spec = http_spec_of("https://example.com/hook?key=queried-secret").value();
  spec.headers = {{"Authorization", Secret("Bearer correct-horse==")},
                  {"Content-Type", Secret("application/json")},
                  {"X-Short", Secret("short")}};
  spec.body = Secret(R"({"token": "battery-staple", "n": 7})");
  const auto secrets = request_secrets(spec, false);
  const auto shown = [&](std::string_view body) { return echoed_line(body, secrets); };
  CHECK(shown("Bearer correct-horse== is unknown") == "*** is unknown");
  CHECK(shown("no such token: correct-horse\nmore") == "no such token: ***");
  CHECK(shown("{\"error\":\"battery-staple\"}") == "{\"error\":\"***\"}");
  CHECK(shown("bad key queried-secret") == "bad key ***");
  CHECK(shown("/hook takes application/json, short") == "/hook takes application/json, short");
}

TEST_CASE("which field was wrong may be said", "[http]") {
  HttpSpec spec;
  spec.body = Secret(R"({"severity": "{{ severity }}", "routing_key" : "battery-staple"})");
  const auto secrets = request_secrets(spec, false);
  CHECK(echoed_line("severity and routing_key are wrong", secrets) ==
        "severity and routing_key are wrong");
  CHECK(echoed_line("battery-staple is wrong", secrets) == "*** is wrong");
}

TEST_CASE("a path is a secret where it is said to be, whole and by its parts", "[http]") {
  const HttpSpec spec = http_spec_of("https://example.com/services/T0/s3cret-part?x=1").value();
  const auto secrets = request_secrets(spec, true);
  CHECK(echoed_line("no /services/T0/s3cret-part?x=1", secrets) == "no ***");
  CHECK(echoed_line("no /services/T0/s3cret-part", secrets) == "no ***");
  CHECK(echoed_line(R"(no \/T0\/s3cret-part)", secrets) == R"(no \/T0\/***)");
  const HttpSpec shorter = http_spec_of("https://example.com/abc").value();
  CHECK(echoed_line("no /abc", request_secrets(shorter, true)) == "no ***");
  CHECK(echoed_line("no /", request_secrets(http_spec_of("http://x/").value(), true)) == "no /");
}

TEST_CASE("what holds another secret goes first, and a secret at the cut does not show", "[http]") {
  HttpSpec spec;
  const std::vector<Secret> more{Secret("abcdefgh"), Secret("abcdefgh-and-more")};
  const auto secrets = request_secrets(spec, false, more);
  CHECK(echoed_line("not abcdefgh-and-more", secrets) == "not ***");
  const std::string line = echoed_line(std::string(250, 'x') + "abcdefgh", secrets);
  CHECK(line.find("abcdef") == std::string::npos);
}

}  // namespace
}  // namespace pointsman
