// Diagnosis as a table: named facts in, the first matching row out, with an id, a plan and a
// sentence.
//
// Pure data. Every combination of facts matches a row (tests/unit/policies/test_diagnose.cpp walks
// them all). A row says what would be done; the guards (guards.hpp) say whether it may be done now.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "policies/candidate.hpp"
#include "policies/model/policy.hpp"

namespace pointsman {

/// Is what our own loop saw to be believed?
enum class TrustFact { trusted, distrusted };
/// What the poolers have in effect, against what is desired.
enum class PoolerFact { unseen, unreachable, paused, elsewhere, follows };
/// Has the target failed often enough (`fall`) to be taken for down?
enum class SettledFact { no, yes };
/// Another candidate that fits, was seen since the trouble began and belongs to the same cluster:
/// on which timeline, against the newest that the route is known to have led to.
enum class RivalFact { none, older, same, newer, several };
/// What the standbys say of the primary: do they still receive from it?
enum class StandbysFact { none_answers, receiving, silent, not_receiving };
/// Does some candidate that answers belong to another cluster (system identifier)?
enum class ClusterFact { same, foreign };

/// The facts of a route with one target at a time.
struct TargetFacts {
  TrustFact trust = TrustFact::trusted;
  PoolerFact pooler = PoolerFact::unseen;
  TargetFact target = TargetFact::none;
  SettledFact settled = SettledFact::no;
  RivalFact rival = RivalFact::none;
  StandbysFact standbys = StandbysFact::none_answers;
  ClusterFact cluster = ClusterFact::same;
  friend bool operator==(const TargetFacts&, const TargetFacts&) = default;
};

/// How many of a balanced route's candidates fit, and does the fallback?
enum class ReplicasFact { unseen, none, some, all };
enum class FallbackFact { none, fits };
struct BalancedFacts {
  TrustFact trust = TrustFact::trusted;
  PoolerFact pooler = PoolerFact::unseen;
  ReplicasFact replicas = ReplicasFact::unseen;
  FallbackFact fallback = FallbackFact::none;
  friend bool operator==(const BalancedFacts&, const BalancedFacts&) = default;
};

enum class Plan {
  hold,       ///< change nothing: not known enough, or a person decides
  keep,       ///< all is as it should be; failback may be thought of
  repair,     ///< put what is desired in effect again
  follow,     ///< to the one that is writable on a newer timeline, at once
  move,       ///< to the first candidate that fits
  spread,     ///< balanced: over all that fit
  fall_back,  ///< balanced: to where the fallback route leads
};

struct Diagnosis {
  std::string_view id;
  Plan plan = Plan::hold;
  std::string_view why;  ///< with {target} and {rival} to be filled in
};

/// For routes that want the one server that takes writes (`writable`, `master`).
const Diagnosis& diagnose_primary(const TargetFacts& facts);
/// For all other routes with one target at a time.
const Diagnosis& diagnose_target(const TargetFacts& facts);
const Diagnosis& diagnose_balanced(const BalancedFacts& facts);

std::string_view to_text(Plan plan);
std::string_view to_text(TrustFact fact);
std::string_view to_text(PoolerFact fact);
std::string_view to_text(SettledFact fact);
std::string_view to_text(RivalFact fact);
std::string_view to_text(StandbysFact fact);
std::string_view to_text(ClusterFact fact);

/// All rows, for tests and `why --table`.
std::span<const Diagnosis* const> all_diagnoses();

}  // namespace pointsman
