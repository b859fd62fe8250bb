#include <catch2/catch.hpp>

#include "probes/http_request.hpp"

using namespace pointsman;

namespace {

HttpSpec plain() {
  HttpSpec spec;
  spec.url = "http://app.example:8000/health?key=hidden";
  spec.host = "app.example";
  spec.port = 8000;
  spec.target = "/health?key=hidden";
  spec.headers = {{"X-Token", Secret("s3cret")}};
  return spec;
}

HttpSpec over_tls() {
  HttpSpec spec;
  spec.url = "https://app.example/a/b";
  spec.host = "app.example";
  spec.port = 443;
  spec.target = "/a/b";
  spec.tls.emplace();
  spec.tls->server_name = "inner.example";
  spec.tls->cert = "/c.pem";
  spec.headers = {{"Authorization", Secret("Bearer s3cret")}};
  return spec;
}

bool has(const HttpRequest& request, std::string_view text) {
  return request.bytes.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("the request is whole, and what is shown of it holds no secret") {
  const HttpRequest request = make_http_request(plain());
  CHECK(request.bytes ==
        "GET /health?key=hidden HTTP/1.1\r\nHost: app.example:8000\r\nUser-Agent: pointsman\r\n"
        "Accept: */*\r\nConnection: close\r\nX-Token: s3cret\r\n\r\n");
  CHECK(request.shown == "GET http://app.example:8000/health?...");
  CHECK_FALSE(has(request, "gzip"));
}

TEST_CASE("a path that came from a reference is shown nowhere, nor what a redirect makes of it") {
  HttpSpec spec = over_tls();
  spec.url = "https://app.example/***/getMe";
  spec.target = "/bot-s3cret/getMe?x=1";
  spec.target_secret = true;
  const HttpRequest request = make_http_request(spec);
  CHECK(has(request, "GET /bot-s3cret/getMe?x=1 HTTP/1.1\r\n"));
  CHECK(request.shown == "GET https://app.example/...");
  const auto next = follow_redirect(spec, request, 302, "getYou");
  REQUIRE(next.ok());
  CHECK(has(next.value(), "GET /bot-s3cret/getYou HTTP/1.1\r\n"));
  CHECK(next.value().shown == "GET https://app.example/...");
}

TEST_CASE("userinfo becomes Basic authorization and is shown nowhere") {
  HttpSpec spec = plain();
  spec.url = "http://user:p%40ss@app.example:8000/health";
  const HttpRequest request = make_http_request(spec);
  CHECK(has(request, "Authorization: Basic dXNlcjpwQHNz\r\n"));
  CHECK(request.shown.find("p%40ss") == std::string::npos);
  CHECK(request.url.find("user") == std::string::npos);
}

TEST_CASE("an IPv6 host is bracketed, the usual port left out") {
  HttpSpec spec;
  spec.url = "http://[::1]/";
  spec.host = "::1";
  CHECK(has(make_http_request(spec), "Host: [::1]\r\n"));
  CHECK(make_http_request(spec).shown == "GET http://[::1]/");
}

TEST_CASE("configured headers replace ours, but not the framing, and stay one line") {
  HttpSpec spec = plain();
  spec.method = "POST";
  spec.body = Secret("abc");
  spec.headers = {
      {"host", Secret("other")}, {"content-length", Secret("999")}, {"X-A", Secret("1\r\nX-B: 2")}};
  const HttpRequest request = make_http_request(spec);
  CHECK(has(request, "host: other\r\n"));
  CHECK_FALSE(has(request, "Host: app"));
  CHECK(has(request, "Content-Length: 3\r\n"));
  CHECK_FALSE(has(request, "999"));
  CHECK(has(request, "X-A: 1X-B: 2\r\n"));
  CHECK(request.bytes.ends_with("\r\n\r\nabc"));
}

TEST_CASE("a relative redirect keeps the host and what belongs to it") {
  const HttpSpec spec = over_tls();
  const auto next = follow_redirect(spec, make_http_request(spec), 302, "../c?x=1");
  REQUIRE(next.ok());
  CHECK(next.value().url == "https://app.example/c?x=1");
  CHECK(next.value().bytes.starts_with("GET /c?x=1 HTTP/1.1\r\nHost: app.example\r\n"));
  CHECK(has(next.value(), "Bearer s3cret"));
  CHECK(next.value().tls->server_name == "inner.example");
}

TEST_CASE("a redirect to another host takes no secret along") {
  const HttpSpec spec = over_tls();
  const auto next = follow_redirect(spec, make_http_request(spec), 301, "https://b.example:444/");
  REQUIRE(next.ok());
  CHECK(next.value().target.host == "b.example");
  CHECK(next.value().target.port == 444);
  CHECK_FALSE(has(next.value(), "s3cret"));
  CHECK(next.value().tls->server_name.empty());
  CHECK(next.value().tls->cert.empty());
  // Nor when that one leads back to the first: it chose where.
  const auto back = follow_redirect(spec, next.value(), 301, "https://app.example/");
  REQUIRE(back.ok());
  CHECK_FALSE(has(back.value(), "s3cret"));
}

TEST_CASE("redirects that are not followed say why") {
  const HttpSpec spec = over_tls();
  const HttpRequest from = make_http_request(spec);
  CHECK(follow_redirect(spec, from, 302, "http://app.example/").error().message ==
        "GET https://app.example/a/b redirects from https to http");
  CHECK_FALSE(follow_redirect(spec, from, 302, "ftp://app.example/").ok());
  CHECK_FALSE(follow_redirect(spec, from, 302, "https://[::/").ok());
  CHECK_FALSE(follow_redirect(spec, from, 302, "https:///x").ok());
}

TEST_CASE("http leads to https, POST to GET unless the status keeps it") {
  HttpSpec spec = plain();
  spec.method = "POST";
  spec.body = Secret("b0dy");
  const HttpRequest from = make_http_request(spec);
  const auto see_other = follow_redirect(spec, from, 303, "https://app.example/done");
  REQUIRE(see_other.ok());
  CHECK(see_other.value().method == "GET");
  CHECK(see_other.value().tls.has_value());
  CHECK(see_other.value().target.port == 443);
  CHECK_FALSE(has(see_other.value(), "b0dy"));

  const auto same = follow_redirect(spec, from, 307, "/again");
  REQUIRE(same.ok());
  CHECK(same.value().method == "POST");
  CHECK(same.value().bytes.ends_with("b0dy"));
  CHECK_FALSE(follow_redirect(spec, from, 308, "http://b.example/").ok());
}
