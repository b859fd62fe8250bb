// Judgements of a planned change of PostgreSQL servers. Pure.
#pragma once

#include <string>

#include "daemon/actions/postgres_acts.hpp"

namespace pointsman {

/// A standby may be so far behind when a change begins: what is left then takes milliseconds.
inline constexpr std::uint64_t switchover_max_lag = 16u << 20;

/// Why the change must not begin; empty where it may.
std::string judge_switchover(const PostgresLook& from, const PostgresLook& to,
                             const SwitchOver& order);

/// After the demote hook said that it succeeded: may the old server still commit anything?
enum class Fenced {
  yes,      ///< refuses, or is a standby, or says nothing at all
  not_yet,  ///< it is stopping, or has no connection left for us
  no,       ///< it takes writes
};
Fenced judge_fence(const PostgresSeen& old_server);

/// Whether the new server has all of it: it received at least `position`, replayed all that it
/// received, and nothing more arrives (its receiver is gone, or it has been `quiet`).
bool is_caught_up(const PostgresLook& to, std::uint64_t position, bool quiet);

}  // namespace pointsman
