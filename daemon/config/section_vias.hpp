// `via:` of a route: which pooler is moved, and what this version can not move yet.
#pragma once

#include "daemon/config/draft.hpp"

namespace pointsman {

void read_vias(MapReader& reader, RouteDraft& route);

/// `promote:`, `fence:`, `demote:`, `undemote:`, `after_promote:`: checked, and warned of.
void read_promotion(MapReader& reader, const Draft& draft);

}  // namespace pointsman
