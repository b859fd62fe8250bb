// `tls:` and `cert_expiry:` as http, redis and tcp probes have them.
#pragma once

#include <optional>

#include "daemon/config/map_reader.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// `tls: {ca, cert, key, server_name, verify}`; absent without the key. A file that is not there is
/// a warning: it may be put there before the daemon starts.
std::optional<TlsSpec> read_tls(MapReader& reader);

struct CertExpiry {
  Duration warn{std::chrono::hours{21 * 24}}, fail{std::chrono::hours{3 * 24}};
};
/// `cert_expiry: {warn: 21d, fail: 3d}`; one of them may be left out.
std::optional<CertExpiry> read_cert_expiry(MapReader& reader);

}  // namespace pointsman
