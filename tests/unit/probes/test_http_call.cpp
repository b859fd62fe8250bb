// Requests made for their effect: the answer handed back whole, and whether the request was sent.
#include "probes/http_call.hpp"
#include "probes/http_response.hpp"
#include "tests/unit/probes/net_support.hpp"

namespace pointsman {
namespace {

using namespace std::chrono_literals;
using namespace testing;

HttpCallResult call(NetWorld& world, const HttpSpec& spec, Duration limit = 5s) {
  return world.run(async_http_call(world.services(), make_http_request(spec), mono_now() + limit),
                   limit + 5s);
}

TEST_CASE("the answer comes back with its status, headers and body") {
  NetWorld world;
  RawServer server(world.loop, answering("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                                         "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nX-a: b\r\n"
                                         "Content-Length: 5\r\n\r\nhello"));
  HttpSpec spec = http_to(server.port());
  spec.method = "POST";
  spec.body = Secret("{}");
  const HttpCallResult result = call(world, spec);
  CHECK(result.was_sent);
  CHECK(result.reason == Reason::ok);
  CHECK(result.status == 429);
  CHECK(result.body == "hello");
  CHECK(result.headers.size() == 3);
  CHECK(result.header("x-A") == "b");
  CHECK_FALSE(result.header("link"));
  CHECK(retry_after_of(result) == Duration{7s});
}

TEST_CASE("who is not reached was not asked") {
  NetWorld world;
  SECTION("refused") {
    const HttpCallResult result = call(world, http_to(free_port()));
    CHECK_FALSE(result.was_sent);
    CHECK(result.reason == Reason::connect_refused);
    CHECK(result.message.find("GET http://127.0.0.1:") == 0);
  }
  SECTION("no answer to the connection") {
    BlackHole hole(world.loop);
    const HttpCallResult result = call(world, http_to(hole.port()), 100ms);
    CHECK_FALSE(result.was_sent);
    CHECK(result.reason == Reason::connect_timeout);
  }
  SECTION("does not speak TLS") {
    RawServer server(world.loop, answering("HTTP/1.1 200 OK\r\n\r\n"));
    HttpSpec spec = http_to(server.port());
    spec.tls = TlsSpec{};
    const HttpCallResult result = call(world, spec, 500ms);
    CHECK_FALSE(result.was_sent);
    CHECK_FALSE(result.answered());
    CHECK(result.reason != Reason::ok);
  }
}

TEST_CASE("who was asked and did not answer may have heard it") {
  NetWorld world;
  SECTION("silent until the deadline") {
    RawServer server(world.loop, silent());
    const HttpCallResult result = call(world, http_to(server.port()), 100ms);
    CHECK(result.was_sent);
    CHECK_FALSE(result.answered());
    CHECK(result.reason == Reason::timeout);
    CHECK(result.took >= 90ms);
    CHECK(result.took < 1s);
  }
  SECTION("closed") {
    RawServer server(world.loop, closing(false));
    const HttpCallResult result = call(world, http_to(server.port()));
    CHECK(result.was_sent);
    CHECK_FALSE(result.answered());
    CHECK(result.reason == Reason::protocol_error);
  }
  SECTION("the status came, the body never ended") {
    RawServer server(world.loop,
                     trickling("HTTP/1.1 202 OK\r\nContent-Length: 99999\r\n\r\n", "x"));
    const HttpCallResult result = call(world, http_to(server.port()), 100ms);
    CHECK(result.status == 202);
    CHECK(result.reason == Reason::timeout);
  }
}

TEST_CASE("a body is kept up to its limit") {
  NetWorld world;
  const std::string big(200 * 1024, 'x');
  RawServer server(world.loop,
                   answering("HTTP/1.1 200 OK\r\nContent-Length: 204800\r\n\r\n" + big));
  const HttpCallResult result = call(world, http_to(server.port()));
  CHECK(result.status == 200);
  CHECK(result.body.size() == HttpResponseReader::body_limit);
  CHECK(result.is_cut);
}

TEST_CASE("URLs become specs, or are refused without being quoted") {
  const auto https = http_spec_of("https://user:pw@[::1]:8443/a/b?c=d#e");
  REQUIRE(https);
  CHECK(https.value().host == "::1");
  CHECK(https.value().port == 8443);
  CHECK(https.value().target == "/a/b?c=d");
  CHECK(https.value().tls.has_value());
  const auto bare = http_spec_of("http://example.com");
  REQUIRE(bare);
  CHECK(bare.value().port == 80);
  CHECK(bare.value().target == "/");
  for (const char* wrong : {"", "example.com/secret", "ftp://x/secret", "http://", "http:///secret",
                            "http://x:0/secret", "http://x:99999/secret", "http://x y/secret"}) {
    INFO(wrong);
    const auto refused = http_spec_of(wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("secret") == std::string::npos);
  }
}

TEST_CASE("Retry-After counts only as a whole number of seconds") {
  HttpCallResult answer;
  for (const char* wrong :
       {"", "soon", "1.5", "-1", "7 ", "99999999999", "Wed, 21 Oct 2026 07:28:00 GMT"}) {
    answer.headers = {{"Retry-After", wrong}};
    CHECK_FALSE(retry_after_of(answer));
  }
  answer.headers = {{"retry-after", "0"}};
  CHECK(retry_after_of(answer) == Duration{});
}

TEST_CASE("signatures are HMAC-SHA256 over timestamp, dot and body") {
  // RFC 4231, test case 2.
  CHECK(hmac_sha256(Secret("Jefe"), "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  HttpSpec spec;
  spec.body = Secret("{}");
  sign_http(spec, Secret("key"), WallTime{1'700'000'000'999ms});
  REQUIRE(spec.headers.size() == 2);
  CHECK(spec.headers[0].first == "X-Pointsman-Timestamp");
  CHECK(spec.headers[0].second.reveal() == "1700000000");
  CHECK(spec.headers[1].first == "X-Pointsman-Signature");
  CHECK(spec.headers[1].second.reveal() == "sha256=" + hmac_sha256(Secret("key"), "1700000000.{}"));
}

}  // namespace
}  // namespace pointsman
