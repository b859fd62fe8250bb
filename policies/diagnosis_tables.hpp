// The rows of the diagnosis tables: sets of facts, and what they mean. Included by diagnose.cpp and
// its table only.
#pragma once

#include <cstdint>
#include <span>

#include "policies/diagnose.hpp"

namespace pointsman {

/// A set of values of one fact; an empty set means any.
template <class Fact>
struct Any {
  std::uint32_t bits = 0;
  constexpr Any() = default;
  template <class... Facts>
  constexpr Any(Facts... facts)  // NOLINT: a list of facts is a set of them
      : bits((... | (1u << static_cast<unsigned>(facts)))) {}
  constexpr bool has(Fact fact) const {
    return bits == 0 || (bits >> static_cast<unsigned>(fact) & 1u) != 0;
  }
};

struct TargetRow {
  Any<TrustFact> trust{};
  Any<PoolerFact> pooler{};
  Any<TargetFact> target{};
  Any<SettledFact> settled{};
  Any<RivalFact> rival{};
  Any<StandbysFact> standbys{};
  Any<ClusterFact> cluster{};
  Any<CandidateFact> candidate{};
  Diagnosis diagnosis{};

  bool matches(const TargetFacts& f) const {
    return trust.has(f.trust) && pooler.has(f.pooler) && target.has(f.target) &&
           settled.has(f.settled) && rival.has(f.rival) && standbys.has(f.standbys) &&
           cluster.has(f.cluster) && candidate.has(f.candidate);
  }
};

struct BalancedRow {
  Any<TrustFact> trust{};
  Any<PoolerFact> pooler{};
  Any<ReplicasFact> replicas{};
  Any<FallbackFact> fallback{};
  Diagnosis diagnosis{};

  bool matches(const BalancedFacts& f) const {
    return trust.has(f.trust) && pooler.has(f.pooler) && replicas.has(f.replicas) &&
           fallback.has(f.fallback);
  }
};

/// For routes that want the one server that takes writes.
std::span<const TargetRow> primary_rows();
/// For all other routes with one target at a time.
std::span<const TargetRow> target_rows();
std::span<const BalancedRow> balanced_rows();

}  // namespace pointsman
