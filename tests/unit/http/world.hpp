// A snapshot with one of everything, and the rest that a document is rendered from.
#pragma once

#include "daemon/http/documents/documents.hpp"

namespace pointsman::test {

/// Fixed instants: one hour after the machine's start is 2026-11-24T10:00:00Z.
MonoTime at(Duration since_ten);
TimeScale fixed_times();
Snapshot one_of_everything();
ShellView shell_view();
Serving serving_ok();

/// `count` HTTP probes with samples and counters.
Snapshot many_probes(int count);

/// Holds its parts, so that they live as long as the input does.
struct World {
  Snapshot snapshot = one_of_everything();
  ShellView shell = shell_view();
  Serving serving = serving_ok();
  TimeScale times = fixed_times();
  DocumentInput input() const { return {snapshot, shell, serving, times}; }
};

}  // namespace pointsman::test
