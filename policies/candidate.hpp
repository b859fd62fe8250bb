// What one sample says of a server as a target of a route: does it answer, does it fit, how is it
// dead.
//
// Pure. A route judges for itself: `expect` on a probe is for services. Alive is any answered
// sample, so wrong_role, lag and read_only are alive (SPEC section 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "policies/model/policy.hpp"
#include "policies/model/sample.hpp"
#include "policies/model/time.hpp"

namespace pointsman {

/// The server answered, and what it is is known.
bool answered(const Finding& finding);

/// It answered and may be what `require` asks for. A lag over `max_lag` does not fit reads.
bool fits(Require require, const std::optional<Lag>& max_lag, const Finding& finding);

/// How far it is behind, where the facts say so, is more than `limit`.
bool lags(const Lag& limit, const Finding& finding);

std::optional<std::uint32_t> timeline_of(const Finding& finding);
std::string system_id_of(const Finding& finding);
/// A PostgreSQL standby or a Redis replica that answered.
bool is_standby(const Finding& finding);
/// A primary that answered, and takes no writes.
bool is_read_only_primary(const Finding& finding);
/// How far it has written or received: bytes of WAL, or Redis' replication offset.
std::optional<std::uint64_t> position_of(const Finding& finding);
/// A standby that is connected to its primary, as far as it knows.
bool has_receiver(const Finding& finding);
/// Since when it has heard nothing from its primary.
std::optional<Duration> silence_of(const Finding& finding);

/// The state of a target, as the diagnosis table names it.
enum class TargetFact {
  none,        ///< the route leads to none of its candidates
  unseen,      ///< not looked at since the start, or too long ago
  serving,     ///< answers and fits
  wrong_role,  ///< answers, another role
  read_only,   ///< answers as a primary that takes no writes
  outdated,    ///< takes writes, on an older timeline than the route has led to
  lagging,     ///< answers, too far behind
  starting,
  saturated,
  stopping,
  refused,  ///< connection refused or reset: nothing listens
  silent,   ///< no answer at all to a connection attempt
  frozen,   ///< the port accepts, and then not a byte
  failing,  ///< anything else: names, TLS, passwords, protocol
};
inline constexpr int target_fact_count = 14;
std::string_view to_text(TargetFact fact);

TargetFact judge_target(Require require, const std::optional<Lag>& max_lag, const Finding& finding);

}  // namespace pointsman
