// What a start remembers, from the journal, for the engine. A promotion whose outcome is not known
// is among it: the engine looks at the servers before it thinks of another.
#pragma once

#include "daemon/journal/journal.hpp"
#include "policies/model/event.hpp"

namespace pointsman {

/// On the axis of mono_now(), which the call reads together with the wall clock.
MemoryRestored remembered(const JournalMemory& memory);

}  // namespace pointsman
