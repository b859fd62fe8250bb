// Fault points: named places between two steps of an act where a test can end the process, as a
// power cut would (SIGKILL), to see that the next start converges.
//
// Compiled in with POINTSMAN_FAULT_POINTS only (presets debug, asan, ci, clang); nothing in the
// release preset. A test starts the daemon with POINTSMAN_FAULT=NAME; `probes/fault_point.cpp`
// lists no names: grep for POINTSMAN_FAULT_POINT.
#pragma once

#ifdef POINTSMAN_FAULT_POINTS
namespace pointsman {
/// Ends the process when the environment's POINTSMAN_FAULT is `name`.
void fault_point(const char* name);
}  // namespace pointsman
#define POINTSMAN_FAULT_POINT(name) ::pointsman::fault_point(name)
#else
#define POINTSMAN_FAULT_POINT(name) static_cast<void>(0)
#endif
