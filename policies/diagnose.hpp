// Diagnosis as a table: at most eight named facts in, the first matching row out, with an id, a
// plan and a sentence.
//
// Pure data (policies/diagnosis_tables.cpp). Every combination of facts matches a row, every row is
// hit by some, and no row's own plan makes its own condition true again
// (tests/unit/policies/test_diagnose.cpp walks them all). A row says what would be done; the guards
// (guards.hpp) say whether it may be done now.
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
enum class RivalFact { none, older, older_read_only, same, newer, several };
/// What the standbys say of the primary, judged from T1 on (SPEC section 6). receiving: the
/// received position or the last message of one advanced. not_receiving: none has a receiver.
/// silent: neither. The long ones have lasted for more than half the standbys' wal_receiver_timeout
/// and a second.
enum class StandbysFact {
  none_answers,
  receiving,
  silent,
  silent_long,
  not_receiving,
  not_receiving_long
};
/// Does some candidate that answers belong to another cluster (system identifier)?
enum class ClusterFact { same, foreign };

/// The best standby that could be promoted: by timeline, position, then order.
enum class CandidateFact {
  not_asked,  ///< a route that does not want the writer
  none,       ///< no standby of this cluster answers
  forked,     ///< those that answer are on another timeline than the primary was
  lagging,    ///< the best is further behind than `promote.max_lag`
  ready,
};

/// The facts of a route with one target at a time.
struct TargetFacts {
  TrustFact trust = TrustFact::trusted;
  PoolerFact pooler = PoolerFact::unseen;
  TargetFact target = TargetFact::none;
  SettledFact settled = SettledFact::no;
  RivalFact rival = RivalFact::none;
  StandbysFact standbys = StandbysFact::none_answers;
  ClusterFact cluster = ClusterFact::same;
  CandidateFact candidate = CandidateFact::not_asked;
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
  promote,    ///< the best standby, where the route drives
  demote,     ///< an old master that came back follows the new one; PostgreSQL: reported only
  spread,     ///< balanced: over all that fit
  fall_back,  ///< balanced: to where the fallback route leads
};

struct Diagnosis {
  std::string_view id;
  Plan plan = Plan::hold;
  std::string_view why;          ///< with {target} and {rival} to be filled in
  std::string_view master_id{};  ///< what it is called of Redis; empty: the same

  std::string_view name(bool redis) const { return redis && !master_id.empty() ? master_id : id; }
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

std::string_view to_text(CandidateFact fact);
std::string_view to_text(ReplicasFact fact);
std::string_view to_text(FallbackFact fact);

/// All rows in order: primary, then target, then balanced.
std::span<const Diagnosis* const> all_diagnoses();
/// The ids that `promote.when` may name.
bool is_promotable(std::string_view id);

/// What `pointsman why --table` prints: each table, each row with its conditions, id, plan and
/// sentence. A golden file.
std::string print_diagnosis_table();

}  // namespace pointsman
