// What acts: the exec or http of a hook or a step, and a route's promotion with its hooks.
#pragma once

#include <optional>

#include "daemon/config/draft.hpp"

namespace pointsman {

/// `exec: [argv]` (with `user` and `env` beside it) or `http: {...}` of this map, whichever is
/// there; nothing after an error or without either. The timeout is whoever's the map is.
std::optional<HookSpec> read_call(MapReader& reader);

/// `promote:`, `fence:`, `demote:`, `undemote:`, `after_promote:` of a route.
void read_promotion(MapReader& reader, bool has_fleet, RouteDraft& route);

}  // namespace pointsman
