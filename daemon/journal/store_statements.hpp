// The store's prepared statements; they live as long as its connection. Included by store*.cpp
// only.
#pragma once

#include "daemon/journal/store.hpp"

namespace pointsman {

struct Store::Statements {
  Statement begin, commit, rollback;
  Statement event, event_anywhere, sample, history, intent, outcome, memory, keep, drop;

  explicit Statements(Database& database);
  /// False: one could not be prepared, and none may be used.
  bool complete() const;
};

}  // namespace pointsman
