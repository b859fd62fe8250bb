// `via:` of a route: which pooler, proxy or file is moved.
#pragma once

#include "daemon/config/draft.hpp"

namespace pointsman {

void read_vias(MapReader& reader, RouteDraft& route, SecretUse secrets);

/// What stands under `haproxy:` and `file:`; the reader is finished. Without secrets the template,
/// which may be closed to whoever asks, is not read.
Via read_haproxy_via(MapReader& reader);
Via read_file_via(MapReader& reader, SecretUse secrets);

}  // namespace pointsman
