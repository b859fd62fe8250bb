// A broken invariant ends the process, in release builds too, with a line that says which.
//
// systemd starts the daemon again, and start-up observes before it acts: that is safer than to go
// on with a state that was thought impossible. Never used for input or for the outside world.
#pragma once

namespace pointsman {

/// Writes "pointsman: invariant broken: TEXT (FILE:LINE)" to standard error and aborts.
[[noreturn]] void invariant_broken(const char* text, const char* file, int line) noexcept;

}  // namespace pointsman

#define POINTSMAN_INVARIANT(condition, text) \
  ((condition) ? static_cast<void>(0) : ::pointsman::invariant_broken(text, __FILE__, __LINE__))
