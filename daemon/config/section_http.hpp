// An HTTP request as the YAML writes it, for all who make one: the http probe, hooks, steps,
// notifiers, the proof of a file's reload. What is expected of the answer is the probe's alone, but
// for `status`.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "daemon/config/map_reader.hpp"
#include "probes/spec.hpp"

namespace pointsman {

/// `url`: fills url, host, port, target, tls and, of a user in it, the Authorization header. False
/// when it is wrong (said) or could not be had.
bool read_http_url(MapReader& reader, std::string_view example, HttpSpec& spec);
/// The same of a URL that stands anywhere.
bool read_http_url_node(MapReader& reader, const YamlNode& node, const std::string& path,
                        HttpSpec& spec);

/// `method`, `headers`, `body`; after the url.
void read_http_request(MapReader& reader, HttpSpec& spec);

/// `tls: {...}` beside an https: URL, and only there. `url_is_known`: the url was read.
void read_http_tls(MapReader& reader, bool url_is_known, HttpSpec& spec);

std::vector<StatusRange> read_http_statuses(MapReader& reader, std::string_view key);

}  // namespace pointsman
