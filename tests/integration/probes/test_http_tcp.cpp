// The http and tcp probes against real servers: nginx, Redis with TLS, OpenSSL's HTTPS server.
#include <csignal>

#include <catch2/catch.hpp>

#include "probes/kinds.hpp"
#include "tests/integration/probes/data_loop.hpp"
#include "tests/support/servers_proxies.hpp"

namespace pointsman::test {
namespace {

HttpSpec http_to(std::uint16_t port) {
  HttpSpec spec;
  spec.host = "127.0.0.1";
  spec.port = port;
  spec.url = "http://127.0.0.1:" + std::to_string(port) + "/";
  return spec;
}

struct Asked : DataLoop {
  Finding http(const HttpSpec& spec) { return run(*make_http_prober(spec, services()), 5s); }
  Finding tcp(const TcpSpec& spec) { return run(*make_tcp_prober(spec, services()), 5s); }
};

/// OpenSSL's own server; its certificate is valid for 30 days.
struct HttpsServer {
  Place place;
  Certificates certificates{place};
  std::uint16_t port = free_port();
  Process process{{"/usr/bin/openssl", "s_server", "-accept", std::to_string(port), "-cert",
                   certificates.cert, "-key", certificates.key, "-www", "-quiet"},
                  place.path("log")};

  HttpSpec spec() const {
    auto spec = http_to(port);
    spec.url = "https://127.0.0.1:" + std::to_string(port) + "/";
    spec.tls = TlsSpec{certificates.ca, "", "", "", true};
    return spec;
  }
};

}  // namespace

TEST_CASE("an HTTP answer is judged by its status and body", "[http]") {
  const NginxAnswer server(R"({"status":"ok","depth":3})");
  Asked asked;
  auto spec = http_to(server.port());
  auto found = asked.http(spec);
  CHECK(found.outcome == Outcome::pass);
  CHECK(std::get<HttpFacts>(found.facts).status_code == 200);
  spec.body_contains = "status";
  spec.json = {{"/depth", "3"}};
  CHECK(asked.http(spec).outcome == Outcome::pass);
  spec.json = {{"/depth", "4"}};
  CHECK(asked.http(spec).reason == Reason::body_mismatch);
  spec.json.clear();
  spec.body_matches = "not.*there";
  CHECK(asked.http(spec).reason == Reason::body_mismatch);
  spec = http_to(server.port());
  spec.warn_status = {{200, 299}};
  CHECK(asked.http(spec).outcome == Outcome::warn);
  spec.warn_status.clear();
  spec.status = {{500, 599}};
  CHECK(asked.http(spec).reason == Reason::status_mismatch);
  CHECK(asked.http(http_to(free_port())).reason == Reason::connect_refused);
}

TEST_CASE("an HTTP server that is frozen runs into the deadline", "[http]") {
  NginxAnswer server("hello");
  server.process().freeze();
  Asked asked;
  const auto spec = http_to(server.port());
  const auto found = asked.run(*make_http_prober(spec, asked.services()), 300ms);
  CHECK(found.outcome == Outcome::fail);
  CHECK(found.reason == Reason::timeout);
  server.process().thaw();
  CHECK(asked.http(spec).outcome == Outcome::pass);
}

TEST_CASE("certificates are verified, and their end is seen coming", "[http][tls]") {
  const HttpsServer server;
  Asked asked;
  auto spec = server.spec();
  wait_for("openssl serves", [&] { return asked.http(spec).reason != Reason::connect_refused; });
  const auto found = asked.http(spec);
  INFO(found.message);
  CHECK(found.outcome == Outcome::pass);
  CHECK(std::get<HttpFacts>(found.facts).cert_expires);
  spec.cert_warn = std::chrono::hours{24 * 60};
  CHECK(asked.http(spec).outcome == Outcome::warn);
  spec.cert_fail = std::chrono::hours{24 * 50};
  CHECK(asked.http(spec).reason == Reason::tls_expired);
  spec = server.spec();
  spec.tls->ca.clear();  // the system's, which do not know it
  CHECK(asked.http(spec).reason == Reason::tls_failed);
  spec.tls->verify = false;
  spec.cert_warn = std::chrono::hours{24 * 60};
  CHECK(asked.http(spec).outcome == Outcome::pass);
  spec.cert_given = true;  // not verified, but its end was asked for
  CHECK(asked.http(spec).reason == Reason::cert_expiring);
  spec = server.spec();
  spec.tls->server_name = "elsewhere.example";
  CHECK(asked.http(spec).reason == Reason::tls_failed);
}

TEST_CASE("a TCP service is connected to, asked and expected, with TLS too", "[tcp]") {
  const Place place;
  const Certificates certificates(place);
  const RedisServer plain, secure(certificates, {});
  Asked asked;
  TcpSpec spec;
  spec.host = "127.0.0.1";
  spec.port = plain.port();
  CHECK(asked.tcp(spec).outcome == Outcome::pass);
  spec.send = "PING\r\n";
  spec.expect = "+PONG";
  CHECK(asked.tcp(spec).outcome == Outcome::pass);
  spec.port = secure.port();
  CHECK(asked.tcp(spec).outcome == Outcome::fail);
  spec.tls = TlsSpec{certificates.ca, certificates.cert, certificates.key, "", true};
  const auto found = asked.tcp(spec);
  INFO(found.message);
  CHECK(found.outcome == Outcome::pass);
  spec.tls->verify = false;
  spec.cert_warn = std::chrono::hours{24 * 60};
  CHECK(asked.tcp(spec).outcome == Outcome::pass);
  spec.cert_given = true;
  CHECK(asked.tcp(spec).reason == Reason::cert_expiring);
  spec.port = free_port();
  CHECK(asked.tcp(spec).reason == Reason::connect_refused);
}

}  // namespace pointsman::test
