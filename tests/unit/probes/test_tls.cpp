#include <catch2/catch.hpp>

#include <fstream>

#include <openssl/ssl.h>

#include "probes/tls.hpp"

using namespace pointsman;

namespace {

struct Ssl {
  explicit Ssl(asio::ssl::context& context) : handle(::SSL_new(context.native_handle())) {}
  ~Ssl() { ::SSL_free(handle); }
  Ssl(const Ssl&) = delete;
  Ssl& operator=(const Ssl&) = delete;
  SSL* handle;
};

std::string sni_of(SSL* ssl) {
  const char* name = ::SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

}  // namespace

TEST_CASE("contexts are shared by all that use the same files") {
  TlsContexts contexts;
  TlsSpec one, other, own;
  other.server_name = "b.example";
  other.verify = false;
  const auto first = contexts.get(one);
  REQUIRE(first.ok());
  CHECK(contexts.get(other).value() == first.value());
  contexts.forget();
  CHECK(contexts.get(one).value() != first.value());
}

TEST_CASE("a file that cannot be used is named, and tried again the next time") {
  TlsContexts contexts;
  TlsSpec spec;
  spec.ca = "/nonexistent/ca.pem";
  const auto failed = contexts.get(spec);
  REQUIRE_FALSE(failed.ok());
  CHECK_THAT(failed.error().message,
             Catch::StartsWith("cannot read the CA file /nonexistent/ca.pem: "));
  CHECK_FALSE(contexts.get(spec).ok());

  TlsSpec own;
  own.cert = "/nonexistent/cert.pem";
  own.key = "/nonexistent/key.pem";
  CHECK_THAT(contexts.get(own).error().message,
             Catch::StartsWith("cannot read the certificate /nonexistent/cert.pem: "));
}

TEST_CASE("names are asked for, addresses only verified") {
  TlsContexts contexts;
  const auto context = contexts.get({}).value();
  TlsSpec spec;
  Ssl named(*context);
  REQUIRE(prepare_tls(named.handle, spec, "a.example.").ok());
  CHECK(sni_of(named.handle) == "a.example");
  CHECK(::SSL_get_verify_mode(named.handle) == SSL_VERIFY_PEER);

  Ssl numeric(*context);
  REQUIRE(prepare_tls(numeric.handle, spec, "10.0.0.1").ok());
  CHECK(sni_of(numeric.handle).empty());

  spec.server_name = "inner.example";
  spec.verify = false;
  Ssl overridden(*context);
  REQUIRE(prepare_tls(overridden.handle, spec, "10.0.0.1").ok());
  CHECK(sni_of(overridden.handle) == "inner.example");
  CHECK(::SSL_get_verify_mode(overridden.handle) == SSL_VERIFY_NONE);

  // A unix socket has no name: nothing to verify against.
  Ssl nameless(*context);
  CHECK_FALSE(prepare_tls(nameless.handle, {}, "").ok());
}
