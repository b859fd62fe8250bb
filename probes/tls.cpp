#include "probes/tls.hpp"

#include <cstdint>
#include <ctime>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>

namespace pointsman {
namespace {

/// Where a connection's notAfter is kept: the peer's certificate is gone once verification has
/// failed.
int expiry_index() {
  static const int index = ::SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

std::optional<std::time_t> not_after(const X509* certificate) {
  std::tm utc{};
  if (certificate == nullptr) return std::nullopt;
  if (::ASN1_TIME_to_tm(::X509_get0_notAfter(certificate), &utc) != 1) return std::nullopt;
  return ::timegm(&utc);
}

/// Decides nothing: notes when the leaf expires, whatever verification says of it.
int note_expiry(int verified, X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(
      ::X509_STORE_CTX_get_ex_data(store, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (const auto expires = not_after(::X509_STORE_CTX_get0_cert(store));
      ssl != nullptr && expires) {
    // One off, so that a null pointer means "not seen".
    ::SSL_set_ex_data(ssl, expiry_index(),
                      reinterpret_cast<void*>(static_cast<std::intptr_t>(*expires) + 1));  // NOLINT
  }
  return verified;
}

std::string last_openssl_error() {
  const unsigned long code = ::ERR_peek_last_error();
  ::ERR_clear_error();
  const char* reason = ::ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown error";
}

int no_passphrase(char*, int, int, void*) {
  return 0;
}  // or OpenSSL would ask on the terminal

Error cannot_read(std::string_view what, const std::string& path, const std::string& why) {
  return Error{fmt::format("cannot read the {} {}: {}", what, path, why)};
}

Status load_own_certificate(asio::ssl::context& context, const TlsSpec& spec) {
  if (spec.cert.empty()) return Nothing{};
  const std::string& key = spec.key.empty() ? spec.cert : spec.key;
  error_code ec;
  context.use_certificate_chain_file(spec.cert, ec);
  if (ec) return cannot_read("certificate", spec.cert, ec.message());
  context.use_private_key_file(key, asio::ssl::context::pem, ec);
  if (ec) return cannot_read("private key", key, ec.message());
  if (::SSL_CTX_check_private_key(context.native_handle()) != 1) {
    return Error{fmt::format("the private key {} does not belong to the certificate {}: {}", key,
                             spec.cert, last_openssl_error())};
  }
  return Nothing{};
}

Status load_authorities(asio::ssl::context& context, const TlsSpec& spec) {
  if (!spec.ca.empty()) {
    error_code ec;
    context.load_verify_file(spec.ca, ec);
    if (ec) return cannot_read("CA file", spec.ca, ec.message());
    return Nothing{};
  }
  // The hashed folder, and a bundle only where the administrator names one (SSL_CERT_FILE).
  if (::SSL_CTX_set_default_verify_dir(context.native_handle()) != 1) {
    return Error{"cannot use the system's certificates: " + last_openssl_error()};
  }
  const char* bundle = ::secure_getenv(::X509_get_default_cert_file_env());
  if (bundle != nullptr && ::SSL_CTX_set_default_verify_file(context.native_handle()) != 1) {
    return cannot_read("CA file", bundle, last_openssl_error());
  }
  ::ERR_clear_error();
  return Nothing{};
}

bool is_numeric(const std::string& host) {
  error_code ec;
  asio::ip::make_address(host, ec);
  return !ec;
}

}  // namespace

Result<std::shared_ptr<asio::ssl::context>> TlsContexts::get(const TlsSpec& spec) {
  // Name and verify belong to the connection, so that most probes share one context.
  const std::string key = spec.ca + '\n' + spec.cert + '\n' + spec.key;
  if (const auto found = contexts_.find(key); found != contexts_.end()) return found->second;

  ::ERR_clear_error();
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX* raw = context->native_handle();
  ::SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  ::SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  ::SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_default_passwd_cb(raw, no_passphrase);
  if (const auto loaded = load_own_certificate(*context, spec); !loaded) return loaded.error();
  if (const auto loaded = load_authorities(*context, spec); !loaded) return loaded.error();
  contexts_.emplace(key, context);
  return context;
}

Status prepare_tls(SSL* ssl, const TlsSpec& spec, const std::string& host) {
  ::ERR_clear_error();
  std::string name = spec.server_name.empty() ? host : spec.server_name;
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  const bool numeric = is_numeric(name);

  bool ready = true;
  if (!numeric && !name.empty()) ready = ::SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  if (ready && !name.empty()) {
    ready = numeric ? ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), name.c_str()) == 1
                    : ::SSL_set1_host(ssl, name.c_str()) == 1;
  }
  if (!ready)
    return Error{fmt::format("cannot ask for the name {}: {}", name, last_openssl_error())};
  ::SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (spec.verify && name.empty()) return Error{"no server name to verify the certificate against"};
  ::SSL_set_verify(ssl, spec.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, note_expiry);
  return Nothing{};
}

TlsPeer inspect_tls(SSL* ssl) {
  TlsPeer peer;
  if (const auto noted = reinterpret_cast<std::intptr_t>(::SSL_get_ex_data(ssl, expiry_index()))) {
    peer.cert_expires = WallTime{std::chrono::seconds{noted - 1}};
  } else if (const auto expires = not_after(::SSL_get0_peer_certificate(ssl))) {
    peer.cert_expires = WallTime{std::chrono::seconds{*expires}};
  }
  const long verified = ::SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) peer.verify_error = ::X509_verify_cert_error_string(verified);
  peer.expired = verified == X509_V_ERR_CERT_HAS_EXPIRED;
  return peer;
}

}  // namespace pointsman
