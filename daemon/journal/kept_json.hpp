// What stands (ladders, flags, incidents, …) as JSON documents, and back; a route's memory on the
// wall clock, and back. Pure.
//
// The core's times are monotonic and mean nothing after a reboot: they are stored as wall-clock
// time and turned back with the clocks of the start, so that they may lie before the machine's
// boot. Precision: a millisecond. A document that cannot be read is left out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/journal/rows.hpp"
#include "policies/model/effect.hpp"

namespace pointsman {

/// The same instant on both clocks.
struct Clocks {
  MonoTime mono{};
  WallTime wall{};
  WallTime to_wall(MonoTime at) const;
  MonoTime to_mono(WallTime at) const;
};

/// A route's memory has a table of its own.
MemoryRow row_of(const RouteMemory& memory, Clocks now);
RouteMemory memory_of(const MemoryRow& row, Clocks now);

/// Nothing for a route's memory, and where there is none.
std::optional<KeptRow> kept_row_of(const Memory& memory, Clocks now);
KeptRow kept_row_of(const Incident& incident, Clocks now);
std::optional<Incident> incident_of_json(const std::string& document, Clocks now);
/// A closed incident: a record of the past, which nothing depends on.
bool is_over(const KeptRow& row);
/// What a closed incident's document has in it: no other's, since within a text the quotes are
/// escaped.
inline constexpr const char* closed_mark = R"("state":"closed")";

/// "oncall/12".
std::string outbox_key(const NotifierName& notifier, IncidentId incident);
struct OutboxDocument {
  NotifierName notifier;
  IncidentId incident{};
  std::string document;
};
std::vector<OutboxDocument> outbox_of(const JournalMemory& memory);

/// Everything that the engine is to be told of, but for the promotions in doubt. Incidents: the
/// open ones and the newest `closed_limit` of the others.
MemoryRestored restored_of(const JournalMemory& memory, Clocks now,
                           std::size_t closed_limit = JournalMemory::closed_incidents);

}  // namespace pointsman
