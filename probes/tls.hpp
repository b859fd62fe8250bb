// TLS client contexts, one for each different set of files, shared by every probe that uses it.
//
// The system's certificates are looked up in the hashed folder when they are needed, not loaded as
// one bundle: a bundle costs 4 MiB of memory for each context.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "policies/model/result.hpp"
#include "probes/asio.hpp"
#include "probes/spec.hpp"

namespace pointsman {

class TlsContexts {
 public:
  /// The context for these files, made when first asked for. An unreadable file is our own fault:
  /// the probe is inconclusive (prober_error) with the error's text, and the next run tries again.
  Result<std::shared_ptr<asio::ssl::context>> get(const TlsSpec& spec);
  /// Files may have changed (reload): the next get reads them again.
  void forget() { contexts_.clear(); }

 private:
  std::map<std::string, std::shared_ptr<asio::ssl::context>> contexts_;
};

/// What a finished or failed handshake showed.
struct TlsPeer {
  std::optional<WallTime> cert_expires;  ///< the leaf's notAfter, also when verification failed
  std::string verify_error;              ///< "certificate has expired"; empty when verified
  bool expired = false;                  ///< verification failed because of it
};

/// Before the handshake: SNI and the name that must be in the certificate.
Status prepare_tls(SSL* ssl, const TlsSpec& spec, const std::string& host);
TlsPeer inspect_tls(SSL* ssl);

}  // namespace pointsman
