// Small rules that the files of the route keeper share. Included by policies/route_*.cpp only.
#pragma once

#include "policies/candidate.hpp"
#include "policies/model/policy.hpp"

namespace pointsman {

/// A pooler is taken for unreachable after this many looks in a row that failed.
inline constexpr int observe_failures_limit = 3;
/// At most this many automatic promotions of a route within an hour: more is a fault of ours.
inline constexpr int promotions_per_hour = 3;
/// A promotion whose outcome is unknown is given this long to show: PostgreSQL's startup process
/// may sleep for wal_retrieve_retry_interval, 5 s by default, before it notices (FACTS finding 10).
inline constexpr Duration promotion_settles = std::chrono::seconds{10};

inline bool wants_the_writer(Require require) {
  return require == Require::writable || require == Require::master;
}

/// The clients that hang on such a target are cut, not waited for.
inline bool is_dead(TargetFact fact) {
  switch (fact) {
    case TargetFact::refused:
    case TargetFact::silent:
    case TargetFact::frozen:
    case TargetFact::failing:
    case TargetFact::starting:
    case TargetFact::stopping:
    case TargetFact::outdated:
      return true;  // outdated: alive, but whoever still writes there loses it
    default:
      return false;
  }
}

}  // namespace pointsman
