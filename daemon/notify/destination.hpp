// Who is told: a name for a notifier's destination that changes when it leads to somebody else.
//
// What was told holds for one destination alone: an entry keeps its name in the outbox, so that a
// reload or a restart that leads elsewhere tells there what fires. A one-way digest, since the URL
// and the routing key are secrets and the journal keeps it. Credentials by which the same receiver
// is told (headers, a bot's token, hmac) do not count: they are renewed. Pure.
#pragma once

#include <string>

#include "probes/notifier_spec.hpp"

namespace pointsman {

std::string destination_of(const NotifierSpec& spec);

}  // namespace pointsman
